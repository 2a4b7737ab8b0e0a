"""Older parts of the log: packed once, kept within a count and an age. Everything here blocks and raises OSError."""

from __future__ import annotations

import gzip
import os
import shutil
from datetime import datetime, timedelta
from pathlib import Path

from gantry.eventlog import names
from journal.logfile import sync_folder

_LEVEL = 6
_TEMPORARY = ".json.gz.tmp"


def pack_all(folder: Path) -> list[str]:
    """Pack every part that is not packed yet, also what a crash left half done; the stems of those packed now."""
    for path in folder.glob(f"events-*{_TEMPORARY}"):
        path.unlink()
    plain = [stem for stem in names.stems(_listed(folder)) if names.plain(folder, stem).exists()]
    for stem in plain:
        _pack(folder, stem)
    return plain


def _pack(folder: Path, stem: str) -> None:
    """At every instant one whole file with this stem is there; a reader knows both for the same part."""
    plain, packed, temporary = names.plain(folder, stem), names.packed(folder, stem), folder / f"{stem}{_TEMPORARY}"
    try:
        with plain.open("rb") as source, temporary.open("wb") as target:
            with gzip.GzipFile(fileobj=target, mode="wb", compresslevel=_LEVEL, filename="", mtime=0) as stream:
                shutil.copyfileobj(source, stream, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
        temporary.rename(packed)
    except OSError:
        temporary.unlink(missing_ok=True)  # on a full disk the log itself needs the room
        raise
    sync_folder(folder)
    plain.unlink()


def remove_old(folder: Path, *, keep: int, days: int, now: datetime) -> list[str]:
    """Remove parts beyond the newest `keep`, and those rotated more than `days` ago; their stems."""
    oldest = now - timedelta(days=days)
    stems = names.stems(_listed(folder))
    removed = [
        stem for n, stem in enumerate(stems) if n >= keep or (at := names.rotated_at(stem)) is None or at < oldest
    ]
    for stem in removed:
        names.plain(folder, stem).unlink(missing_ok=True)
        names.packed(folder, stem).unlink(missing_ok=True)
    return removed


def _listed(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []
