"""Live updates: one poller feeds everybody who watches; while nobody does, nothing is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import msgspec
import redis.exceptions
import structlog

from dashboard import telemetry
from dashboard.reading import Reading
from dashboard.reading.states import News, Now
from gantry.errors import Unavailable
from gantry.eventlog import Line
from gantry.runtime import pause

log = structlog.get_logger()

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
    away: bool = False
    gone: bool = False
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

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._watchers: set[Watcher] = set()
        self._someone = asyncio.Event()
        self._told: dict[str, Now] = {}
        self._stopped = False

    @property
    def full(self) -> bool:
        """Whether nobody else may watch."""
        return len(self._watchers) >= MOST_WATCHERS

    async def watch(self, language: str) -> AsyncIterator[tuple[str, bytes]]:
        """Event and data, as they come, until the server stops or the watcher goes."""
        watcher = Watcher(language)
        self._watchers.add(watcher)
        self._someone.set()
        telemetry.watching(len(self._watchers))
        if told := self._told.get(language):
            watcher.put_status(msgspec.json.encode(told))
        try:
            while not self._stopped:
                await watcher.rings.wait()
                for each in watcher.take():
                    yield each
        finally:
            self._watchers.discard(watcher)
            if not self._watchers:
                self._someone.clear()
            telemetry.watching(len(self._watchers))

    async def run(self, stop: asyncio.Event) -> None:
        """Poll once a second while somebody watches."""
        async with asyncio.TaskGroup() as group:
            waking = group.create_task(self._wake(stop))
            while not stop.is_set():
                await self._someone.wait()
                if stop.is_set():
                    break
                await self._once()
                await pause(stop, EVERY_S)
            await waking

    async def _wake(self, stop: asyncio.Event) -> None:
        """On stop, nobody waits any longer."""
        await stop.wait()
        self._stopped = True
        self._someone.set()
        for watcher in self._watchers:
            watcher.rings.set()

    async def _once(self) -> None:
        try:
            for language in {watcher.language for watcher in self._watchers}:
                await self._tell(language, await self._reading.now(language))
        except (Unavailable, redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as error:
            log.debug("live_cannot_read", reason=str(error))

    async def _tell(self, language: str, now: Now) -> None:
        """Only what differs from what was told last; that time has passed is no difference."""
        before = self._told.get(language)
        if before and msgspec.structs.replace(before, at_ms=0) == msgspec.structs.replace(now, at_ms=0):
            return
        self._told[language] = now
        said = msgspec.json.encode(now)
        for watcher in self._watchers:
            if watcher.language == language:
                watcher.put_status(said)
