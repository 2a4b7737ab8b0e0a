"""Reading one file of the event log, newest line first, within a budget of bytes."""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from gantry.eventlog import names
from gantry.eventlog.line import Line

BLOCK = 64 * 1024
LONGEST_LINE = 4 * 1024 * 1024  # a measure fits in a request of about 1 MB

Match = Callable[[bytes], Line | None]
Stop = Callable[[bytes], bool]
Found = tuple[int, Line]  # where the line begins in its file, and the line


@dataclass
class Budget:
    """Bytes that one reading may still look at, unpacked."""

    left: int
    read: int = 0

    def take(self, count: int) -> None:
        self.left -= count
        self.read += count


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is looked for. An empty line must match nothing."""

    match: Match
    must: bytes = b""  # bytes that every match has
    stop: Stop | None = None  # a line that does not match, and before which none will


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was found in a file, newest first; `down_to`: no line before this offset has been looked at."""

    found: list[Found]
    down_to: int
    damaged: bool = False  # the rest of the file cannot be unpacked


@dataclass
class Part:
    """One open file. `identity` is its first line, which stays when the file is renamed or packed."""

    stream: BinaryIO
    size: int  # of what was there when it was opened, unpacked
    is_packed: bool
    identity: bytes = field(init=False)

    def __post_init__(self) -> None:
        first = self.stream.readline(LONGEST_LINE)
        self.identity = first if first.endswith(b"\n") else b""

    def look(self, search: Search, *, before: int | None, most: int, budget: Budget) -> Look:
        """At most `most` matching lines that begin before an offset.

        A packed file is read whole, whatever the budget: it ends where the next part would begin.
        """
        end = self.size if before is None else min(before, self.size)
        return (self._forwards if self.is_packed else self._backwards)(search, end, most, budget)

    def close(self) -> None:
        self.stream.close()

    def _forwards(self, search: Search, end: int, most: int, budget: Budget) -> Look:
        kept: deque[Found] = deque(maxlen=most)
        dropped, damaged = False, False
        try:
            for at, written in self._lines(search.must, budget):
                if at >= end:
                    break
                if line := search.match(written):
                    dropped |= len(kept) == most
                    kept.append((at, line))
        except (EOFError, zlib.error, OSError):  # what came before the damage counts
            damaged = True
        found = list(reversed(kept))
        return Look(found=found, down_to=found[-1][0] if dropped else 0, damaged=damaged)

    def _lines(self, must: bytes, budget: Budget) -> Iterator[tuple[int, bytes]]:
        """(offset, line), oldest first, of blocks that have certain bytes anywhere."""
        self.stream.seek(0)
        at, carry = 0, b""
        while block := self.stream.read(BLOCK):
            budget.take(len(block))
            whole, end, rest = (carry + block).rpartition(b"\n")
            if end and must in whole:
                offset = at
                for written in whole.split(b"\n"):
                    yield offset, written
                    offset += len(written) + 1
            at += len(whole) + len(end)
            carry = rest

    def _backwards(self, search: Search, end: int, most: int, budget: Budget) -> Look:
        found: list[Found] = []
        down_to = end
        for at, written in self.lines_back(end, budget, search.must):
            down_to = at
            if line := search.match(written):
                found.append((at, line))
                if len(found) == most:
                    break
            elif search.stop and search.stop(written):
                return Look(found=found, down_to=0)
        return Look(found=found, down_to=down_to)

    def lines_back(self, end: int, budget: Budget, must: bytes = b"") -> Iterator[tuple[int, bytes]]:
        """(offset, line without its end), newest first; an unfinished last line is left out.

        Lines of a block without the bytes `must` are passed over: its first one comes as an empty one.
        """
        begin, carry, ended = end, b"", False
        while begin > 0 and budget.left > 0:
            size = min(BLOCK, begin)
            begin -= size
            self.stream.seek(begin)
            carry = self.stream.read(size) + carry
            budget.take(size)
            if not ended:
                carry = carry[: carry.rfind(b"\n") + 1]
                ended = bool(carry)
                if not ended:
                    continue
            first = carry.find(b"\n") + 1 if begin else 0  # what stands before it began in an earlier block
            offset = begin + len(carry)
            lines = carry[first:-1]
            if first < len(carry) and must not in lines:
                yield begin + first, b""
            elif first < len(carry):
                for written in reversed(lines.split(b"\n")):
                    offset -= len(written) + 1
                    yield offset, written
            carry = carry[:first]
            if len(carry) > LONGEST_LINE:  # no journal wrote that
                carry, ended = b"", False


def open_part(folder: Path, part: str) -> Part | None:
    """A rotated part, packed or not yet; None when it has been removed meanwhile."""
    try:
        return _plain(names.plain(folder, part))
    except FileNotFoundError:
        pass
    path = names.packed(folder, part)
    try:
        stream = gzip.open(path)  # noqa: SIM115 - the Part closes it
    except FileNotFoundError:
        return None
    try:
        return Part(stream=stream, size=_unpacked(path), is_packed=True)  # type: ignore[arg-type]
    except (OSError, EOFError, zlib.error):  # no packed file, or gone: the reader says nothing of a file it cannot open
        stream.close()
        return None


def open_current(folder: Path) -> Part | None:
    """events.json as it is now; None while there is none."""
    try:
        return _plain(folder / names.CURRENT)
    except FileNotFoundError:
        return None


def _plain(path: Path) -> Part:
    stream = path.open("rb")
    return Part(stream=stream, size=os.fstat(stream.fileno()).st_size, is_packed=False)


def _unpacked(path: Path) -> int:
    """What the packed file says of its length (its last four bytes)."""
    with path.open("rb") as stream:
        stream.seek(-4, os.SEEK_END)
        return int(struct.unpack("<I", stream.read(4))[0])
