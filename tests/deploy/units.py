"""systemd's unit files, read as lines: what a key was given, in order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "deploy" / "systemd"
COMMON = FOLDER / "gantry-.service.d" / "common.conf"

# Keys that may be given twice and then hold both; every other key of a drop-in replaces the unit's own.
ADDING = {"After", "Before", "Wants", "Environment", "EnvironmentFile", "ExecReload", "SystemCallFilter", "Also"}
ADDING |= {"LoadCredential", "UnsetEnvironment", "ReadWritePaths"}

Unit = dict[str, list[str]]


def read(path: Path) -> Unit:
    """Key → its values in order; sections are told apart by their keys."""
    found: Unit = defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith(("#", ";", "[")):
            found[key.strip()].append(value.strip())
    return dict(found)


def of_service(name: str) -> Unit:
    """The unit of a service of ours."""
    return read(FOLDER / f"gantry-{name}{'@' if name == 'publisher' else ''}.service")


def words(unit: Unit, key: str) -> list[str]:
    return [word for value in unit.get(key, []) for word in value.split()]


def environment(unit: Unit) -> dict[str, str]:
    """What Environment= and an `env` in front of the command set."""
    command = unit.get("ExecStart", [""])[0].split()
    given = [*words(unit, "Environment"), *(word for word in command if "=" in word)]
    return dict(word.split("=", 1) for word in given)


def seconds(text: str) -> float:
    """A time as our units write it: plain seconds."""
    return float(text)


def files() -> Iterator[Path]:
    yield from sorted(FOLDER.glob("gantry*.service"))
    yield from sorted(FOLDER.glob("*.target"))
