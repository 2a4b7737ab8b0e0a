"""events.json on disk: appended in whole batches, mended at start, rotated away by name. Everything here blocks."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from gantry.errors import GantryError, Malformed
from gantry.eventlog import names, parts
from gantry.eventlog.line import Line, decode
from gantry.eventlog.parts import Budget, Part, Search

_UNBOUNDED = 1 << 62
_MOST_POSITIONS = 1_000_000
_BEGIN = b'{"at":"'


class Unwritable(GantryError):
    """The folder cannot be written: the disk is full, it is read-only, or another hand has moved the file."""


@dataclass(frozen=True, slots=True)
class Mended:
    """What a start found in the log."""

    written: frozenset[str] = field(default_factory=frozenset)  # positions of pending entries that stand there already
    cut: int = 0  # bytes of a torn end that were cut off
    foreign: str = ""  # where a file went that no journal of ours had begun


class LogFile:
    """The file that is being written."""

    def __init__(self, folder: Path, *, sync: bool, timed: Callable[[float], None] = lambda _: None) -> None:
        """`sync`: a batch counts as written once the disk has it; `timed` is told how many seconds that took."""
        self._folder, self._path = folder, folder / names.CURRENT
        self._sync, self._timed = sync, timed
        self._file: int | None = None
        self.size = 0

    def mend(self, pending: Container[str], now: datetime) -> Mended:
        """Open the file, cut off a torn end, and find what of `pending` stands in it. Raises Unwritable.

        Lines of pending entries are always the end of the log, since a batch is acknowledged before the next is
        written and before the file is rotated.
        """
        with _told(self._folder):
            self.close()
            self._folder.mkdir(parents=True, exist_ok=True)
            foreign = self._put_foreign_away(now)
            self._open()
            written, end = self._tail(pending)
            cut = self.size - end
            if cut:
                os.ftruncate(self._descriptor, end)
                self.size = end
            if self._sync:  # what a failed attempt wrote may not be on disk yet
                os.fsync(self._descriptor)
            return Mended(frozenset(written), cut, foreign)

    def append(self, data: bytes) -> None:
        """All of it or, as far as the disk allows that, nothing. Raises Unwritable."""
        with _told(self._folder):
            self._check_place()
            try:
                self._write(data)
            except OSError:
                os.ftruncate(self._descriptor, self.size)
                raise
            self.size += len(data)

    def rotate(self, now: datetime) -> str:
        """Begin a new file; the stem of the part that the old one is now. Raises Unwritable."""
        with _told(self._folder):
            self._check_place()
            part = self._put_away(now)
            self.close()
            self._open()
            return part

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @property
    def _descriptor(self) -> int:
        if self._file is None:
            raise Unwritable(f"{self._path} is not open")
        return self._file

    def _open(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(self._path, flags, 0o644)
        self.size = os.fstat(self._file).st_size
        if self._sync:
            sync_folder(self._folder)

    def _check_place(self) -> None:
        """A file that somebody moved or deleted takes no lines any more: begin anew."""
        try:
            there = self._path.stat()
        except FileNotFoundError:
            there = None
        if there is None or not os.path.samestat(there, os.fstat(self._descriptor)):
            raise Unwritable(f"{self._path} was moved or deleted by another hand")

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
        if self._sync:
            began = time.perf_counter()
            os.fsync(self._descriptor)
            self._timed(time.perf_counter() - began)

    def _put_away(self, now: datetime) -> str:
        stems = names.stems(path.name for path in self._folder.iterdir())
        part = names.stem_after(stems[0] if stems else None, now)
        self._path.rename(names.plain(self._folder, part))
        if self._sync:
            sync_folder(self._folder)
        return part

    def _put_foreign_away(self, now: datetime) -> str:
        """A file whose first line is no line of ours, as another system left it: kept, and never written or cut."""
        part = parts.open_current(self._folder)
        if part is None:
            return ""
        with _closing(part):
            part.stream.seek(0)
            begin = part.stream.read(len(_BEGIN))
        ours = _line(part.identity) is not None if part.identity else _BEGIN.startswith(begin)
        return "" if ours else self._put_away(now)

    def _tail(self, pending: Container[str]) -> tuple[set[str], int]:
        """Positions of pending entries at the end of the log, and where that ends: before the first torn line."""
        current = parts.open_current(self._folder)
        if current is None:
            raise Unwritable(f"{self._path} was moved or deleted by another hand")
        with _closing(current):
            written, end, all_of_it = _unacknowledged(current, pending)
        if all_of_it:  # a server that forgot acknowledgements, though it should not
            written |= self._of_older(pending)
        return written, end

    def _of_older(self, pending: Container[str]) -> set[str]:
        def match(text: bytes) -> Line | None:
            line = _line(text)
            return line if line and line.entry in pending else None

        stems = names.stems(path.name for path in self._folder.iterdir())
        part = parts.open_part(self._folder, stems[0]) if stems else None
        if part is None:
            return set()
        with _closing(part):
            search = Search(match=match, stop=lambda _: True)
            look = part.look(search, before=None, most=_MOST_POSITIONS, budget=Budget(_UNBOUNDED))
            return {line.at for _, line in look.found}


def sync_folder(folder: Path) -> None:
    """Make names in it last."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _unacknowledged(part: Part, pending: Container[str]) -> tuple[set[str], int, bool]:
    """(positions, end of what is whole, whether every line of the file is pending)."""
    written: set[str] = set()
    end, begun = 0, False
    for at, text in part.lines_back(part.size, Budget(_UNBOUNDED)):
        line = _line(text)
        if line is None:  # torn, with whatever was written after it
            written, end, begun = set(), at, True
            continue
        if not begun:
            end, begun = at + len(text) + 1, True
        if line.entry not in pending:
            return written, end, False
        written.add(line.at)
    return written, end, True


def _line(text: bytes) -> Line | None:
    try:
        return decode(text)
    except Malformed:
        return None


@contextmanager
def _closing(part: Part) -> Iterator[None]:
    try:
        yield
    finally:
        part.close()


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unwritable(f"{folder} cannot be written: {error.strerror or error}") from error
