"""One recorder, on a real server and against the twin in its own process."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs
from twin_process import PASSWORD, USER, Twin

from builders import FakeClock
from gantry.clock import Clock, SystemClock
from gantry.codec import raw_entry
from gantry.errors import Unavailable
from gantry.event import RawEntry
from gantry.health import Health
from gantry.streams import leases
from gantry.streams.client import Client
from gantry.streams.leases import Lease
from gantry.streams.scripts import Scripts, text
from gantry.topology import Topology, recorder_duty
from ingest_dahua import forwarder
from ingest_dahua.camera import Camera
from ingest_dahua.forwarder import Forwarder
from ingest_dahua.link import ANOTHER, NOBODYS, NOT_YET, Link
from ingest_dahua.patience import Patience
from ingest_dahua.service import Service
from ingest_dahua.spool import Spool, SpoolBroken
from wait import until

KEYS = Topology()
QUICK = Patience(first_s=0.05, cap_s=0.2, refused_s=(0.05, 0.1), locked_s=3600)


class Line(Scripts):
    """The way to the server, which can be cut."""

    away = False
    hangs: asyncio.Event | None = None  # appends wait for it
    broken = False

    async def once(self, name: str, keys: Any, arguments: Any) -> Any:
        if self.hangs and name == "append":
            await self.hangs.wait()
        if self.away:
            raise Unavailable("cut")
        if self.broken and name == "lease":
            raise KeyError("a bug")
        return await super().once(name, keys, arguments)


@dataclass
class Running:
    """A service in this process."""

    health: Health
    line: Line
    service: Service
    link: Link
    task: asyncio.Task[None]
    stop: asyncio.Event


@pytest.fixture
def run(client: Client, tmp_path: Path) -> Callable[..., Any]:
    @asynccontextmanager
    async def start(twin: Twin, name: str = "a", *, password: str = PASSWORD) -> AsyncIterator[Running]:
        clock, calls, stop = SystemClock(), Line(client), asyncio.Event()
        health, link = Health(clock), Link(host="rec", clock=clock, silent_s=3)
        service = Service(
            "rec",
            Camera(twin.url, USER, password, heartbeat_s=1),
            new_lease=partial(Lease, calls, KEYS, recorder_duty("rec"), name, clock),
            open_spool=partial(Spool, tmp_path / name, "rec", max_bytes=1 << 26),
            new_forwarder=lambda inbox, spool, beat: Forwarder(
                "rec", inbox, spool, calls=calls, keys=KEYS, quota=10**6, clock=clock, beat=beat, retry_s=0.05
            ),
            link=link,
            health=health,
            clock=clock,
            chance=random.Random(1),
            patience=QUICK,
        )
        async with asyncio.TaskGroup() as group:
            task = group.create_task(service.run(stop))
            yield Running(health, calls, service, link, task, stop)
            stop.set()
            await asyncio.wait({task})

    return start


async def raw(client: Client) -> list[RawEntry]:
    rows = await client.xrange(KEYS.raw)
    return [raw_entry({text(name): value for name, value in row.items()}) for _, row in rows]


def told(entry: RawEntry) -> tuple[int, str, str, int]:
    """(channel, code, action, event id or time) of an entry, as the twin lists it."""
    head, _, data = entry.body.partition(b";data=")
    fields = dict(pair.split(b"=", 1) for pair in head.split(b";"))
    return (int(fields[b"index"]), fields[b"Code"].decode(), fields[b"action"].decode(), orjson.loads(data)["EventID"])


def listed(twin: Twin) -> list[tuple[int, str, str, int]]:
    return [(row["channel"], row["code"], row["action"], row["event_id"]) for row in twin.sent()]


async def attached_to(twin: Twin, count: int = 1) -> None:
    async def attached() -> bool:
        return twin.state()["attached"] == count

    await until(attached, f"{count} attached")


async def test_every_event_in_its_order_with_device_and_time(
    run: Callable[..., Any], twin: Callable[..., Twin], client: Client
) -> None:
    recorder = twin("--generate", "--rate", "1500", "--events", "3000", "--timed-only", "--channels", "3")
    async with run(recorder) as running:

        async def all_there() -> bool:
            return await client.xlen(KEYS.raw) == 3000

        await until(all_there, "3000 events in raw")
        assert running.health.missing() == {}
    entries = await raw(client)
    assert [told(entry) for entry in entries] == listed(recorder)
    for entry, row in zip(entries, recorder.sent(), strict=True):
        assert entry.dev == f"rec/{row['channel']}"
        assert entry.t_dev == f"{row['time_ms'] // 1000}.{row['time_ms'] % 1000:03d}"
    assert len({entry.id for entry in entries}) == 3000
    assert await client.hget(KEYS.lease(recorder_duty("rec")), "token") is None, "the lease was not left"
    assert recorder.state()["attached"] == 0


async def test_a_dropped_connection_is_sought_again(
    run: Callable[..., Any], twin: Callable[..., Twin], client: Client
) -> None:
    recorder = twin("--generate", "--rate", "200", "--timed-only")
    async with run(recorder) as running:
        for number in (1, 2, 3):

            async def flows(number: int = number) -> bool:
                state = recorder.state()
                return len(state["connections"]) == number and state["connections"][-1]["events"] > 20

            await until(flows, f"connection {number}")
            recorder.post("drop")
        await attached_to(recorder)
        recorder.post("pause")
        sent = len(recorder.sent())

        async def settled() -> bool:
            return running.health.missing() == {} and await client.xlen(KEYS.raw) >= sent - 60

        await until(settled, "the rest in raw")
    got = [told(entry) for entry in await raw(client)]
    assert not Counter(got) - Counter(listed(recorder))
    assert max(Counter(got).values()) == 1


async def test_while_redis_is_away_it_stays_attached_and_afterwards_all_is_there_once(
    run: Callable[..., Any], twin: Callable[..., Twin], client: Client
) -> None:
    recorder = twin("--generate", "--rate", "500", "--events", "1500", "--timed-only", "--heartbeat", "0.2")
    async with run(recorder) as running:

        async def some() -> bool:
            return await client.xlen(KEYS.raw) > 100

        await until(some, "the first in raw")
        running.line.away = True

        async def generated() -> bool:
            return recorder.state()["generated"] == 1500

        await until(generated, "all of the generated while Redis was away")
        assert recorder.state()["attached"] == 1
        running.line.away = False

        async def all_there() -> bool:
            return await client.xlen(KEYS.raw) == 1500

        await until(all_there, "all in raw")
        assert len(recorder.state()["connections"]) == 1
    assert [told(entry) for entry in await raw(client)] == listed(recorder)


async def test_a_standby_takes_over_when_the_holder_falls_silent(
    run: Callable[..., Any], twin: Callable[..., Twin], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "SILENT_S", 1.5)
    recorder = twin("--heartbeat", "0.2")
    async with run(recorder, "a") as first:
        await attached_to(recorder)
        async with run(recorder, "b") as second:

            async def standing_by() -> bool:
                return second.health.missing() == {}

            await until(standing_by, "the standby ready")
            assert len(recorder.state()["connections"]) == 1
            first.line.away = True  # it cannot renew, but stays attached: for all it knows the server is away

            async def taken() -> bool:
                return len(recorder.state()["connections"]) == 2

            await until(taken, "the standby attached")
            first.line.away = False
            await attached_to(recorder, 1)

            async def as_standby() -> bool:
                return first.health.missing() == {}

            await until(as_standby, "the first standing by")
            state = recorder.state()["connections"]
            assert [bool(each["ended"]) for each in state] == [True, False]


async def test_a_standby_that_was_cut_off_does_not_take_the_lease_of_a_living_holder(client: Client) -> None:
    clock, line = FakeClock(), Line(client)
    holder = Lease(line, KEYS, recorder_duty("rec"), "holder", clock)
    standby = a_service(line, clock)
    assert await holder.hold()
    await standby._renew()
    line.away = True
    clock.at += 60  # nobody can renew, so silence means nothing
    await standby._renew()
    line.away = False
    await standby._renew()
    assert await holder.hold()
    await standby._renew()
    clock.at += 6  # the holder is silent now
    await standby._renew()
    assert not await holder.hold()


def a_service(line: Line, clock: Clock, open_spool: Callable[[], Spool] | None = None) -> Service:
    def never(*_: Any) -> Any:
        raise AssertionError("not needed here")

    return Service(
        "rec",
        Camera("http://127.0.0.1:9/", USER, PASSWORD, heartbeat_s=1),
        new_lease=partial(Lease, line, KEYS, recorder_duty("rec"), "standby", clock),
        open_spool=open_spool or never,
        new_forwarder=never,
        link=Link(host="rec", clock=clock, silent_s=3),
        health=Health(clock),
        clock=clock,
        chance=random.Random(1),
    )


async def test_a_second_process_with_the_same_spool_stands_by_until_the_first_is_gone(
    run: Callable[..., Any], twin: Callable[..., Twin]
) -> None:
    recorder = twin("--heartbeat", "0.2")
    async with run(recorder) as first:
        await attached_to(recorder)
        async with run(recorder) as second:
            assert second.health.missing() == {}
            first.stop.set()

            async def taken() -> bool:
                return len(recorder.state()["connections"]) == 2

            await until(taken, "the second attached")


def cancel(running: Running) -> None:
    running.task.cancel()


def break_the_duty(running: Running) -> None:
    running.line.broken = True


@pytest.mark.parametrize("end", [cancel, break_the_duty])
async def test_ended_before_its_time_it_spools_what_was_read(
    run: Callable[..., Any], twin: Callable[..., Twin], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: Any
) -> None:
    monkeypatch.setattr(forwarder, "PATIENCE_S", 60.0)  # so that the first batch is in hand, and the rest in the inbox
    recorder = twin("--generate", "--rate", "1000", "--events", "800", "--timed-only")
    with contextlib.suppress(ExceptionGroup):
        async with run(recorder) as running:
            running.line.hangs = hangs = asyncio.Event()

            async def read() -> bool:
                return recorder.state()["generated"] == 800 and len(running.service._inbox) >= 500

            await until(read, "all read, most of it waiting")
            end(running)
            await attached_to(recorder, 0)
            running.line.away = True
            hangs.set()
            await asyncio.wait({running.task})
    spool = Spool(tmp_path / "a", "rec", max_bytes=1)
    waiting = spool.oldest(1000, 1 << 30)
    spool.close()
    sent = listed(recorder)
    assert len(waiting) >= 700
    assert [told(entry) for entry in waiting] == sent[: len(waiting)]


async def test_a_lease_that_was_lost_to_nobody_is_told_as_such(client: Client) -> None:
    clock, line = FakeClock(), Line(client)
    service = a_service(line, clock)
    await service._renew()
    assert service._link.says()["reason"] == NOT_YET
    await client.delete(KEYS.lease(recorder_duty("rec")))
    await service._renew()
    assert service._link.says()["reason"] == NOBODYS
    assert service._link.reachable is None
    await service._renew()
    assert service._link.says()["reason"] == NOT_YET


async def test_a_spool_that_cannot_be_used_is_the_reason_told(client: Client) -> None:
    clock, stop = SystemClock(), asyncio.Event()

    def broken() -> Spool:
        raise SpoolBroken("spool: the disk is read-only")

    service = a_service(Line(client), clock, broken)
    running = asyncio.create_task(service.run(stop))

    async def told() -> bool:
        return service._link.says()["reason"] == "spool: the disk is read-only"

    await until(told, "the spool's fault to be told")
    stop.set()
    await running


def stood_by(lines: list[Any]) -> list[tuple[str, str]]:
    return [(line["recorder"], line["holder"]) for line in lines if line["event"] == "stood_by"]


async def test_a_standby_says_once_whom_it_stands_by_for(client: Client) -> None:
    clock, line = FakeClock(), Line(client)
    holders = [Lease(line, KEYS, recorder_duty("rec"), name, clock) for name in ("one", "two")]
    standby = a_service(line, clock)
    with capture_logs() as lines:
        for holder in holders:
            await holder.hold()
            for _ in range(3):
                await standby._renew()
            assert stood_by(lines)[-1:] == [("rec", holder.holder)]
            await holder.leave()
        assert stood_by(lines) == [("rec", "one"), ("rec", "two")]
        await standby._renew()
    assert len(stood_by(lines)) == 2, "it has the duty itself now"


async def test_a_second_process_with_the_same_spool_says_why_it_waits(
    run: Callable[..., Any], twin: Callable[..., Twin]
) -> None:
    recorder = twin("--heartbeat", "0.2")
    with capture_logs() as lines:
        async with run(recorder):
            await attached_to(recorder)
            async with run(recorder):

                async def said() -> bool:
                    return bool(stood_by(lines))

                await until(said, "stood_by")
    assert stood_by(lines)[0] == ("rec", "another process of this host, which has the spool")


async def test_a_refused_login_is_not_hammered(run: Callable[..., Any], twin: Callable[..., Twin]) -> None:
    recorder = twin()
    async with run(recorder, password="wrong") as running:

        async def thrice() -> bool:
            return recorder.state()["logins"]["failed"] >= 3

        async def said() -> bool:
            return "401" in running.health.missing().get("recorder", "")

        await until(thrice, "three tries")
        await until(said, "readiness to name the refusal")  # the last answer may still be on its way
    assert recorder.state()["logins"] == {"ok": 0, "failed": 3, "challenged": 3}


async def test_it_tells_of_its_connection_what_a_person_wants_to_know(
    run: Callable[..., Any], twin: Callable[..., Twin], client: Client
) -> None:
    recorder = twin("--generate", "--rate", "200", "--timed-only", "--heartbeat", "0.2")
    async with run(recorder) as running:

        async def some() -> bool:
            return await client.xlen(KEYS.raw) > 20

        await until(some, "events in raw")
        told = running.link.says()
        assert (told["connected"], told["reachable"], told["reason"], told["spooled"]) == (True, True, "", 0)
        assert told["since_ms"] <= told["last_event_ms"]
        running.line.away = True

        async def spooled() -> bool:
            return running.link.says()["spooled"] > 10

        await until(spooled, "events in the spool")
        assert running.link.says()["connected"]
        recorder.stop()

        async def gone() -> bool:
            return "ConnectError" in running.link.says()["reason"]

        await until(gone, "the reason that it is not connected")
        assert not running.link.says()["connected"]


async def test_a_refused_login_and_standing_by_are_told_apart(
    run: Callable[..., Any], twin: Callable[..., Twin]
) -> None:
    recorder = twin("--heartbeat", "0.2")
    async with run(recorder, "a", password="wrong") as first:

        async def refused() -> bool:
            return "401" in first.link.says()["reason"]

        await until(refused, "the refusal to be told")
        assert (first.link.says()["connected"], first.link.reachable) == (False, True)
        async with run(recorder, "b") as second:

            async def stands_by() -> bool:
                return second.link.says()["reason"] == ANOTHER

            await until(stands_by, "the standby to say so")
            assert (second.link.says()["connected"], second.link.reachable) == (False, None)
            first.stop.set()

            async def took_over() -> bool:
                return bool(second.link.says()["connected"])

            await until(took_over, "the standby to be connected")
