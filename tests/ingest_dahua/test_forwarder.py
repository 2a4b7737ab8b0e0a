"""Into Redis, or to disk and from there into Redis: everything, in order, once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gantry.clock import SystemClock
from gantry.codec import raw_entry
from gantry.errors import Unavailable
from gantry.event import RawEntry
from gantry.streams.client import Client
from gantry.streams.scripts import Scripts, text
from gantry.topology import Topology
from ingest_dahua.events import RecorderEvent
from ingest_dahua.forwarder import Forwarder
from ingest_dahua.inbox import Inbox, Received
from ingest_dahua.spool import Figures, Spool
from wait import until

KEYS = Topology()


@dataclass
class Line:
    """The way to the server, which can be cut, slowed, or lose its replies."""

    inner: Scripts
    away: bool = False
    lose_replies: int = 0
    slow: asyncio.Event | None = None
    appends: list[int] = field(default_factory=list)

    async def once(self, name: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        if name == "append":
            self.appends.append((len(arguments) - 4) // 7)
            if self.slow:
                await self.slow.wait()
        if self.away:
            raise Unavailable("cut")
        reply = await self.inner.once(name, keys, arguments)
        if self.lose_replies and name == "append":
            self.lose_replies -= 1
            raise Unavailable("the reply is lost")
        return reply


@dataclass
class Rig:
    """A forwarder that runs, and what it writes to."""

    client: Client
    line: Line
    spool: Spool
    inbox: Inbox
    forwarder: Forwarder
    done: asyncio.Event = field(default_factory=asyncio.Event)
    given: dict[str, list[bytes]] = field(default_factory=dict)
    count: int = 0

    def give(self, count: int, channel: int = 0) -> None:
        for _ in range(count):
            self.count += 1
            body = b"event %d" % self.count
            self.given.setdefault(f"rec/{channel}", []).append(body)
            event = RecorderEvent(code="A", action="Start", index=channel, t_dev="", body=body)
            self.inbox.put(Received(event, 1_700_000_000_000_000))

    async def raw(self) -> list[RawEntry]:
        rows = await self.client.xrange(KEYS.raw)
        return [raw_entry({text(name): value for name, value in row.items()}) for _, row in rows]

    async def bodies(self) -> dict[str, list[bytes]]:
        found: dict[str, list[bytes]] = {}
        for entry in await self.raw():
            found.setdefault(entry.dev, []).append(entry.body)
        return found

    async def all_there(self) -> bool:
        return self.spool.figures.queued == 0 and await self.bodies() == self.given

    async def spooled(self, count: int) -> None:
        async def enough() -> bool:
            return self.spool.figures.queued >= count

        await until(enough, f"{count} entries in the spool")

    async def finish(self) -> None:
        self.done.set()


Make = Callable[..., Rig]


@pytest.fixture
def make(client: Client, tmp_path: Path) -> Iterator[Make]:
    spools: list[Spool] = []

    def build(*, quota: int = 10**6, max_bytes: int = 1 << 24, name: str = "rec") -> Rig:
        line, inbox = Line(Scripts(client)), Inbox()
        spool = Spool(tmp_path, name, max_bytes=max_bytes)
        spools.append(spool)
        forwarder = Forwarder(
            "rec", inbox, spool, calls=line, keys=KEYS, quota=quota, clock=SystemClock(), retry_s=0.05
        )
        return Rig(client, line, spool, inbox, forwarder)

    yield build
    for spool in spools:
        spool.close()


async def during(rig: Rig, *steps: Any) -> None:
    """Run the forwarder while the steps are awaited, then let it finish."""
    async with asyncio.TaskGroup() as group:
        group.create_task(rig.forwarder.run(rig.done))
        for step in steps:
            await step()
        rig.done.set()


async def noted(rig: Rig) -> dict[str, int]:
    ledger = await rig.client.hgetall(KEYS.ledger)
    return {text(k).partition(":")[0]: int(v) for k, v in ledger.items() if text(k).endswith(":" + rig.spool.id)}


async def test_straight_into_redis(make: Make) -> None:
    rig = make()

    async def feed() -> None:
        rig.give(450)
        await until(rig.all_there, "all in raw")

    await during(rig, feed)
    assert max(rig.line.appends) <= 200
    entries = await rig.raw()
    assert [entry.seq for entry in entries] == list(range(1, 451))
    assert {entry.src for entry in entries} == {"rec"}
    assert rig.spool.figures == Figures(0, 0)


async def test_while_redis_is_away_everything_waits_on_disk_and_then_goes_in_once_and_in_order(make: Make) -> None:
    rig = make()

    async def away() -> None:
        rig.give(30)
        await until(rig.all_there, "the first in raw")
        rig.line.away = True
        rig.give(300)
        rig.give(50, channel=1)
        await rig.spooled(350)
        rig.line.away = False
        rig.give(100)
        await until(rig.all_there, "all in raw, the spool empty")

    await during(rig, away)
    assert await noted(rig) == {"spooled": 0, "lost": 0}


async def test_lost_replies_append_nothing_twice(make: Make) -> None:
    rig = make()
    rig.line.lose_replies = 3

    async def feed() -> None:
        rig.give(500)
        await until(rig.all_there, "all in raw once")

    await during(rig, feed)


async def test_a_server_that_is_slow_does_not_hold_up_the_reading(make: Make) -> None:
    rig = make()
    rig.line.slow = asyncio.Event()

    async def feed() -> None:
        rig.give(20)
        await rig.spooled(20)
        rig.give(20, channel=1)
        await rig.spooled(40)
        assert rig.line.slow
        rig.line.slow.set()
        await until(rig.all_there, "all in raw once")

    await during(rig, feed)


async def test_a_full_device_waits_alone(make: Make) -> None:
    rig = make(quota=10)

    async def feed() -> None:
        rig.give(250, channel=0)
        rig.give(5, channel=1)
        rig.give(1, channel=0)
        await rig.spooled(241)
        rig.give(5, channel=2)

        async def others() -> bool:
            found = await rig.bodies()
            return found.get("rec/1") == rig.given["rec/1"] and found.get("rec/2") == rig.given["rec/2"]

        await until(others, "the other devices' events in raw")
        assert (await rig.bodies())["rec/0"] == rig.given["rec/0"][:10]
        await rig.client.hset(KEYS.inside, "rec/0", str(-10_000))
        await until(rig.all_there, "the device's own, in order")

    await during(rig, feed)


async def test_beyond_the_spool_it_is_lost_and_counted(make: Make) -> None:
    rig = make(max_bytes=208 * 20)
    rig.line.away = True

    async def feed() -> None:
        rig.give(30)

        async def counted() -> bool:
            return rig.spool.figures == Figures(20, 10)

        await until(counted, "ten lost")
        rig.line.away = False
        rig.given["rec/0"] = rig.given["rec/0"][:20]
        await until(rig.all_there, "the others in raw")
        rig.give(1)
        await until(rig.all_there, "and the next one again")

    await during(rig, feed)
    assert await noted(rig) == {"spooled": 0, "lost": 10}


async def test_what_is_in_hand_at_the_end_is_appended(make: Make) -> None:
    rig = make()
    rig.give(777)
    rig.done.set()
    await during(rig)
    assert await rig.all_there()


async def test_what_is_in_hand_at_the_end_is_spooled_and_the_next_process_drains_it(make: Make) -> None:
    rig = make()
    rig.line.away = True
    rig.give(777)
    rig.done.set()
    await during(rig)
    assert rig.spool.figures.queued == 777
    rig.spool.close()

    again = make()
    again.given, again.count = rig.given, rig.count

    async def feed() -> None:
        again.give(5)
        await until(again.all_there, "all in raw once")

    await during(again, feed)


async def test_the_figures_follow_while_the_spool_fills(make: Make) -> None:
    rig = make(quota=1)

    async def feed() -> None:
        rig.give(9)

        async def told() -> bool:
            return await noted(rig) == {"spooled": 8, "lost": 0}

        await until(told, "the figure beside the ledger")

    await during(rig, feed)
