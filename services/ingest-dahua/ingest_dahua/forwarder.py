"""Everything read goes into Redis, or to disk and from there into Redis, in the order in which it came.

Two loops: the intake offers new events to Redis while the spool is empty, and puts them behind what waits there
otherwise; the drain offers the spool's oldest.

Nothing overtakes. Only the intake adds to the spool, and it looks at `queued` between its own writes. What the drain
has in hand stays in the table, and in `queued`, until Redis has said that it has it. So once the intake reads 0,
everything older is in Redis (or was counted as lost), and stays so until the intake's own next write. An offer given
up for being late is in the spool too, and when it is drained, its numbers make whatever the late call does harmless.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from enum import Enum
from itertools import repeat

from gantry.clock import Clock
from gantry.errors import Unavailable
from gantry.event import RawEntry
from gantry.runtime import pause
from gantry.streams.inlet import BATCH, BATCH_BYTES, Answer, Inlet
from gantry.streams.scripts import Once
from gantry.topology import Topology
from ingest_dahua import telemetry
from ingest_dahua.events import raw_entry
from ingest_dahua.inbox import Inbox, Received
from ingest_dahua.spool import Figures, Spool, SpoolBroken

TICK_S = 0.5
# A server that takes longer over a batch does not hold up the reading: the batch goes to disk. One call's time, since
# a batch keeps to the inlet's own bounds and is never divided.
PATIENCE_S = 1.0
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
        self._spooled, self._hurry = asyncio.Event(), asyncio.Event()
        self._noted: Figures | None = None
        self._after, self._full, self._retry_at = 0, frozenset[str](), 0.0

    async def run(self, done: asyncio.Event) -> None:
        """Until nothing more is read (`done`) and all that was read is in Redis or on disk.

        Cancelled, it still brings to its end what it has in hand (a second or two); the inbox is `put_away`'s.
        """
        intake = asyncio.create_task(self._take_in(done))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._drain(done))
                group.create_task(self._report(done))
                await asyncio.shield(intake)
        finally:
            self._hurry.set()
            await asyncio.wait({intake})
            intake.result()
        await self._note()

    async def put_away(self) -> None:
        """After the last read, and after `run`: what an end before its time left in the inbox goes to disk."""
        self._hurry.set()
        while batch := self._inbox.take(BATCH, BATCH_BYTES):
            await self.forward(batch)

    async def _take_in(self, done: asyncio.Event) -> None:
        while not self._hurry.is_set() and (len(self._inbox) or not done.is_set()):
            self._beat()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._inbox.some()
            if batch := self._inbox.take(BATCH, BATCH_BYTES):
                await self.forward(batch)

    async def forward(self, batch: Sequence[Received]) -> None:
        """New events: to Redis, or behind those that wait on disk."""
        numbers = await self._numbers(len(batch))
        entries = [
            raw_entry(received.event, recorder=self._recorder, t_rx=received.t_rx, seq=seq)
            for received, seq in zip(batch, numbers or repeat(0), strict=False)
        ]
        telemetry.events_received(len(entries))
        if not numbers:
            await self._give_up(entries)
            return
        rest = entries
        try:
            if not self._spool.figures.queued and not self._hurry.is_set():  # nothing older waits: see above
                rest = await self._offer(entries)
        finally:
            if rest:
                await self._keep(rest)

    async def _numbers(self, count: int) -> range:
        """Empty only where there is no time left to wait for the disk."""
        while True:  # without numbers nothing can go on safely: the inbox fills, and then the connection waits
            in_time = not self._hurry.is_set()
            try:
                return await asyncio.to_thread(self._spool.numbers, count)
            except SpoolBroken as error:
                telemetry.spool_unusable(str(error))
            if not in_time:
                return range(0)
            self._beat()
            await pause(self._hurry, self._retry_s)

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
            await self._give_up(entries)
            return
        telemetry.events_spooled(entries, len(lost))
        telemetry.events_lost(lost)
        self._spooled.set()

    async def _give_up(self, entries: list[RawEntry]) -> None:
        await asyncio.to_thread(self._spool.count_lost, len(entries))
        telemetry.events_lost(entries)

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
        entries = await asyncio.to_thread(self._spool.oldest, BATCH, BATCH_BYTES, after=self._after, without=self._full)
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
