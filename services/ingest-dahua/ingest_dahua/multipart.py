"""The recorder's endless multipart answer: bytes in, parts out. Sans-IO.

Framing is by Content-Length AND by boundary, because either can be wrong: lengths that count too much or too little,
no length at all, a missing blank line, `-- myboundary` and a stray status line in the middle have all been reported of
real firmware. A part comes out as soon as it is whole: the next boundary may be a heartbeat away. Every decision
depends on the bytes alone, never on how they were cut into chunks, and every byte is looked at a bounded number of
times.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from ingest_dahua import grammar
from ingest_dahua.grammar import Braces

PART_CAP = 1 << 20
HEADER_CAP = 16 << 10
DEFAULT_BOUNDARY = "myboundary"
_WINDOW = 4096  # how far a part without length is searched ahead at a time
_PADDING = 8  # blanks and line end behind a boundary
_LENGTH_DIGITS = 12
_NEWLINE = b"\r\n"
_FAULTS = ("framing_length_mismatch", "oversized", "truncated")


@dataclass(frozen=True, slots=True)
class Part:
    """One whole part."""

    body: bytes
    content_type: str = ""


class _Line(Enum):
    """What stands at a line's start."""

    BOUNDARY = 1
    OTHER = 2
    UNSURE = 3  # until more bytes come


class Framing:
    """One stream's parser. `mismatches`, `oversized` and `truncated` count what it met."""

    def __init__(self, boundary: str = DEFAULT_BOUNDARY, *, cap: int = PART_CAP) -> None:
        name = boundary.encode().removeprefix(b"--") or DEFAULT_BOUNDARY.encode()
        self._marks = (b"--" + name, b"-- " + name, b"--" + name + b"--", b"-- " + name + b"--")
        self._longest_mark = len(name) + 5 + _PADDING
        self._cap = cap
        self.mismatches = 0
        self.oversized = 0
        self.truncated = 0
        self._told = (0, 0, 0)
        self._buffer = bytearray()
        self._at = 0  # where the present line, header or body begins
        self._seen = 0  # how far a body has been searched for a boundary
        self._parts: list[Part] = []
        self._step: Callable[[], bool] = self._between
        self._length: int | None = None
        self._declared = False  # a length was given, and not yet counted as wrong
        self._type = ""
        self._header_end = 0  # relative to _at: how much more the headers may take
        self._braces = Braces()

    def feed(self, data: bytes) -> list[Part]:
        """The parts that these bytes complete, in order. Never raises, whatever the bytes."""
        self._buffer += data
        while self._at < len(self._buffer) and self._step():
            pass
        del self._buffer[: self._at]
        self._seen = max(0, self._seen - self._at)
        self._at = 0
        parts, self._parts = self._parts, []
        return parts

    def take_faults(self) -> list[tuple[str, int]]:
        """(kind, count) of what was not as declared, since the last time this was asked."""
        now = (self.mismatches, self.oversized, self.truncated)
        new = [(kind, a - b) for kind, a, b in zip(_FAULTS, now, self._told, strict=True) if a > b]
        self._told = now
        return new

    def close(self) -> list[Part]:
        """The stream has ended: what is whole comes out, half a part never does."""
        if self._step in (self._sized_body, self._open_body):
            self._end_body()
        parts, self._parts = self._parts, []
        return parts

    # between parts

    def _between(self) -> bool:
        """At a line's start, outside of any part."""
        if self._buffer[self._at] in b"\r\n\0":
            self._at += 1
            return True
        match self._line(self._at):
            case _Line.UNSURE:
                return False
            case _Line.BOUNDARY:
                return self._boundary()
        begins = [self._begins(word) for word in (b"Code=", b"HTTP/1.")]
        if None in begins:
            return False
        another_event, status_line = begins
        if another_event:  # a second event behind the first: headers are missing, the event is not
            self._start_part()
            return self._go(self._body_start)
        if not status_line:
            self._count_mismatch()
        self._declared = False
        return self._go(self._rest_of_line)

    def _rest_of_line(self) -> bool:
        end = self._buffer.find(b"\n", self._at)
        self._at = end + 1 if end >= 0 else len(self._buffer)
        return self._go(self._between) if end >= 0 else False

    def _boundary(self) -> bool:
        """Pass the boundary line; the closing one is passed likewise, since some streams go on after it."""
        self._at = self._buffer.index(b"\n", self._at) + 1
        self._start_part()
        return self._go(self._headers)

    def _start_part(self) -> None:
        self._length, self._declared, self._type = None, False, ""
        self._header_end = HEADER_CAP

    # headers

    def _headers(self) -> bool:
        """At the start of a header line, or of a body whose blank line is missing."""
        buffer, at = self._buffer, self._at
        if buffer[at] == ord("\n") or buffer[at : at + 2] == b"\r\n":
            self._at = buffer.index(b"\n", at) + 1
            return self._go(self._body_start)
        line = self._line(at)
        if line is _Line.UNSURE or (buffer[at] == ord("\r") and len(buffer) == at + 1):
            return False
        if line is _Line.BOUNDARY:
            return self._boundary()
        begins = [self._begins(word) for word in (b"Heartbeat", b"Code=", b"HTTP/1.")]
        if None in begins:
            return False
        heartbeat, event, status_line = begins
        return self._go(self._body_start) if heartbeat or event else self._header_line(status_line=bool(status_line))

    def _header_line(self, *, status_line: bool) -> bool:
        limit = self._at + self._header_end
        end = self._buffer.find(b"\n", self._at, limit)
        if end < 0:
            return self._overflow() if len(self._buffer) >= limit else False
        line = bytes(self._buffer[self._at : end])
        name, colon, value = line.partition(b":")
        if not status_line and (not colon or b"=" in name or b";" in name):
            return self._go(self._body_start)  # no header: the blank line is missing
        self._header_end -= end + 1 - self._at
        self._at = end + 1
        self._header(name.strip().lower(), value.strip())
        return True

    def _header(self, name: bytes, value: bytes) -> None:
        if name == b"content-length" and value.isdigit() and len(value) <= _LENGTH_DIGITS:
            length = int(value)
            self._declared = True
            self._length = length if length <= self._cap else None  # too much to believe: find its end ourselves
        elif name == b"content-type":
            self._type = value.decode("latin-1").lower()

    # bodies

    def _body_start(self) -> bool:
        """At the first byte of a body; some firmware writes another line break first and does not count it."""
        if self._length == 0:
            return self._go(self._between)
        if self._buffer[self._at] in _NEWLINE:
            self._at += 1
            return True
        match self._line(self._at):
            case _Line.UNSURE:
                return False
            case _Line.BOUNDARY:
                self._count_mismatch()
                return self._go(self._between)
        self._seen = self._at
        self._braces = Braces()
        return self._go(self._open_body if self._length is None else self._sized_body)

    def _sized_body(self) -> bool:
        """Whole when its length is there, or when a boundary begins before that."""
        end = self._at + (self._length or 0)
        boundary = self._find_boundary(min(end, len(self._buffer)))
        if boundary is not None:
            return boundary >= 0 and self._cut(boundary)
        if len(self._buffer) < end:
            return False
        body = bytes(self._buffer[self._at : end])
        if not self._type.startswith("image/") and not grammar.whole(body):
            self._count_mismatch()  # it counts too little: the end is where the JSON closes or the boundary comes
            return self._go(self._open_body)
        return self._emit(body, end)

    def _open_body(self) -> bool:
        """Without a length to trust: whole when its JSON closes, or when a boundary comes."""
        limit = self._at + self._cap
        while True:
            end = min(self._seen + _WINDOW, len(self._buffer), limit)
            boundary = self._find_boundary(end)
            search_end = (
                boundary if boundary is not None and boundary >= 0 else min(end, self._unsure_at(boundary, end))
            )
            closes = self._braces.scan(self._buffer, self._at, search_end)
            if closes >= 0:
                return self._emit(bytes(self._buffer[self._at : closes]), closes)
            if boundary is not None:
                return boundary >= 0 and self._cut(boundary)
            if end == limit:
                return self._overflow()
            if end == len(self._buffer):
                return False

    def _unsure_at(self, boundary: int | None, end: int) -> int:
        return end if boundary is None else self._seen + 1

    def _find_boundary(self, end: int) -> int | None:
        """Where a boundary line begins that has at least its first dash before `end`; -1 unsure yet, None nowhere."""
        while (found := self._buffer.find(b"\n-", self._seen, end)) >= 0:
            self._seen = found
            match self._line(found + 1):
                case _Line.BOUNDARY:
                    return found + 1
                case _Line.UNSURE:
                    return -1
            self._seen = found + 1
        self._seen = max(self._seen, end - 1)
        return None

    def _cut(self, boundary: int) -> bool:
        """The body ends at a boundary: its declared length counted too much, or it had none."""
        self._count_mismatch()
        self._emit(bytes(self._buffer[self._at : boundary]).rstrip(_NEWLINE), boundary)
        return True

    def _emit(self, body: bytes, end: int) -> bool:
        if body:
            self._parts.append(Part(body, self._type))
        self._at = end
        return self._go(self._between)

    def _overflow(self) -> bool:
        self.oversized += 1
        self._declared = False
        return self._go(self._rest_of_line)

    def _end_body(self) -> None:
        text = bytes(self._buffer[self._at :])
        lines = text.rpartition(b"\n")
        if lines[2].rstrip(b" \t\r") in self._marks:
            self._cut(self._at + len(lines[0]) + 1)
        elif grammar.closed(text):
            self._cut(len(self._buffer))
        else:
            self.truncated += 1

    # what they share

    def _go(self, step: Callable[[], bool]) -> bool:
        self._step = step
        return True

    def _count_mismatch(self) -> None:
        self.mismatches += self._declared
        self._declared = False

    def _begins(self, word: bytes) -> bool | None:
        """Whether the line begins with `word`; None until enough of it has come."""
        have = self._buffer[self._at : self._at + len(word)]
        if len(have) < len(word) and word.startswith(have):
            return None
        return have == word

    def _line(self, at: int) -> _Line:
        line = bytes(self._buffer[at : at + self._longest_mark])
        if line[:1] != b"-":
            return _Line.OTHER
        text, ended, _ = line.partition(b"\n")
        text = text.rstrip(b" \t\r")
        if ended:
            return _Line.BOUNDARY if text in self._marks else _Line.OTHER
        possible = len(line) < self._longest_mark and any(mark.startswith(text) for mark in self._marks)
        return _Line.UNSURE if possible else _Line.OTHER
