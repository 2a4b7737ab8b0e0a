"""The secrets that a `.env` holds, and those that it names as files."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dotenv

from gantry.errors import Malformed

LONGEST = 65_536  # bytes of a secret's file, and of one value


@dataclass(frozen=True, slots=True)
class Found:
    """NAME → value, and sentences about what could not be read."""

    values: dict[str, str] = field(repr=False, default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read(path: Path, wanted: Sequence[str]) -> Found:
    """The wanted settings of the file at `path`; an absent file has none. Raises Malformed for a closed one."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Found()
    except PermissionError:
        closed = f"{path.name} cannot be read by this user (group {os.getgid()})"
        raise Malformed(f"{closed}: `chgrp {os.getgid()} {path.name} && chmod 640 {path.name}`, as root") from None
    except (OSError, UnicodeDecodeError) as error:
        raise Malformed(f"{path.name} cannot be read: {error}") from None
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


def closed(folder: Path, mounted: Sequence[str]) -> bool:
    """Whether some of what containers mount of the folder is closed to their users, as under umask 077."""
    there = (folder, *(folder / name for name in mounted))
    return any(path.exists() and not os.access(path, os.R_OK if path.is_file() else os.X_OK) for path in there)


def _take_file(name: str, file: str, folder: Path, found: Found) -> None:
    path = (folder / file).resolve()
    if Path(file).is_absolute() or not path.is_relative_to(folder.resolve()):
        found.problems.append(f"{name}_FILE={file} lies outside of this folder: put {name} with `gantry secrets put`")
        return
    try:
        with path.open("rb") as opened:
            found.values[name] = text_of(opened.read(LONGEST + 1)).strip()
    except (OSError, Malformed) as error:
        found.problems.append(f"{name}_FILE={file} cannot be read here ({error}): put {name} with `gantry secrets put`")


def text_of(content: bytes) -> str:
    """A secret as text. Raises Malformed, without the value."""
    if len(content) > LONGEST:
        raise Malformed(f"longer than {LONGEST} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise Malformed("not UTF-8") from None
