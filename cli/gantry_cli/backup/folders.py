"""Files of other processes, copied while those may be writing.

A recorder's spool is an SQLite file in WAL mode that its ingest holds exclusively, so it is copied as a crash would
leave it: the database first, then its log. Every page of the database comes from the log or was there before it, so
that log heals whatever the copy tore, as long as it is the same log: a log that was begun anew meanwhile has another
header, and the copy is made again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from gantry import devices, maps
from gantry.eventlog import names
from gantry_cli.backup.archive import Writer
from gantry_cli.backup.manifest import CONFIG, LOG, SPOOL, BackupProblem

CONFIGURATION = (maps.ALLOWLIST, maps.SERIALS, maps.NAMES, devices.FILE)
DATABASE, WAL = ".sqlite", "-wal"
TRIES = 10
_WAL_HEADER = 32  # bytes; two of its fields change whenever the log is begun anew
_STEP = 1 << 20

Mark = tuple[bytes, int, int]


def add_spools(writer: Writer, folder: Path) -> int:
    """Every recorder's spool; how many. Raises BackupProblem, OSError."""
    found = sorted(folder.glob(f"*{DATABASE}")) if folder.is_dir() else []
    for path in found:
        _add_spool(writer, path)
    return len(found)


def add_configuration(writer: Writer, folder: Path) -> int:
    """The four files, as far as they are there; nothing else of that folder, which may hold secrets."""
    found = [folder / name for name in CONFIGURATION if (folder / name).is_file()]
    for path in found:
        with path.open("rb") as file, writer.part(f"{CONFIG}/{path.name}") as write:
            _copy(file, write)
    return len(found)


def add_log(writer: Writer, folder: Path) -> int:
    """The event log, as far as its lines are whole. Raises BackupProblem, OSError."""
    for _ in range(TRIES):
        try:
            with (folder / names.CURRENT).open("rb") as current:
                parts = names.stems(path.name for path in folder.iterdir())
                if os.fstat(current.fileno()).st_ino != (folder / names.CURRENT).stat().st_ino:
                    continue  # rotated just now: it would be there twice
                with writer.part(f"{LOG}/{names.CURRENT}") as write:
                    _copy_lines(current, write)
                return 1 + sum(_add_part(writer, folder, stem) for stem in parts)
        except FileNotFoundError:
            continue  # between two names
    raise BackupProblem(
        f"{folder} has no {names.CURRENT}: leave out --log, or name the journal's folder in RUNTIME_DIR"
    )


def _add_part(writer: Writer, folder: Path, stem: str) -> int:
    for path in (names.packed(folder, stem), names.plain(folder, stem), names.packed(folder, stem)):
        try:
            file = path.open("rb")
        except FileNotFoundError:
            continue  # not packed yet, packed just now, or too old
        with file, writer.part(f"{LOG}/{path.name}") as write:
            _copy(file, write)
        return 1
    return 0


def _add_spool(writer: Writer, path: Path) -> None:
    log = path.with_name(path.name + WAL)
    for _ in range(TRIES):
        before, count = _mark(path, log), 1
        with path.open("rb") as file, writer.part(f"{SPOOL}/{path.name}") as write:
            _copy(file, write)
        if log.is_file():
            count = 2
            with log.open("rb") as file, writer.part(f"{SPOOL}/{log.name}") as write:
                _copy(file, write)
        if _mark(path, log) == before:
            return
        writer.forget(count)
    raise BackupProblem(f"{path} changed each time while it was copied: try again when its recorder is quieter")


def _mark(path: Path, log: Path) -> Mark:
    """What stays the same while a copy can be healed."""
    try:
        with log.open("rb") as file:
            header = file.read(_WAL_HEADER)
    except FileNotFoundError:
        header = b""
    if header:
        return header, 0, 0
    found = path.stat()
    return b"", found.st_mtime_ns, found.st_size


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    """What the file holds now, and not what is appended while it is read."""
    left = os.fstat(file.fileno()).st_size
    while left and (piece := file.read(min(left, _STEP))):
        left -= len(piece)
        yield piece


def _copy(file: IO[bytes], write: Callable[[bytes], None]) -> None:
    for piece in _pieces(file):
        write(piece)


def _copy_lines(file: IO[bytes], write: Callable[[bytes], None]) -> None:
    held = b""
    for piece in _pieces(file):
        whole, newline, held = (held + piece).rpartition(b"\n")
        write(whole + newline)
