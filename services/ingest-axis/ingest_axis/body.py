"""Reading a body: bounded in size, in pace, and together with all other bodies in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from types import TracebackType
from typing import Any, Self

from gantry.clock import Clock
from ingest_axis.door import Answer, Refused, busy, too_large

STALL_S = 60.0
MIN_BYTES_PER_S = 1000  # asked for once STALL_S have passed: 83 MB take two minutes at 5 Mbit/s, and may

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Gone(Exception):
    """The device hung up; nobody is there to be answered."""


class Budget:
    """Bytes that all bodies in hand may hold together."""

    def __init__(self, total: int) -> None:
        self.total = self.free = total

    def held(self) -> int:
        """Bytes in hand."""
        return self.total - self.free

    def portion(self) -> Portion:
        """What one request holds of it, given back on exit."""
        return Portion(self)


class Portion:
    """One request's part of the budget."""

    def __init__(self, budget: Budget) -> None:
        self._budget, self.held = budget, 0

    def take(self, count: int) -> bool:
        """Hold `count` bytes more, if the budget has them."""
        if count > self._budget.free:
            return False
        self._budget.free -= count
        self.held += count
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._budget.free += self.held
        self.held = 0


async def read(receive: Receive, portion: Portion, clock: Clock, *, limit: int, stall_s: float = STALL_S) -> bytearray:
    """The whole body.

    Raises Refused (413 beyond `limit`, 408 when it stalls or crawls, 503 without memory), Gone when it breaks off.
    """
    body, began = bytearray(), clock.monotonic()
    while True:
        message = await _next(receive, stall_s)
        piece, more = message.get("body", b""), message.get("more_body", False)
        if len(body) + len(piece) > limit:
            raise Refused(too_large(limit), unread=more)
        if not portion.take(len(piece)):
            raise Refused(busy("too many large pushes at once"), unread=more)
        body += piece
        if not more:
            return body
        if len(body) < (clock.monotonic() - began - stall_s) * MIN_BYTES_PER_S:
            raise Refused(Answer(408, "the body comes too slowly"))


async def drain(receive: Receive, *, within_s: float) -> None:
    """Throw the rest of a body away, so that the answer already sent is not lost to a connection reset."""
    try:
        async with asyncio.timeout(within_s):
            while (await receive()).get("more_body", False):
                pass
    except TimeoutError:
        return


async def _next(receive: Receive, stall_s: float) -> MutableMapping[str, Any]:
    try:
        async with asyncio.timeout(stall_s):
            message = await receive()
    except TimeoutError as error:
        raise Refused(Answer(408, f"no byte of the body for {stall_s:.0f} s"), unread=False) from error
    if message["type"] == "http.disconnect":
        raise Gone
    return message
