"""The loop: read a batch, decide about each entry, commit; or stand by while another process does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from gantry.clock import Clock
from gantry.codec import Unreadable
from gantry.errors import Fenced, Newer, Unavailable
from gantry.event import Bury, Decided, Decision, LetterClass, RawEntry
from gantry.health import Health
from gantry.runtime import pause
from gantry.streams.processing import Committed, Processing
from processor import pipeline, telemetry
from processor.duty import Duty
from processor.steps import redact

T = TypeVar("T")

STANDBY_S = 0.2
MEMORY_WAIT_S = 1.0
NEWER_WAIT_S = 1.0


class Waiting(Protocol):
    """How the loop waits for something to do."""

    async def wait(self) -> None: ...

    def seen(self, entry_id: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The active processor, or its standby."""

    duty: Duty
    processing: Processing
    news: Waiting
    decide: Callable[[RawEntry], Decision]
    health: Health
    clock: Clock
    beat: Callable[[], None]

    async def run(self, stop: asyncio.Event) -> None:
        """Work while the duty is ours, until `stop`; the batch in hand is finished first, then the lease left."""
        while not stop.is_set():
            self.beat()
            try:
                await self._turn(stop)
            except Fenced:
                telemetry.fenced()
                self.health.has("room")
                await self.duty.ask()
            except Newer as error:
                self.health.lacks("schema", f"events wait: {error}")
                await pause(stop, NEWER_WAIT_S)
            except Unavailable as error:
                telemetry.server_went_away(str(error))
                await pause(stop, STANDBY_S)
        await self.duty.leave()

    async def _turn(self, stop: asyncio.Event) -> None:
        if not self.duty.mine:
            self.health.has("room")  # whether there is any is now for another process to find out
            self.health.has("schema")
            await pause(stop, STANDBY_S)
        elif not await self.run_once(stop):
            await self.news.wait()

    async def run_once(self, stop: asyncio.Event) -> int:
        """Read and finish one batch; how many entries it had. Raises Fenced, and Unavailable once stopping."""
        batch = await self.processing.read(self.duty.token)
        if not batch:
            return 0
        started = self.clock.monotonic()
        decided = await self._decide_all(batch)
        done = await self._commit(decided, stop)
        self.health.has("schema")
        if done is not None:
            seconds, now = self.clock.monotonic() - started, self.clock.now_us()
            telemetry.committed(decided, done.duplicates, seconds=seconds, now_us=now)
        self.news.seen(batch[-1][0])
        return len(batch)

    async def _decide_all(self, batch: list[tuple[str, RawEntry | Unreadable]]) -> list[Decided]:
        """Let the lease, the alive key and the pages have the loop between entries: a large one takes a while."""
        decided = []
        for entry_id, entry in batch:
            self.beat()
            decided.append(self._decided(entry_id, entry))
            await asyncio.sleep(0)
        return decided

    async def _commit(self, decided: list[Decided], stop: asyncio.Event) -> Committed | None:
        """Until there is room; None when asked to stop before: the batch stays pending and is read again."""
        while not stop.is_set():
            done = await self.processing.commit(self.duty.token, decided)
            if done is not None:
                self.health.has("room")
                return done
            telemetry.commit_put_off(len(decided))
            self.health.lacks("room", "Redis is short of memory: events wait until measures have gone out")
            await pause(stop, MEMORY_WAIT_S)
        return None

    def _decided(self, entry_id: str, entry: RawEntry | Unreadable) -> Decided:
        raw = entry.raw if isinstance(entry, Unreadable) else entry
        return Decided(entry_id, raw, self._decision(entry), _guarded(pipeline.what, raw, ""))

    def _decision(self, entry: RawEntry | Unreadable) -> Decision:
        if isinstance(entry, Unreadable):
            return Bury(LetterClass.QUARANTINE, "unreadable", _letter(entry.raw))
        try:
            return self.decide(entry)
        except Exception as error:  # noqa: BLE001 - the delivery boundary: a bug must not stop the stream
            telemetry.failed_on(entry, error)
            return Bury(LetterClass.IN, f"error:{type(error).__name__}", _letter(entry))


def _letter(raw: RawEntry) -> bytes:
    """What may be kept of an entry that the pipeline failed on; the bug may be in the redactor itself."""
    return _guarded(pipeline.letter, raw, redact.unread(raw.body))


def _guarded(read: Callable[[RawEntry], T], raw: RawEntry, otherwise: T) -> T:
    try:
        return read(raw)
    except Exception as error:  # noqa: BLE001 - part of the same boundary
        telemetry.failed_on(raw, error)
        return otherwise
