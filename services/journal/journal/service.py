"""The loop: read, decide lines, append, acknowledge; and begin anew from what is pending after any failure."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from gantry.clock import Clock
from gantry.errors import Fenced, Malformed, Newer, Unavailable
from gantry.eventlog import Line
from gantry.eventlog.line import encode, entry_of
from gantry.health import Health
from gantry.runtime import pause
from journal import telemetry
from journal.lines import STREAMS, Entry, lines_of
from journal.logfile import LogFile, Unwritable
from journal.merge import Merge, Reading

STANDBY_S = 0.2
AGAIN_S = 1.0
NEWER_S = 5.0
GATHER_S = 0.1  # between two batches while entries come singly: an fsync each would keep the disk busy
BATCH_BYTES = 4_000_000


class Source(Protocol):
    """The streams, as intake.py reads them."""

    async def begin(self) -> set[str]: ...

    async def read(self, streams: Sequence[str], *, wait: bool) -> dict[str, Reading]: ...

    async def acknowledge(self, entries: Sequence[Entry]) -> None: ...


class Place(Protocol):
    """Whether this process is the one that writes."""

    @property
    def mine(self) -> bool: ...


@dataclass(kw_only=True)
class Journal:
    """Writes the log while the duty is ours."""

    duty: Place
    source: Source
    log: LogFile
    rotate_bytes: int
    rotated: asyncio.Event  # set when there is a part to pack
    health: Health
    clock: Clock
    beat: Callable[[], None]
    lines: int = 0  # written since the start
    _merge: Merge = field(default_factory=lambda: Merge(STREAMS))
    _written: frozenset[str] = frozenset()  # positions that a journal before wrote and did not acknowledge
    _open: set[str] = field(default_factory=set)  # the entries of those, until they are acknowledged

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; the batch in hand is finished first."""
        while not stop.is_set():
            self.beat()
            try:
                await self._while_mine(stop)
            except Fenced:
                telemetry.lost_duty()
            except Newer as error:
                self.health.lacks("log", str(error))
                await pause(stop, NEWER_S)
            except Unavailable as error:
                telemetry.server_went_away(str(error))
            except Unwritable as error:
                telemetry.unwritable("events.json", str(error))
                self.health.lacks("log", f"nothing is written or acknowledged: {error}")
            await pause(stop, AGAIN_S if self.duty.mine else STANDBY_S)
        self.log.close()

    async def _while_mine(self, stop: asyncio.Event) -> None:
        if not self.duty.mine:
            return
        await self.begin()
        while not stop.is_set() and self.duty.mine:
            self.beat()
            if not await self.turn():
                await pause(stop, GATHER_S)

    async def begin(self) -> None:
        """Mend the log and start from what is pending. Raises Unavailable, Unwritable."""
        pending = await self.source.begin()
        mended = await asyncio.to_thread(self.log.mend, pending, self._now())
        self._merge, self._written = Merge(STREAMS), mended.written
        self._open = set(map(entry_of, mended.written))
        telemetry.began(pending=len(pending), written=len(mended.written), cut=mended.cut, foreign=mended.foreign)
        if not pending:
            self.health.has("log")

    async def turn(self) -> bool:
        """Read once, and write what is ready; whether there may be more at once.

        Raises Fenced, Newer, Unavailable, Unwritable: begin anew after any of them.
        """
        if wants := self._merge.wants:
            self._merge.add(await self.source.read(wants, wait=self._merge.empty))
        else:
            self._merge.add({})
        entries = self._merge.take(BATCH_BYTES)
        known = list(itertools.takewhile(lambda entry: not entry.newer, entries))
        if known:
            await self._write(known)
        if len(known) < len(entries):
            raise Newer(f"a later version wrote entry {entries[len(known)].name}: nothing is lost, start that version")
        return not self._merge.caught_up or not entries

    async def _write(self, entries: Sequence[Entry]) -> None:
        lines = [line for entry in entries for line in self._lines_of(entry)]
        fresh = [line for line in lines if line.at not in self._written]
        data = b"".join(map(encode, fresh))
        if not self.duty.mine:
            raise Fenced("another journal may write by now: it finds all of this pending")
        if data:
            await asyncio.to_thread(self.log.append, data)
        self.health.has("log")
        await self.source.acknowledge(entries)
        self._open.difference_update(entry.name for entry in entries)
        self.lines += len(fresh)
        telemetry.wrote(fresh, size=len(data), file_size=self.log.size, repeated=len(lines) - len(fresh))
        await self._rotate_if_due()

    async def _rotate_if_due(self) -> None:
        """Only where everything in the file has been acknowledged: so a start need not look into older parts."""
        if self.log.size >= self.rotate_bytes and not self._open:
            telemetry.rotated(await asyncio.to_thread(self.log.rotate, self._now()))
            self.rotated.set()

    def _lines_of(self, entry: Entry) -> list[Line]:
        if not entry.fields:
            telemetry.vanished(entry.stream, entry.id)
            return []
        try:
            return lines_of(entry)
        except Malformed as error:
            telemetry.malformed(entry.stream, entry.id, str(error))
            return []

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now_us() / 1e6, UTC)
