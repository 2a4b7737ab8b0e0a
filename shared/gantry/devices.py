"""devices.toml in CONFIG_DIR: what is set for one device alone.

`[device.ID]` is a FIWARE device id, as the platform knows it. `[recorder.NAME]` and `[counter.SERIAL]` belong to the
services that listen to them and are not looked into here. An absent file is an empty one; a bad file is refused whole,
with file, line and reason.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gantry import maps, serials
from gantry.errors import Malformed, SettingsError

FILE = "devices.toml"
DEVICE = "device"
OTHERS = ("recorder", "counter")
_BOUNDS: dict[str, tuple[tuple[type, ...], int, str]] = {  # as those of the settings for all devices
    "max_per_minute": ((int, float), 6_000_000, "number"),
    "burst": ((int,), 100_000, "whole number"),
}


@dataclass(frozen=True, slots=True)
class DeviceRate:
    """One device's own limits; None: as for all."""

    max_per_minute: float | None = None
    burst: int | None = None


_NONE: Mapping[str, DeviceRate] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Devices:
    """The file, as far as it is about devices."""

    rates: Mapping[str, DeviceRate] = field(default_factory=lambda: _NONE)  # FIWARE device id → its limits


def load(folder: Path) -> Devices:
    """Read devices.toml of CONFIG_DIR. Raises SettingsError with one sentence that says what is wrong with it."""
    path = folder / FILE
    try:
        return parse(maps.text_of(path))
    except FileNotFoundError:
        return Devices()
    except (Malformed, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SettingsError([f"CONFIG_DIR: {path}: {reason}"]) from error


def parse(text: str) -> Devices:
    """The content of the file. Raises Malformed."""
    given = _toml(text)
    for name in given:
        if name not in (DEVICE, *OTHERS):
            raise Malformed(f"{_line_of(text, name)}{name[:40]!r} is none of device, recorder, counter")
    tables = given.get(DEVICE, {})
    if not isinstance(tables, dict):
        raise Malformed(f"{_line_of(text, DEVICE)}'device' is not a table of devices")
    if len(tables) > maps.MAX_ENTRIES:
        raise Malformed(f"more than {maps.MAX_ENTRIES} devices")
    rates: dict[str, DeviceRate] = {}
    for name, table in tables.items():
        device = serials.canonical(name)
        key, problem = ("", "stands there twice") if device in rates else _fault(table)
        if problem:
            raise Malformed(f"{_line_of(text, name, key)}device {name[:40]!r}: {problem}")
        rates[device] = DeviceRate(**table)
    return Devices(MappingProxyType(rates))


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        reason, _, place = str(error).partition(" (at ")
        line = re.match(r"line ([0-9]+)", place)  # otherwise "end of document"
        number = line[1] if line else text.count("\n") + 1
        raise Malformed(f"line {number}: not TOML: {reason[:100]}") from error
    except RecursionError as error:
        raise Malformed("line 1: nested too deeply") from error
    except ValueError as error:  # Python reads no integer of more than some thousand digits
        raise Malformed("a number in it is too long") from error


def _fault(table: object) -> tuple[str, str]:
    """The key that is wrong with one device's table, and why; both empty if none is."""
    if not isinstance(table, dict):
        return "", "is not a table"
    for key, value in table.items():
        if key not in _BOUNDS:
            return key, f"{key[:40]!r} is none of {', '.join(_BOUNDS)}"
        kinds, most, kind = _BOUNDS[key]
        if type(value) not in kinds or not 1 <= value <= most:
            return key, f"{key} must be a {kind} from 1 to {most}"
    return "", ""


def _line_of(text: str, table: str, key: str = "") -> str:
    """`line <n>: `, as far as it can be told: TOML knows more ways to write a table than a header of its own."""
    header = re.compile(rf"\s*\[\s*(?:{DEVICE}\s*\.\s*)?{_spelled(table)}\s*[].]|\s*{_spelled(table)}\s*[.=]")
    entry = re.compile(rf"\s*{_spelled(key)}\s*=")
    lines = list(enumerate(text.split("\n"), 1))
    at = next((n for n, line in lines if header.match(line)), 0)
    inside = takewhile(lambda numbered: not numbered[1].lstrip().startswith("["), lines[at:])
    at = next((n for n, line in inside if key and entry.match(line)), at)
    return f"line {at}: " if at else ""


def _spelled(name: str) -> str:
    return rf"[\"']?{re.escape(name)}[\"']?"
