"""Everything read goes into Redis, or to disk and from there into Redis, in the order in which it came.

Two loops: the intake offers new events to Redis while the spool is empty, and puts them behind what waits there
otherwise; the drain offers the spool's oldest. Only the intake writes to the spool, so nothing can overtake: while it
is empty, whatever was in it is in Redis.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from enum import Enum

from gantry.clock import Clock
from gantry.errors import Unavailable
from gantry.event import RawEntry
from gantry.runtime import pause
from gantry.streams.inlet import BATCH, Answer, Inlet
from gantry.streams.scripts import Once
from gantry.topology import Topology
from ingest_dahua import telemetry
from ingest_dahua.events import raw_entry
from ingest_dahua.inbox import Inbox, Received
from ingest_dahua.spool import Figures, Spool, SpoolBroken

TICK_S = 0.5
PATIENCE_S = 1.0  # a server that takes longer over a batch does not hold up the reading: the batch goes to disk
RETRY_S = 1.0


class _Drained(Enum):
    MORE = 1
    NOTHING = 2  # nothing that may be offered now
    REFUSED = 3  # by a server that is away or full


class Forwarder:
    """One recorder's way into `raw`."""

    def __init__(  # noqa: PLR0913 - what a composition root knows
        self,
        recorder: str,
        inbox: Inbox,
        spool: Spool,
        *,
        calls: Once,
        keys: Topology,
        quota: int,
        clock: Clock,
        beat: Callable[[], None] = lambda: None,
        retry_s: float = RETRY_S,
    ) -> None:
        self._recorder, self._inbox, self._spool = recorder, inbox, spool
        self._inlet = Inlet(calls, keys, spool.id, quota=quota)
        self._calls, self._ledger = calls, keys.ledger
        self._clock, self._beat, self._retry_s = clock, beat, retry_s
        self._late: set[asyncio.Task[list[Answer]]] = set()
        self._spooled = asyncio.Event()
        self._noted: Figures | None = None
        self._after, self._full, self._retry_at = 0, frozenset[str](), 0.0

    async def run(self, done: asyncio.Event) -> None:
        """Until nothing more is read (`done`) and all that was read is in Redis or on disk."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._drain(done))
            group.create_task(self._report(done))
            await self._take_in(done)
        await self._note()

    async def _take_in(self, done: asyncio.Event) -> None:
        while len(self._inbox) or not done.is_set():
            self._beat()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._inbox.some()
            if batch := self._inbox.take(BATCH):
                await self.forward(batch)

    async def forward(self, batch: Sequence[Received]) -> None:
        """New events: to Redis, or behind those that wait on disk."""
        numbers = await self._numbers(len(batch))
        entries = [
            raw_entry(received.event, recorder=self._recorder, t_rx=received.t_rx, seq=seq)
            for received, seq in zip(batch, numbers, strict=True)
        ]
        telemetry.events_received(len(entries))
        rest = entries if self._spool.figures.queued else await self._offer(entries)
        if rest:
            await self._keep(rest)

    async def _numbers(self, count: int) -> range:
        while True:  # without numbers nothing can go on safely: the inbox fills, and then the connection waits
            try:
                return await asyncio.to_thread(self._spool.numbers, count)
            except SpoolBroken as error:
                telemetry.spool_unusable(str(error))
                self._beat()
                await asyncio.sleep(self._retry_s)

    async def _offer(self, entries: list[RawEntry]) -> list[RawEntry]:
        """Those that Redis has not taken, in order."""
        call = asyncio.create_task(self._inlet.append(self._recorder, entries))
        answered, _ = await asyncio.wait({call}, timeout=PATIENCE_S)
        if not answered:
            self._late.add(call)  # whatever comes of it, the numbers make the repetition from the spool harmless
            call.add_done_callback(self._forget)
            telemetry.server_away("no answer in time")
            return entries
        try:
            answers = call.result()
        except Unavailable as error:
            telemetry.server_away(str(error))
            return entries
        telemetry.events_answered(answers)
        rows = list(zip(entries, answers, strict=True))
        telemetry.events_durable([entry for entry, answer in rows if not answer.refused], self._clock.now_us())
        return [entry for entry, answer in rows if answer.refused]

    def _forget(self, call: asyncio.Task[list[Answer]]) -> None:
        self._late.discard(call)
        if not call.cancelled() and (error := call.exception()):
            telemetry.server_away(str(error))

    async def _keep(self, entries: list[RawEntry]) -> None:
        try:
            lost = await asyncio.to_thread(self._spool.append, entries)
        except SpoolBroken as error:
            telemetry.spool_unusable(str(error))
            self._spool.count_lost(len(entries))
            lost = entries
        telemetry.events_spooled(entries, len(lost))
        telemetry.events_lost(lost)
        self._spooled.set()

    async def _drain(self, done: asyncio.Event) -> None:
        while not done.is_set():
            try:
                drained = await self.drain_once()
            except SpoolBroken as error:
                telemetry.spool_unusable(str(error))
                drained = _Drained.REFUSED
            if drained is _Drained.REFUSED:
                await pause(done, self._retry_s)
            elif drained is _Drained.NOTHING:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(self._retry_s, TICK_S)):
                        await self._spooled.wait()

    async def drain_once(self) -> _Drained:
        """Offer the oldest batch in the spool. A device that is full waits alone: the others' entries go past it."""
        self._spooled.clear()
        if self._full and self._clock.monotonic() >= self._retry_at:
            self._start_over()
        if not self._spool.figures.queued:
            return _Drained.NOTHING
        entries = await asyncio.to_thread(self._spool.oldest, BATCH, after=self._after, without=self._full)
        if not entries:
            return _Drained.NOTHING
        try:
            answers = await self._inlet.append(self._recorder, entries)
        except Unavailable:
            self._start_over()
            return _Drained.REFUSED
        return await self._settle(entries, answers)

    async def _settle(self, entries: list[RawEntry], answers: list[Answer]) -> _Drained:
        telemetry.events_answered(answers)
        answered = list(zip(entries, answers, strict=True))
        taken = [entry for entry, answer in answered if not answer.refused]
        telemetry.events_durable(taken, self._clock.now_us())
        await asyncio.to_thread(self._spool.delete, taken)
        if Answer.SITE_FULL in answers:
            self._start_over()
            return _Drained.REFUSED
        full = {entry.dev for entry, answer in answered if answer is Answer.DEVICE_FULL}
        if full and not self._full:
            self._retry_at = self._clock.monotonic() + self._retry_s
        self._full |= full
        self._after = entries[-1].seq
        if not self._spool.figures.queued:
            telemetry.spool_drained()
        return _Drained.MORE

    def _start_over(self) -> None:
        self._after, self._full = 0, frozenset()

    async def _report(self, done: asyncio.Event) -> None:
        while not done.is_set():
            await self._note()
            await pause(done, TICK_S)

    async def _note(self) -> None:
        """Write what stands beside the ledger; absolute figures, so that a repetition changes nothing."""
        now, spool = self._spool.figures, self._spool.id
        telemetry.spool_holds(now.queued)
        if now == self._noted:
            return
        figures = [f"spooled:{spool}", now.queued, f"lost:{spool}", now.lost]
        with contextlib.suppress(Unavailable):  # said where the events themselves are refused; the next tick repeats it
            await self._calls.once("note", [self._ledger], figures)
            self._noted = now
