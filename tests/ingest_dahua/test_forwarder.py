"""Into Redis, or to disk and from there into Redis: everything, in order, once."""

from __future__ import annotations

import asyncio
import random
import threading
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
from ingest_dahua.spool import Figures, Spool, SpoolBroken
from wait import until

KEYS = Topology()


@dataclass
class Line:
    """The way to the server, which can be cut, slowed, or lose its replies."""

    inner: Scripts
    away: bool = False
    lose_replies: int = 0
    broken: bool = False
    slow: asyncio.Event | None = None
    appends: list[int] = field(default_factory=list)
    offered: list[list[int]] = field(default_factory=list)  # the numbers of each call

    async def once(self, name: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        if name == "append":
            self.appends.append((len(arguments) - 4) // 7)
            self.offered.append(list(arguments[5::7]))
            if self.slow:
                await self.slow.wait()
        if self.away:
            raise Unavailable("cut")
        if self.broken and name == "append":
            raise KeyError("a bug")
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

    def give(self, count: int, channel: int = 0, *, size: int = 0) -> None:
        for _ in range(count):
            self.count += 1
            body = (b"event %d" % self.count).ljust(size)
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

    def build(*, quota: int = 10**6, max_bytes: int = 1 << 24, kind: type[Spool] = Spool) -> Rig:
        line, inbox = Line(Scripts(client)), Inbox()
        spool = kind(tmp_path, "rec", max_bytes=max_bytes)
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


class Held(Spool):
    """A spool whose drain is held up between Redis's answer and the deletion."""

    hold: threading.Event
    reached: threading.Event

    def delete(self, entries: Sequence[RawEntry]) -> None:
        self.reached.set()
        assert self.hold.wait(20)
        super().delete(entries)


async def test_nothing_new_is_offered_while_the_drain_has_older_in_hand(make: Make) -> None:
    rig = make(kind=Held)
    spool = rig.spool
    assert isinstance(spool, Held)
    spool.hold, spool.reached = threading.Event(), threading.Event()
    rig.line.away = True

    async def feed() -> None:
        rig.give(20)
        await rig.spooled(20)
        rig.line.away = False
        assert await asyncio.to_thread(spool.reached.wait, 20)
        calls = len(rig.line.offered)
        rig.give(1)
        await rig.spooled(21)
        assert rig.line.offered[calls:] == [], "offered past the drain"
        spool.hold.set()
        await until(rig.all_there, "all in raw once")

    await during(rig, feed)


async def test_while_the_server_comes_and_goes_nothing_overtakes(make: Make) -> None:
    rig = make(max_bytes=1 << 26)
    chance = random.Random(7)

    async def feed() -> None:
        for _ in range(60):
            rig.line.away = chance.random() < 0.4
            rig.line.lose_replies = chance.choice([0, 0, 1])
            rig.give(chance.randint(1, 60), channel=chance.randint(0, 2))
            calls = len(rig.line.appends)

            async def tried(calls: int = calls) -> bool:
                return len(rig.line.appends) > calls

            await until(tried, "another call")
        rig.line.away = False
        await until(rig.all_there, "all in raw once")

    await during(rig, feed)
    assert rig.spool.figures == Figures(0, 0)


class Weighed(Spool):
    """A spool that notes how much is read of it at once."""

    weights: list[int]

    def oldest(self, *arguments: Any, **options: Any) -> list[RawEntry]:
        found = super().oldest(*arguments, **options)
        self.weights.append(sum(len(entry.body) for entry in found))
        return found


async def test_no_batch_is_more_than_one_call_of_about_a_megabyte(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = make(max_bytes=1 << 26, kind=Weighed)
    spool = rig.spool
    assert isinstance(spool, Weighed)
    spool.weights = []
    taken: list[int] = []
    offer = rig.forwarder._offer

    async def weighed(entries: list[RawEntry]) -> list[RawEntry]:
        taken.append(sum(len(entry.body) for entry in entries))
        return await offer(entries)

    monkeypatch.setattr(rig.forwarder, "_offer", weighed)
    weights = [900_000, 900_000, 300_000, 1 << 20]

    def give() -> None:
        rig.give(7, size=300_000)
        rig.give(1, size=1 << 20)

    async def feed() -> None:
        give()
        await until(rig.all_there, "all in raw")
        assert taken == weights
        rig.line.away = True
        give()
        await rig.spooled(8)
        spool.weights.clear()
        rig.line.away = False
        await until(rig.all_there, "all in raw, from the spool")
        assert spool.weights[-4:] == weights

    await during(rig, feed)
    assert max(spool.weights) == 1 << 20


def on_disk(rig: Rig) -> list[bytes]:
    return [entry.body for entry in rig.spool.oldest(10**6, 1 << 40)]


async def cut_short(rig: Rig, when: Callable[[], bool], what: str) -> None:
    """Run the forwarder, cancel it, and do what its service does then."""
    running = asyncio.create_task(rig.forwarder.run(rig.done))

    async def reached() -> bool:
        return when()

    await until(reached, what)
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()
    await rig.forwarder.put_away()


async def test_cancelled_while_the_server_hangs_all_that_was_read_is_on_disk(make: Make) -> None:
    rig = make()
    rig.line.slow = asyncio.Event()
    rig.give(450)
    await cut_short(rig, lambda: bool(rig.line.appends), "an offer under way")
    assert on_disk(rig) == rig.given["rec/0"]
    assert rig.line.appends == [200], "the server was asked again"


async def test_put_away_asks_the_server_nothing(make: Make) -> None:
    rig = make()
    rig.give(450)
    await rig.forwarder.put_away()
    assert on_disk(rig) == rig.given["rec/0"]
    assert rig.line.appends == []


class Slow(Spool):
    """A spool on a disk that takes its time."""

    hold: threading.Event
    reached: threading.Event

    def append(self, entries: Sequence[RawEntry]) -> list[RawEntry]:
        self.reached.set()
        assert self.hold.wait(20)
        return super().append(entries)


async def test_cancelled_in_the_middle_of_a_write_to_disk_all_is_there_once(make: Make) -> None:
    rig = make(kind=Slow)
    spool = rig.spool
    assert isinstance(spool, Slow)
    spool.hold, spool.reached = threading.Event(), threading.Event()
    rig.line.away = True
    rig.give(450)
    asyncio.get_running_loop().call_later(0.3, spool.hold.set)
    await cut_short(rig, spool.reached.is_set, "a write under way")
    assert on_disk(rig) == rig.given["rec/0"]
    assert spool.figures == Figures(450, 0)


async def test_what_breaks_in_an_offer_does_not_take_the_batch_with_it(make: Make) -> None:
    rig = make()
    rig.line.broken = True
    rig.give(450)
    with pytest.raises(KeyError):
        await rig.forwarder.run(rig.done)
    await rig.forwarder.put_away()
    assert on_disk(rig) == rig.given["rec/0"]


class Refusing(Spool):
    """A spool on a disk that refuses."""

    def numbers(self, count: int) -> range:
        raise SpoolBroken(f"no disk for {count}")


async def test_cancelled_without_a_disk_it_ends_and_counts_what_is_lost(make: Make) -> None:
    rig = make(kind=Refusing)
    rig.give(450)
    await cut_short(rig, lambda: len(rig.inbox) == 250, "a batch in hand")
    assert rig.spool.figures == Figures(0, 450)
    assert rig.line.appends == []


async def test_the_figures_follow_while_the_spool_fills(make: Make) -> None:
    rig = make(quota=1)

    async def feed() -> None:
        rig.give(9)

        async def told() -> bool:
            return await noted(rig) == {"spooled": 8, "lost": 0}

        await until(told, "the figure beside the ledger")

    await during(rig, feed)
