"""Live updates: one poller feeds everybody who watches; while nobody does, nothing is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import msgspec
import redis.exceptions

from dashboard import telemetry
from dashboard.reading import Reading
from dashboard.reading.states import News, Now
from dashboard.reading.tail import Tail
from gantry.errors import Unavailable
from gantry.eventlog import Line
from gantry.runtime import pause

EVERY_S = 1.0
MOST_WATCHERS = 50
MOST_LINES = 50  # that a watcher gets in a second; the rest is counted


@dataclass(eq=False)
class Watcher:
    """One who watches. What it has not fetched is replaced by what is newer, so it never grows."""

    language: str
    status: bytes = b""
    lines: list[Line] = field(default_factory=list)
    more: int = 0
    ended: bool = False
    rings: asyncio.Event = field(default_factory=asyncio.Event)

    def put_status(self, status: bytes) -> None:
        self.status = status
        self.rings.set()

    def put_lines(self, lines: list[Line], more: int) -> None:
        """Newest last; the oldest fall out and are counted."""
        together = [*self.lines, *lines]
        self.more += more + max(0, len(together) - MOST_LINES)
        self.lines = together[-MOST_LINES:]
        self.rings.set()

    def end(self) -> None:
        self.ended = True
        self.rings.set()

    def take(self) -> list[tuple[str, bytes]]:
        """Event and data of what has come."""
        self.rings.clear()
        found = [("status", self.status)] if self.status else []
        if self.lines or self.more:
            found.append(("lines", msgspec.json.encode(News(lines=self.lines, more=self.more))))
        self.status, self.lines, self.more = b"", [], 0
        return found


class Live:
    """All who watch."""

    def __init__(self, reading: Reading, tail: Tail) -> None:
        self._reading, self._tail = reading, tail
        self._watchers: set[Watcher] = set()
        self._someone = asyncio.Event()
        self._told: dict[str, Now] = {}
        self._follows = False  # the tail stands where the last look ended
        self._stopped = False

    @property
    def full(self) -> bool:
        """Whether nobody else may watch."""
        return len(self._watchers) >= MOST_WATCHERS

    async def watch(self, language: str) -> AsyncIterator[tuple[str, bytes]]:
        """Event and data, as they come, until the watcher goes, the process stops or the server is away."""
        watcher = Watcher(language, ended=self._stopped)
        if told := self._told.get(language):
            watcher.put_status(msgspec.json.encode(told))
        self._watchers.add(watcher)
        self._someone.set()
        telemetry.watching(len(self._watchers))
        try:
            while not watcher.ended:
                await watcher.rings.wait()
                for each in watcher.take():
                    yield each
        finally:
            self._leave(watcher)

    def _leave(self, watcher: Watcher) -> None:
        self._watchers.discard(watcher)
        telemetry.watching(len(self._watchers))
        if not self._watchers:
            self._someone.clear()
            self._told.clear()
            self._follows = False

    async def run(self, stop: asyncio.Event) -> None:
        """Look once a second while somebody watches."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._end_with(stop))
            while not stop.is_set():
                await self._someone.wait()
                if not stop.is_set():
                    await self.once()
                await pause(stop, EVERY_S)

    async def _end_with(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._stopped = True
        self._someone.set()
        self._end_all()

    def _end_all(self) -> None:
        for watcher in self._watchers:
            watcher.end()

    async def once(self) -> None:
        """One look. While the server is away nobody is told anything: their streams end, and browsers ask again."""
        try:
            for language in {watcher.language for watcher in self._watchers}:
                self._tell(language, await self._reading.now(language))
            await self._tell_lines()
        except (Unavailable, redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as error:
            telemetry.live_ended(len(self._watchers), str(error))
            self._end_all()

    def _tell(self, language: str, now: Now) -> None:
        """Only what differs from what was told last; that time has passed is no difference."""
        before = self._told.get(language)
        if before and msgspec.structs.replace(before, at_ms=now.at_ms) == now:
            return
        self._told[language] = now
        said = msgspec.json.encode(now)
        for watcher in self._watchers:
            if watcher.language == language:
                watcher.put_status(said)

    async def _tell_lines(self) -> None:
        if not self._follows:
            await self._tail.to_end()
            self._follows = True
            return
        lines, more = await self._tail.read(MOST_LINES)
        if lines or more:
            for watcher in self._watchers:
                watcher.put_lines(lines, more)
