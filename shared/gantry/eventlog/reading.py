"""Reading the event log, newest line first: bounded, and undisturbed by a journal that writes and rotates meanwhile.

A part is known by its first line (a digest of it), which no rotation changes: so a file that is renamed or packed
between two looks is neither missed nor read twice, and a cursor stays good.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import re
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from gantry.errors import Malformed
from gantry.eventlog import names, parts
from gantry.eventlog.line import Line, decode
from gantry.eventlog.parts import Budget, Look, Part, Search
from gantry.eventlog.wanted import Wanted, received_by_id

MOST_BYTES = 64 * 1024 * 1024  # that one page looks at; a packed part is read whole, so it may be one part more
MOST_LINES = 1000  # in one page
FIND_BYTES = 256 * 1024 * 1024  # that the search for one event looks at
_SLACK = timedelta(minutes=10)  # between clocks: of the server, of the doors and of the journal's host
_CURSOR = re.compile(r"^([0-9]{1,12})@([0-9a-f]{16})$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Lines, newest first."""

    lines: list[Line]
    next: str | None  # cursor of what is older; None: there is nothing more
    cut: bool = False  # the bound of bytes ended it, so that older lines may be wanted too: go on with `next`
    missing: bool = False  # there is no event log in the folder
    damaged: int = 0  # packed parts that cannot be read to their end
    bytes_read: int = 0


class EventLog:
    """The event log in a folder. Everything here blocks; an unreadable folder raises OSError."""

    def __init__(self, folder: Path, *, most_bytes: int = MOST_BYTES) -> None:
        self.folder = folder
        self._most_bytes = most_bytes

    def page(self, wanted: Wanted | None = None, *, limit: int = 100, cursor: str = "") -> Page:
        """The newest lines that are wanted, at most `limit` of them; `cursor`: older than that. Raises Malformed."""
        before, identity = _read_cursor(cursor) if cursor else (None, "")
        return _Reading(self.folder, wanted or Wanted(), min(limit, MOST_LINES), self._most_bytes).run(before, identity)

    def find(self, event_id: str, *, limit: int = 200) -> Page:
        """Every line of one event. Raises Malformed for an id that is too long.

        An id says when its event was received: parts rotated before that are not looked at, and those after it
        are looked at in their order, for most events end soon. `cut`: newer parts have not been looked at.
        """
        at = received_by_id(event_id)
        oldest = at - _SLACK if at else None
        return _Reading(self.folder, Wanted(id=event_id), limit, FIND_BYTES, oldest).find()


class _Reading:
    """One walk from the newest line to older ones."""

    def __init__(
        self, folder: Path, wanted: Wanted, limit: int, most_bytes: int, oldest: datetime | None = None
    ) -> None:
        self._folder, self._wanted, self._limit = folder, wanted, limit
        since = datetime.fromtimestamp(wanted.since_ms / 1000, UTC) - _SLACK if wanted.since_ms else None
        self._oldest = max(filter(None, (oldest, since)), default=None)
        too_old = partial(_ended_before, f"{since:%Y-%m-%dT%H:%M:%S}") if since else None
        self._search = Search(match=wanted.line, must=wanted.must, stop=too_old)
        self._budget = Budget(most_bytes)
        self._lines: list[Line] = []
        self._damaged = 0
        self._any = False

    def run(self, before: int | None, identity: str) -> Page:
        with contextlib.closing(self._parts()) as found:
            return self._walk(found, before, identity)

    def find(self) -> Page:
        """From the oldest part on, so that the budget goes where the event most likely ended."""
        cut = False
        with contextlib.closing(self._parts(oldest_first=True)) as found:
            for part in found:
                if cut := self._is_too_much(part) or len(self._lines) >= self._limit:
                    break
                before, self._lines = self._lines, []
                look = self._look(part, None)
                self._lines += before
                if cut := look.down_to > 0:
                    break
        return self._page(None, cut=cut)

    def _walk(self, found: Iterable[Part], before: int | None, identity: str) -> Page:
        for part in found:
            name = _name(part.identity)
            if identity and name != identity:
                continue  # newer than the cursor
            if self._is_too_much(part):
                return self._page(f"{part.size}@{name}", cut=True)
            look = self._look(part, before)
            if look.down_to > 0:
                return self._page(f"{look.down_to}@{name}", cut=len(self._lines) < self._limit)
            identity, before = "", None
        return self._page(None)

    def _is_too_much(self, part: Part) -> bool:
        """A packed part is read whole or not at all; one is always read, else nobody would get further."""
        return bool(self._budget.read) and (
            self._budget.left <= 0 or (part.is_packed and part.size > self._budget.left)
        )

    def _look(self, part: Part, before: int | None) -> Look:
        most = self._limit - len(self._lines)
        if most <= 0:  # the page is full, and this part begins the next
            return Look(found=[], down_to=part.size if before is None else before)
        look = part.look(self._search, before=before, most=most, budget=self._budget)
        self._lines += [line for _, line in look.found]
        self._damaged += look.damaged
        return look

    def _page(self, cursor: str | None, *, cut: bool = False) -> Page:
        return Page(
            lines=self._lines,
            next=cursor,
            cut=cut,
            missing=not self._any,
            damaged=self._damaged,
            bytes_read=self._budget.read,
        )

    def _parts(self, *, oldest_first: bool = False) -> Generator[Part]:
        """events.json first, then the folder is listed: what is rotated after that has been opened before."""
        current = parts.open_current(self._folder)
        stems = self._stems()
        self._any = bool(current or stems)
        seen: set[bytes] = set()
        older = (part for stem in (stems[::-1] if oldest_first else stems) if (part := self._open(stem)))
        now = (current,) if current else ()
        try:
            for part in itertools.chain(older, now) if oldest_first else itertools.chain(now, older):
                yield from _once(part, seen)
        finally:
            if current:
                current.close()

    def _open(self, stem: str) -> Part | None:
        return parts.open_part(self._folder, stem)

    def _stems(self) -> list[str]:
        try:
            found = names.stems(path.name for path in self._folder.iterdir())
        except FileNotFoundError:
            return []
        at = {stem: names.rotated_at(stem) for stem in found}
        return [stem for stem in found if not self._oldest or (rotated := at[stem]) is None or rotated >= self._oldest]


def _once(part: Part, seen: set[bytes]) -> Iterator[Part]:
    """The part, unless it has been there before or has no line yet; closed afterwards."""
    try:
        if part.identity and part.identity not in seen:
            seen.add(part.identity)
            yield part
    finally:
        part.close()


def _name(identity: bytes) -> str:
    return hashlib.blake2b(identity, digest_size=8).hexdigest()


def _ended_before(moment: str, written: bytes) -> bool:
    try:
        return (decode(written).ended or moment) < moment
    except Malformed:
        return False


def _read_cursor(cursor: str) -> tuple[int, str]:
    if not (match := _CURSOR.match(cursor)):
        raise Malformed("not a cursor of this log")
    return int(match[1]), match[2]
