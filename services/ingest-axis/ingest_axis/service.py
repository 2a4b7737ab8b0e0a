"""Storing a push: every measurement into `raw`, oldest first, in batches that leave room for other devices.

A push is stored when this returns; one that found no room in time is refused, and what was taken of it stays: the
counter sends it again, and the processor knows the repetitions by their intervals.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gantry.clock import Clock
from gantry.errors import Unavailable
from gantry.event import RawEntry
from gantry.runtime import pause
from gantry.streams.inlet import BATCH, Answer, Inlet
from gantry.streams.scripts import Once
from gantry.topology import Topology
from ingest_axis import retail, telemetry
from ingest_axis.standing import AWAY, Standing

PATIENCE_S = 20.0  # a counter's own time-out is unknown; a lost 503 does no harm
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
PRODUCER_TTL_S = 3600
BATCH_BYTES = 1_048_576
APPENDS_AT_ONCE = 16  # fewer than the client's connections

_WHY = {Answer.DEVICE_FULL: "this device holds as much as DEVICE_QUOTA allows", Answer.SITE_FULL: "Redis is full"}


class NoRoom(Exception):
    """Not everything could be stored within the time that a request has; the message says why."""


@dataclass
class _Attempt:
    """How far one push has come, and the seconds that it may still spend waiting."""

    left_s: float
    pause_s: float = FIRST_PAUSE_S
    stored: int = 0

    def next_pause(self) -> float:
        now_s, self.pause_s = min(self.pause_s, self.left_s), min(2 * self.pause_s, LONGEST_PAUSE_S)
        self.left_s -= now_s
        return now_s


@dataclass(slots=True)
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


@dataclass(kw_only=True)
class Intake:
    """The way from a push into `raw`."""

    calls: Once
    keys: Topology
    standing: Standing
    clock: Clock
    stop: asyncio.Event
    quota: int
    new_id: Callable[[int], str]
    patience_s: float = PATIENCE_S
    _turns: dict[str, _Turn] = field(default_factory=dict)
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(APPENDS_AT_ONCE))

    async def store(self, push: retail.Push, t_rx: int) -> None:
        """Return when every unit of the push is durable. Raises NoRoom."""
        producer = f"push-{secrets.token_hex(12)}"
        inlet = Inlet(self.calls, self.keys, producer, quota=self.quota, ttl_s=PRODUCER_TTL_S)
        attempt = _Attempt(self.patience_s)
        try:
            async with self._turn(push.dev):
                for batch in batches(push, t_rx, self.new_id):
                    await self._append(inlet, batch, attempt)
        finally:
            telemetry.push_ended(stored=attempt.stored, refused=push.units - attempt.stored)

    async def _append(self, inlet: Inlet, batch: list[RawEntry], attempt: _Attempt) -> None:
        """Offer the batch until it is taken, always from the first refused entry on."""
        while batch:
            why, rest = await self._offer(inlet, batch)
            attempt.stored += len(batch) - len(rest)
            if rest and self._hopeless(attempt, why):
                telemetry.room_not_found(rest[0].dev, rest[0].id, why)
                raise NoRoom(why)
            if rest:
                await pause(self.stop, attempt.next_pause())
            batch = rest

    def _hopeless(self, attempt: _Attempt, why: str) -> bool:
        """Whether to refuse now; without Redis a push only waits if some of it is stored already."""
        return attempt.left_s <= 0 or self.stop.is_set() or (why == AWAY and not attempt.stored)

    async def _offer(self, inlet: Inlet, batch: list[RawEntry]) -> tuple[str, list[RawEntry]]:
        """Why the rest of the batch was refused, and that rest."""
        try:
            async with self._slots:
                answers = await inlet.append("axis", batch)
        except Unavailable as error:
            self.standing.lost(str(error))
            return AWAY, batch
        for i, answer in enumerate(answers):
            if answer.refused:
                return _WHY[answer], batch[i:]
        return "", []

    @asynccontextmanager
    async def _turn(self, dev: str) -> AsyncIterator[None]:
        """One push of a device at a time: one that gave up on us and resends costs no more than one that waits."""
        turn = self._turns.setdefault(dev, _Turn())
        turn.users += 1
        try:
            async with asyncio.timeout(self.patience_s):
                await turn.lock.acquire()
        except TimeoutError as error:
            self._leave(dev, turn)
            raise NoRoom("another push of this device is still being stored") from error
        except asyncio.CancelledError:
            self._leave(dev, turn)
            raise
        try:
            yield
        finally:
            turn.lock.release()
            self._leave(dev, turn)

    def _leave(self, dev: str, turn: _Turn) -> None:
        turn.users -= 1
        if not turn.users:
            del self._turns[dev]


def batches(push: retail.Push, t_rx: int, new_id: Callable[[int], str]) -> Iterator[list[RawEntry]]:
    """The entries of a push, in order, at most BATCH and about BATCH_BYTES at a time."""
    batch: list[RawEntry] = []
    size = 0
    for index in range(push.units):
        entry = retail.entry(push, index, event_id=new_id(t_rx), t_rx=t_rx)
        if batch and (len(batch) == BATCH or size + len(entry.body) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += len(entry.body)
    if batch:
        yield batch
