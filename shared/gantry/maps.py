"""The files in CONFIG_DIR that say which devices are wanted and what they are called.

An absent file is an empty one; a bad file is refused whole, with file, line and reason.
"""

from __future__ import annotations

import json  # and not orjson: its errors tell line and column, and pairs show names given twice
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from gantry import serials
from gantry.errors import Malformed, SettingsError

ALLOWLIST = "allowlist.txt"
SERIALS = "machine_to_serial.json"
NAMES = "camera_name_map.json"

MAX_BYTES = 8 * 1024 * 1024
MAX_ENTRIES = 100_000
MAX_TEXT = 200

_NOTHING: Mapping[str, str] = MappingProxyType({})
_COMMENT = re.compile(r"(^|\s)#.*")
_NOT_ONE = re.compile(r"[\s,;\"'\[\]{}]")


@dataclass(frozen=True, slots=True)
class Maps:
    """All three files. Serials compare without regard to case and to how a MAC address is spelled."""

    allowed: frozenset[str] = frozenset()  # as `_same` writes them; empty: all
    serials: Mapping[str, str] = field(default_factory=lambda: _NOTHING)  # machine name, or <recorder>/<index> → serial
    names: Mapping[str, str] = field(default_factory=lambda: _NOTHING)  # serial, as `_same` writes it → friendly name

    def allows(self, *names: str) -> bool:
        """Whether a device that goes by any of these names is wanted."""
        return not self.allowed or any(_same(name) in self.allowed for name in names)

    def name_of(self, device: str) -> str:
        """The friendly name of a serial; empty if it has none."""
        return self.names.get(_same(device), "")


def load(folder: Path) -> Maps:
    """Read the three files of CONFIG_DIR. Raises SettingsError with one sentence per bad file."""
    problems: list[str] = []
    allowed = _read(folder / ALLOWLIST, problems)
    serials = _read(folder / SERIALS, problems)
    names = _read(folder / NAMES, problems)
    if problems:
        raise SettingsError(problems)
    return Maps(
        allowed=frozenset(map(_same, allowed)),
        serials=MappingProxyType(serials),
        names=MappingProxyType({_same(serial): name for serial, name in names.items()}),
    )


def _same(serial: str) -> str:
    return serials.canonical(serial).casefold()


def _read(path: Path, problems: list[str]) -> dict[str, str]:
    try:
        text = text_of(path)
        return _lines(text) if path.name == ALLOWLIST else _pairs(text)
    except FileNotFoundError:
        return {}
    except (Malformed, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        problems.append(f"CONFIG_DIR: {path}: {reason}")
        return {}


def text_of(path: Path) -> str:
    """A file of CONFIG_DIR. Raises Malformed for one that is too large or not UTF-8, else OSError."""
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise Malformed(f"larger than {MAX_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")  # editors on Windows begin a file with a mark
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Malformed(f"line {line}: not UTF-8") from error


def _lines(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        serial = _COMMENT.sub("", line).strip()
        if not serial:
            continue
        several = "one serial a line, without commas, blanks or quotes" if _NOT_ONE.search(serial) else ""
        if problem := several or _problem(serial):
            raise Malformed(f"line {number}: {problem}")
        found[serial] = ""
    return _bounded(found)


def _pairs(text: str) -> dict[str, str]:
    if not text.strip():
        return {}
    try:
        given = json.loads(text, object_pairs_hook=_Object)
    except json.JSONDecodeError as error:
        raise Malformed(f"line {error.lineno}: not JSON: {error.msg}") from error
    except RecursionError as error:
        raise Malformed("line 1: nested too deeply") from error
    except ValueError as error:  # Python reads no integer of more than some thousand digits
        raise Malformed("a number in it is too long") from error
    if not isinstance(given, _Object):
        raise Malformed("line 1: not a JSON object whose values are all texts")
    found: dict[str, str] = {}
    for key, value in given.pairs:
        plain = value.strip() if isinstance(value, str) else ""
        if problem := _pair_problem(key, value, found.get(key.strip(), plain)):
            raise Malformed(f"line {_line_of(key, text)}: {problem}")
        found[key.strip()] = plain
    return _bounded(found)


def _pair_problem(key: str, value: object, before: str) -> str:
    if not isinstance(value, str):
        return f"the value of {key[:40]!r} is not a text"
    if before != value.strip():
        return f"{key[:40]!r} stands there twice with different values"
    return _problem(key.strip()) or _problem(value.strip())


@dataclass(slots=True)
class _Object:
    """A JSON object with its repetitions, which a dict would hide."""

    pairs: list[tuple[str, object]]


def _line_of(key: str, text: str) -> int:
    """Where a key stands; escapes may be written in more than one way, then it is not found and 1 is said."""
    at = text.find(json.dumps(key, ensure_ascii=False))
    return text.count("\n", 0, max(at, 0)) + 1


def _problem(text: str) -> str:
    if text and len(text) <= MAX_TEXT and text.isprintable():
        return ""
    return f"a text must be 1 to {MAX_TEXT} printable characters"


def _bounded(found: dict[str, str]) -> dict[str, str]:
    if len(found) > MAX_ENTRIES:
        raise Malformed(f"more than {MAX_ENTRIES} entries")
    return found
