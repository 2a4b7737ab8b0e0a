"""The publisher's loops: pull events into lanes, serve the lanes through slots, keep the house."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import redis.exceptions

from gantry.errors import Unavailable
from gantry.health import Health
from gantry.runtime import pause, run_workers
from gantry.streams import groups
from gantry.streams.client import Client
from gantry.streams.lanes import Lanes, Pulled
from gantry.streams.scripts import Once
from gantry.topology import Topology
from publisher import telemetry
from publisher.desk import Desk
from publisher.slot import Slot
from publisher.survey import Survey

NEWS_BLOCK_S = 1.0
HOUSEKEEPING_S = 5.0
AWAY_S = 0.2


@dataclass
class Puller:
    """Moves events to lanes as they come, and rings for those who serve them."""

    lanes: Lanes
    news: Client  # its own connection: it blocks
    keys: Topology
    desks: Mapping[str, Desk]
    health: Health | None = None

    async def run(self, stop: asyncio.Event) -> None:
        with contextlib.suppress(Unavailable):  # stopping while the server is away
            while not stop.is_set():
                pulled = await self.run_once()
                if pulled.memory_full:
                    telemetry.pull_stopped_for_memory()
                    await pause(stop, 1.0)
                elif pulled.newer:
                    await pause(stop, 1.0)
                elif not pulled.moved and not pulled.raced:
                    await self._wait_for_news(pulled.after, stop)

    async def run_once(self) -> Pulled:
        """One batch."""
        pulled = await self.lanes.pull()
        for target, lanes in pulled.lanes.items():
            self.desks[target].offer(lanes)
        telemetry.pulled(pulled.moved, memory_full=pulled.memory_full)
        self._tell(pulled.newer)
        return pulled

    def _tell(self, newer: str) -> None:
        if self.health and newer:
            reason = f"a later version wrote the next entry of events (schema {newer}): start that version"
            self.health.lacks("schema", f"measures wait: {reason}")
        elif self.health:
            self.health.has("schema")

    async def _wait_for_news(self, after: str, stop: asyncio.Event) -> None:
        """A plain XREAD from where the group stands misses nothing, and takes nothing from the other publishers."""
        try:
            news = await self.news.xread({self.keys.events: after}, count=1, block=round(NEWS_BLOCK_S * 1000))
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
            await pause(stop, AWAY_S)  # readiness says so; the next pull waits until the server is back
            return
        if news:
            for desk in self.desks.values():
                desk.note_news()  # another publisher may pull them first, and still leave the sending to us


@dataclass
class Housekeeping:
    """Trimming what is taken, striking off publishers that died, a look at holds and limits: any publisher may."""

    client: Client
    calls: Once
    keys: Topology
    instance: str
    survey: Survey

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self.run_once()
            except (Unavailable, redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
                await pause(stop, AWAY_S)
            await pause(stop, HOUSEKEEPING_S)

    async def run_once(self) -> None:
        await groups.enlist(self.calls, self.keys, self.instance)  # also after others took us for dead
        await groups.trim(self.calls, self.keys)
        if gone := await groups.reap(self.client, self.calls, self.keys):
            telemetry.publisher_struck_off(gone)
        await self.survey.run_once()


@dataclass
class Publisher:
    """All loops of one process; enlisted while they run."""

    client: Client
    keys: Topology
    instance: str
    puller: Puller
    slots: Sequence[Slot]
    housekeeping: Housekeeping
    grace_s: float  # above a request's time-out

    async def run(self, stop: asyncio.Event) -> None:
        if stop.is_set():
            return  # the server never answered
        loops = [
            self.puller.run,
            self.housekeeping.run,
            self._ring_on_stop,
            *(slot.run for slot in self.slots),
        ]
        await run_workers(loops, stop, grace_s=self.grace_s)
        with contextlib.suppress(redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
            await groups.delist(self.client, self.keys, self.instance)  # else another publisher strikes it off

    async def _ring_on_stop(self, stop: asyncio.Event) -> None:
        await stop.wait()
        for desk in self.puller.desks.values():
            desk.ring()
