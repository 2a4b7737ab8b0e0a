"""The secrets that a `.env` holds, and those that it names as files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dotenv

LONGEST = 65_536  # bytes of a secret's file, and of one value


@dataclass(frozen=True, slots=True)
class Found:
    """NAME → value, and sentences about what could not be read."""

    values: dict[str, str] = field(repr=False, default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read(path: Path, wanted: Sequence[str]) -> Found:
    """The wanted settings of the file at `path`; an absent file has none."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Found()
    except (OSError, UnicodeDecodeError) as error:
        return Found(problems=[f"{path.name} cannot be read here ({error}), so its secrets are not in force"])
    return parse(text, path.parent, wanted)


def parse(text: str, folder: Path, wanted: Sequence[str]) -> Found:
    """As `read`; NAME_FILE is looked for under `folder` only, which is all that a container sees of the host."""
    rows, found = dotenv.dotenv_values(stream=io.StringIO(text), interpolate=False), Found()
    for name in wanted:
        if file := rows.get(f"{name}_FILE"):
            _take_file(name, file, folder, found)
        elif value := rows.get(name):
            found.values[name] = value.strip()
    return found


def _take_file(name: str, file: str, folder: Path, found: Found) -> None:
    path = (folder / file).resolve()
    if Path(file).is_absolute() or not path.is_relative_to(folder.resolve()):
        found.problems.append(f"{name}_FILE={file} lies outside of this folder: put {name} with `gantry secrets put`")
        return
    try:
        with path.open("rb") as opened:
            found.values[name] = opened.read(LONGEST).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        found.problems.append(f"{name}_FILE={file} cannot be read here ({error}): put {name} with `gantry secrets put`")
