"""What has been read and not yet forwarded: bounded, so that a slow server or disk ends in TCP's own back-pressure."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from ingest_dahua.events import RecorderEvent

MAX_EVENTS = 10_000
MAX_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class Received:
    """An event and when its last byte came, µs since the epoch."""

    event: RecorderEvent
    t_rx: int


class Inbox:
    """Between the reading loop and the forwarding loop, in order."""

    def __init__(self, *, max_events: int = MAX_EVENTS, max_bytes: int = MAX_BYTES) -> None:
        self._max_events, self._max_bytes = max_events, max_bytes
        self._waiting: deque[Received] = deque()
        self._bytes = 0
        self._some = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, received: Received) -> None:
        """Never waits and never refuses, so that nothing read can be lost to a cancellation; ask `room` afterwards."""
        self._waiting.append(received)
        self._bytes += len(received.event.body)
        self._some.set()
        if len(self._waiting) >= self._max_events or self._bytes >= self._max_bytes:
            self._room.clear()

    async def room(self) -> None:
        """Wait until reading may go on."""
        await self._room.wait()

    async def some(self) -> None:
        """Wait until there is something to take."""
        await self._some.wait()

    def take(self, count: int, max_bytes: int) -> list[Received]:
        """The oldest that have come: at most `count`, and at most `max_bytes` of bodies, but one at least."""
        taken: list[Received] = []
        size = 0
        while self._waiting and len(taken) < count:
            size += len(self._waiting[0].event.body)
            if taken and size > max_bytes:
                break
            taken.append(self._waiting.popleft())
            self._bytes -= len(taken[-1].event.body)
        if not self._waiting:
            self._some.clear()
        if len(self._waiting) < self._max_events and self._bytes < self._max_bytes:
            self._room.set()
        return taken
