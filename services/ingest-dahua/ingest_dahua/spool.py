"""Events on disk while Redis does not take them: in order, bounded, and with the numbers that make repeats harmless.

One file per recorder, held exclusively by one process. Calls block (each write is synced), so callers use threads:
several at once. The figures change only together with the table, under one lock, so they agree whenever it is free.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gantry.errors import GantryError
from gantry.event import RawEntry

NUMBERS_AT_ONCE = 10_000  # reserved durably in one write, so that they never go back and no event pays for a sync
_ROW_BYTES = 200  # what a row takes beside its body, roughly

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entries (
    number INTEGER PRIMARY KEY, dev TEXT NOT NULL, v INTEGER NOT NULL, id TEXT NOT NULL, src TEXT NOT NULL,
    t_dev TEXT NOT NULL, t_rx INTEGER NOT NULL, enc TEXT NOT NULL, body BLOB NOT NULL);
"""
_COLUMNS = "number, dev, v, id, src, t_dev, t_rx, enc, body"


class SpoolBusy(GantryError):
    """Another process has this recorder's spool open."""


class SpoolBroken(GantryError):
    """The disk refuses: full, read-only, or the file is damaged."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What stands beside the ledger."""

    queued: int  # entries that wait here now
    lost: int  # ever, since the file was made


class Spool:
    """The spool of one recorder. Raises SpoolBusy or SpoolBroken; the other methods raise SpoolBroken."""

    def __init__(self, folder: Path, recorder: str, *, max_bytes: int) -> None:
        self._lock = threading.Lock()
        self._max_bytes = max_bytes
        path = folder / (re.sub(r"[^A-Za-z0-9.:_-]", "_", recorder) + ".sqlite")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise SpoolBroken(f"{path}: {error}") from error
        try:
            with self._disk():
                self._open()
        except GantryError:
            self._db.close()
            raise

    def _open(self) -> None:
        for pragma in ("auto_vacuum=INCREMENTAL", "locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript("BEGIN EXCLUSIVE;" + _SCHEMA + "COMMIT;")
        self.id = self._fact("id", secrets.token_hex(8))
        self._lost = self._lost_saved = int(self._fact("lost", "0"))
        count, size = self._db.execute("SELECT COUNT(*), TOTAL(LENGTH(body)) FROM entries").fetchone()
        self._queued, self._bytes = int(count), int(size) + int(count) * _ROW_BYTES
        self._next = int(self._fact("reserved", "1"))
        self._reserved = self._next

    @property
    def figures(self) -> Figures:
        """As of the last finished write; without the lock, which may be held for as long as a disk takes."""
        return Figures(self._queued, self._lost)

    def numbers(self, count: int) -> range:
        """The next numbers: greater than any given before, also by a process that was killed."""
        with self._lock, self._disk():
            if self._next + count > self._reserved:
                upto = self._next + count + NUMBERS_AT_ONCE
                self._set_fact("reserved", str(upto))
                self._reserved = upto
            first, self._next = self._next, self._next + count
            return range(first, first + count)

    def append(self, entries: Sequence[RawEntry]) -> list[RawEntry]:
        """Put entries behind those that wait; returns those for which there is no room, counted as lost."""
        with self._lock, self._disk():
            kept, lost = _fitting(entries, self._max_bytes - self._bytes)
            total = self._lost + len(lost)
            with self._transaction():
                marks = "?, " * 8 + "?"
                self._db.executemany(f"INSERT INTO entries ({_COLUMNS}) VALUES ({marks})", map(_row, kept))  # noqa: S608 - constants
                if total != self._lost_saved:
                    self._set_fact("lost", str(total))
            self._lost = self._lost_saved = total
            self._queued += len(kept)
            self._bytes += sum(map(_size, kept))
        return lost

    def count_lost(self, count: int) -> None:
        """Events that could not even be written here; the total reaches the disk with the next write that succeeds."""
        with self._lock:
            self._lost += count

    def oldest(self, count: int, max_bytes: int, *, after: int = 0, without: Collection[str] = ()) -> list[RawEntry]:
        """The oldest entries with numbers above `after`, leaving out some devices.

        At most `count`, and at most `max_bytes` of bodies, but one at least where there is one.
        """
        marks = ", ".join("?" * len(without))
        query = f"SELECT {_COLUMNS} FROM entries WHERE number > ? AND dev NOT IN ({marks}) ORDER BY number LIMIT ?"  # noqa: S608 - marks only
        with self._lock, self._disk(), contextlib.closing(self._db.execute(query, (after, *without, count))) as rows:
            return list(_within(map(_entry, rows), max_bytes))

    def delete(self, entries: Sequence[RawEntry]) -> None:
        """These are in Redis now."""
        if not entries:
            return
        query = "DELETE FROM entries WHERE number = ?"
        with self._lock, self._disk():
            with self._transaction():
                gone = [entry for entry in entries if self._db.execute(query, (entry.seq,)).rowcount]
            self._queued -= len(gone)
            self._bytes -= sum(map(_size, gone))
            if not self._queued:
                self._db.executescript("PRAGMA incremental_vacuum;")  # execute() would free a single page

    def close(self) -> None:
        """Let the next process have the file."""
        with self._lock:
            self._db.close()

    def _fact(self, name: str, first: str) -> str:
        self._db.execute("INSERT OR IGNORE INTO facts VALUES (?, ?)", (name, first))
        return str(self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()[0])

    def _set_fact(self, name: str, value: str) -> None:
        self._db.execute("UPDATE facts SET value = ? WHERE name = ?", (value, name))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    @contextlib.contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0)  # the module's own errors have none, e.g. on a closed file
            if code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise SpoolBusy("another process has this recorder's spool open") from error
            raise SpoolBroken(f"spool: {error}") from error


def _size(entry: RawEntry) -> int:
    return len(entry.body) + _ROW_BYTES


def _fitting(entries: Iterable[RawEntry], room: int) -> tuple[list[RawEntry], list[RawEntry]]:
    """Those that fit into `room` bytes, and the others."""
    kept: list[RawEntry] = []
    lost: list[RawEntry] = []
    for entry in entries:
        fits = _size(entry) <= room
        (kept if fits else lost).append(entry)
        room -= _size(entry) if fits else 0
    return kept, lost


def _within(entries: Iterable[RawEntry], max_bytes: int) -> Iterator[RawEntry]:
    """The first of them, as far as their bodies stay within `max_bytes`; one at least."""
    size = 0
    for at, entry in enumerate(entries):
        size += len(entry.body)
        if at and size > max_bytes:
            return
        yield entry


def _row(entry: RawEntry) -> tuple[int, str, int, str, str, str, int, str, bytes]:
    e = entry
    return (e.seq, e.dev, e.v, e.id, e.src, e.t_dev, e.t_rx, e.enc, e.body)


def _entry(row: tuple[int, str, int, str, str, str, int, str, bytes]) -> RawEntry:
    seq, dev, v, name, src, t_dev, t_rx, enc, body = row
    return RawEntry(seq=seq, dev=dev, v=v, id=name, src=src, t_dev=t_dev, t_rx=t_rx, enc=enc, body=body)
