"""The service on a real server, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import structlog
from processor_entries import NO_MAPS, PLATE, T_RX, crossing, junction, measurement, push, text_of
from prometheus_client import REGISTRY

from gantry.clock import SystemClock
from gantry.errors import Fenced, Unavailable
from gantry.event import Decision, RawEntry
from gantry.health import Health
from gantry.streams import groups
from gantry.streams.books import Books
from gantry.streams.client import Client, connect
from gantry.streams.inlet import Inlet
from gantry.streams.leases import Lease
from gantry.streams.patience import Patience
from gantry.streams.processing import Processing
from gantry.streams.scripts import Scripts
from gantry.topology import PROCESSOR_DUTY, PROCESSOR_GROUP, Topology
from processor import pipeline, telemetry
from processor.duty import Duty
from processor.news import BLOCK_S, News
from processor.service import Service
from wait import until

DECIDE = partial(pipeline.decide, maps=NO_MAPS)


@dataclass
class Stand:
    """One processor and the way in, on one server."""

    url: str
    client: Client
    calls: Scripts
    decide: Callable[[RawEntry], Decision] = DECIDE
    ladder: int = 0
    keys: Topology = field(default_factory=Topology)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    number: int = 0

    def __post_init__(self) -> None:
        clock = SystemClock()
        self.health = Health(clock)
        self.waiting = connect(self.url, "news", block_s=BLOCK_S)
        self.lease = Lease(self.calls, self.keys, PROCESSOR_DUTY, "here", clock)
        self.duty = Duty(self.lease, self.health)
        beat = self.health.loop("work")
        self.processing = Processing(
            Patience(self.calls, self.stop, beat), self.keys, dedup_ttl_s=10, ladder=self.ladder
        )
        self.service = Service(
            duty=self.duty,
            processing=self.processing,
            news=News(self.waiting, self.keys.raw),
            decide=self.deciding,
            health=self.health,
            clock=clock,
            beat=beat,
        )

    def deciding(self, raw: RawEntry) -> Decision:
        """What `decide` is by now."""
        return self.decide(raw)

    async def receive(self, *bodies: bytes, src: str = "ivss", dev: str = "ivss/3") -> None:
        raws = []
        for body in bodies:
            self.number += 1
            raws.append(
                RawEntry(id=f"e{self.number}", src=src, dev=dev, seq=self.number, t_dev="", t_rx=T_RX, body=body)
            )
        await Inlet(self.calls, self.keys, "spool", quota=10**6, ladder=0).append(src, raws)

    async def letters(self) -> list[dict[bytes, bytes]]:
        return [fields for _, fields in await self.client.xrange(self.keys.dead)]

    async def ledger(self) -> dict[str, int]:
        """The first line, after a recount that must agree with it."""
        audit = await Books(self.client, self.calls, self.keys).audit()
        assert audit.balanced, audit.differences
        return {name: count for name, count in audit.ledger.events.items() if count}


@pytest.fixture
async def stand(redis_url: str, client: Client, calls: Scripts):
    made = Stand(redis_url, client, calls)
    yield made
    made.stop.set()
    await made.waiting.aclose()


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def crossings(count: int, first: int = 1) -> list[bytes]:
    return [text_of("CrossLineDetection", crossing(EventID=n)) for n in range(first, first + count)]


async def test_a_batch_is_committed_and_the_ledger_balances(stand: Stand) -> None:
    await stand.duty.ask()
    stops = [text_of("CrossLineDetection", crossing(EventID=1), action="Stop")]
    await stand.receive(*crossings(3), crossings(1)[0], *stops, text_of("NumberStat", {"PlateNumber": PLATE}), b"junk")
    await stand.receive(push(), push(measurement(kind="queue")), src="axis", dev="9c0aa5000001")
    assert await stand.service.run_once(stand.stop) == 9
    assert await stand.ledger() == {"deduplicated": 1, "filtered": 1, "dead_in": 3, "accepted": 4}
    assert await stand.client.xlen(stand.keys.raw) == 0
    events = [fields for _, fields in await stand.client.xrange(stand.keys.events)]
    assert [fields[b"lane"] for fields in events] == [b"ivss-3"] * 3 + [b"9c0aa5000001"]
    assert events[0][b"flags"] == b"clock_unchecked"
    reasons = [(letter[b"class"], letter[b"reason"]) for letter in await stand.letters()]
    assert reasons == [
        (b"quarantine", b"unknown_code:NumberStat"),
        (b"in", b"no_code"),
        (b"quarantine", b"unknown_kind:queue"),
    ]


async def test_nothing_to_do_is_no_batch(stand: Stand) -> None:
    await stand.duty.ask()
    assert await stand.service.run_once(stand.stop) == 0


async def test_what_a_predecessor_left_pending_comes_first(stand: Stand) -> None:
    await stand.duty.ask()
    await stand.receive(*crossings(2))
    await stand.processing.read(stand.duty.token)  # and died
    await stand.receive(*crossings(1, first=9))
    assert await stand.service.run_once(stand.stop) == 2
    assert await stand.service.run_once(stand.stop) == 1
    assert await stand.ledger() == {"accepted": 3}


async def test_a_bug_buries_one_entry_and_stops_nothing(stand: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(raw: RawEntry) -> Decision:
        if raw.id == "e2":
            raise LookupError(PLATE)
        return DECIDE(raw)

    stand.decide = fails
    before = counted("gantry_processor_errors_total", error="LookupError")
    await stand.duty.ask()
    await stand.receive(*crossings(1), text_of("TrafficJunction", junction()), *crossings(1, first=2))
    with structlog.testing.capture_logs() as lines:
        await stand.service.run_once(stand.stop)
    assert await stand.ledger() == {"dead_in": 1, "accepted": 2}
    [letter] = await stand.letters()
    assert letter[b"reason"] == b"error:LookupError"
    assert b"VehicleColor" in letter[b"body"] and PLATE.encode() not in letter[b"body"]
    [line] = [line for line in lines if line["event"] == "pipeline_failed"]
    assert line["event_id"] == "e2" and "in fails" in line["stack"]
    assert PLATE not in repr(lines) + capsys.readouterr().out
    assert counted("gantry_processor_errors_total", error="LookupError") == before + 1


async def test_every_end_in_the_books_tells_what_the_device_called_it(stand: Stand) -> None:
    def fails(raw: RawEntry) -> Decision:
        if raw.body.startswith(b"Code=SmartMotionHuman"):
            raise LookupError
        return DECIDE(raw)

    stand.decide = fails
    await stand.duty.ask()
    await stand.receive(*crossings(1), *crossings(1), text_of("CrossLineDetection", crossing(), action="Stop"))
    await stand.receive(text_of("NumberStat", {}), text_of("SmartMotionHuman", {}), b"no event")
    await stand.receive(push(measurement(kind="queue")), src="axis", dev="9c0aa5000001")
    await stand.service.run_once(stand.stop)
    ends = [row for _, row in await stand.client.xrange(stand.keys.outcomes)]
    assert [(row[b"kind"], row[b"what"]) for row in ends] == [
        (b"deduplicated", b"CrossLineDetection"),
        (b"filtered", b"CrossLineDetection"),
        (b"dead", b"NumberStat"),
        (b"dead", b"SmartMotionHuman"),
        (b"dead", b""),
        (b"dead", b"queue"),
    ]


async def test_a_bug_in_naming_an_event_leaves_it_nameless(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object) -> str:
        raise RecursionError

    monkeypatch.setattr("processor.pipeline.what", fails)
    await stand.duty.ask()
    await stand.receive(*crossings(1), *crossings(1))
    await stand.service.run_once(stand.stop)
    [(_, end)] = await stand.client.xrange(stand.keys.outcomes)
    assert (end[b"kind"], end[b"what"]) == (b"deduplicated", b"")
    assert await stand.ledger() == {"accepted": 1, "deduplicated": 1}


async def test_a_bug_in_the_redactor_keeps_nothing_but_the_length(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: object) -> bytes:
        raise RecursionError

    monkeypatch.setattr("processor.pipeline.letter", fails)
    await stand.duty.ask()
    await stand.receive(b"12345", *crossings(1))
    await stand.service.run_once(stand.stop)
    [letter] = await stand.letters()
    assert (letter[b"reason"], letter[b"body"]) == (b"error:RecursionError", b"length=5")
    assert await stand.ledger() == {"dead_in": 1, "accepted": 1}


@pytest.mark.parametrize(
    "damage", [{"v": "0"}, {"seq": "x"}, {"t_rx": ""}, {"id": b"\xff"}, {"body": None}, {"v": None}]
)
async def test_an_entry_that_this_version_cannot_read_is_buried(stand: Stand, damage: dict[str, Any]) -> None:
    await stand.duty.ask()
    await stand.receive(*crossings(1))
    [(entry_id, fields)] = await stand.client.xrange(stand.keys.raw)
    await stand.client.xdel(stand.keys.raw, entry_id)
    changed = {**fields, **{name.encode(): value for name, value in damage.items()}}
    kept: Any = {name: value for name, value in changed.items() if value is not None}
    await stand.client.xadd(stand.keys.raw, kept)
    await stand.receive(*crossings(1, first=2))
    assert await stand.service.run_once(stand.stop) == 2
    assert await stand.ledger() == {"dead_in": 1, "accepted": 1}
    [letter] = await stand.letters()
    assert (letter[b"class"], letter[b"reason"], letter[b"dev"]) == (b"quarantine", b"unreadable", b"ivss/3")


async def test_without_memory_the_batch_waits_and_is_not_lost(stand: Stand, redis_url: str) -> None:
    full = Stand(redis_url, stand.client, stand.calls, ladder=1)  # 1 % of maxmemory is always used
    await stand.client.config_set("maxmemory", "16mb")
    try:
        await full.duty.ask()
        await full.receive(*crossings(1))
        before = counted("gantry_processor_memory_waits_total")
        batch = asyncio.create_task(full.service.run_once(full.stop))

        async def put_off() -> bool:
            return counted("gantry_processor_memory_waits_total") > before

        await until(put_off, "the commit to be put off")
        assert "short of memory" in full.health.missing()["room"]
        full.stop.set()
        await batch
    finally:
        await stand.client.config_set("maxmemory", "256mb")
        await full.waiting.aclose()
    assert await stand.ledger() == {"in_raw": 1}
    await full.duty.leave()
    await stand.duty.ask()
    await stand.service.run_once(stand.stop)
    assert await stand.ledger() == {"accepted": 1}


async def test_the_event_loop_gets_control_between_entries(stand: Stand) -> None:
    """Otherwise a batch of large bodies loses the lease and hangs the health pages."""
    turns, beats, seen = 0, 0, []

    async def somebody_else() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def beat() -> None:
        nonlocal beats
        beats += 1

    def noting(raw: RawEntry) -> Decision:
        seen.append((turns, beats))
        return DECIDE(raw)

    stand.decide = noting
    await stand.duty.ask()
    await stand.receive(*crossings(5))
    other = asyncio.create_task(somebody_else())
    await replace(stand.service, beat=beat).run_once(stand.stop)
    other.cancel()
    assert len(seen) == 5
    assert all(later > before for one, two in pairwise(seen) for before, later in zip(one, two, strict=True))


@pytest.mark.parametrize(("gone", "batches"), [([1], [2, 1, 0]), ([0, 1, 2], [1, 0, 0])])
async def test_a_pending_entry_that_was_deleted_by_hand_stops_nothing(
    stand: Stand, gone: list[int], batches: list[int]
) -> None:
    await stand.duty.ask()
    await stand.receive(*crossings(3))
    batch = await stand.processing.read(stand.duty.token)
    deleted = [batch[place][0] for place in gone]
    await stand.client.xdel(stand.keys.raw, *deleted)
    await stand.receive(*crossings(1, first=4))
    with structlog.testing.capture_logs() as lines:
        finished = [await stand.service.run_once(stand.stop) for _ in range(3)]
    assert finished == batches
    assert [line["entry_id"] for line in lines if line["event"] == "raw_entry_vanished"] == deleted
    assert (await stand.client.xpending(stand.keys.raw, PROCESSOR_GROUP))["pending"] == 0
    audit = await Books(stand.client, stand.calls, stand.keys).audit()
    assert audit.ledger.events["accepted"] == 4 - len(gone)
    assert any("received" in difference.what for difference in audit.differences)  # units left outside of our steps


async def test_a_holder_that_was_replaced_while_it_waited_for_memory_is_ready_again(stand: Stand) -> None:
    lease = stand.keys.lease(PROCESSOR_DUTY)
    work = asyncio.create_task(stand.service.run(stand.stop))
    await stand.duty.ask()
    stand.health.lacks("room", "Redis is short of memory")
    await stand.client.hset(lease, "token", "somebody-else")

    async def ready() -> bool:
        return not stand.duty.mine and not stand.health.missing()

    await until(ready, "the one that stands by to be ready")
    stand.health.lacks("room", "Redis is short of memory")
    await until(ready, "standing by to be enough")
    stand.stop.set()
    await work


async def test_a_fenced_commit_leaves_no_lack_of_memory_behind(stand: Stand) -> None:
    class Replaced:
        async def read(self, token: str) -> list[Any]:
            stand.stop.set()
            raise Fenced(token)

    await stand.duty.ask()
    stand.health.lacks("room", "Redis is short of memory")
    fenced: Any = Replaced()
    await replace(stand.service, processing=fenced).run(stand.stop)
    assert not stand.health.missing()


class Forgetful:
    """Loses the first reply to a commit."""

    def __init__(self, calls: Scripts) -> None:
        self.calls, self.lost = calls, 0

    async def once(self, name: str, keys: Any, arguments: Any) -> Any:
        reply = await self.calls.once(name, keys, arguments)
        if name == "commit" and not self.lost:
            self.lost += 1
            raise Unavailable("the reply was lost")
        return reply


async def test_a_repeated_commit_counts_as_the_first_would_have(stand: Stand) -> None:
    forgetful = Forgetful(stand.calls)
    calls = Patience(forgetful, stand.stop, lambda: None)
    processing = Processing(calls, stand.keys, dedup_ttl_s=10, ladder=0)
    accepted = counted("gantry_processor_accepted_total", target="crowd")
    repeated = counted("gantry_processor_deduplicated_total")
    await stand.duty.ask()
    await stand.receive(*crossings(2), crossings(1)[0])
    await replace(stand.service, processing=processing).run_once(stand.stop)
    assert forgetful.lost == 1
    assert await stand.ledger() == {"deduplicated": 1, "accepted": 2}
    assert counted("gantry_processor_accepted_total", target="crowd") == accepted + 2
    assert counted("gantry_processor_deduplicated_total") == repeated + 1


async def test_a_full_server_keeps_nobody_from_starting(stand: Stand) -> None:
    await stand.client.config_set("maxmemory", "1mb")
    try:
        await groups.prepare(stand.client, stand.keys)
    finally:
        await stand.client.config_set("maxmemory", "256mb")


async def test_a_processor_without_the_lease_is_fenced(stand: Stand) -> None:
    await stand.receive(*crossings(1))
    with pytest.raises(Fenced):
        await stand.service.run_once(stand.stop)


async def test_the_loop_works_stands_by_and_leaves(stand: Stand, redis_url: str) -> None:
    other = Stand(redis_url, stand.client, stand.calls)
    tasks = [
        asyncio.create_task(each)
        for one in (stand, other)
        for each in (one.duty.run(one.stop), one.service.run(one.stop))
    ]

    async def one_leads() -> bool:
        return stand.duty.mine and not other.health.missing()

    await until(one_leads, "the first to lead and the second to stand by, ready")
    await stand.receive(*crossings(5))

    async def accepted(count: int) -> bool:
        return (await stand.ledger()).get("accepted") == count

    await until(lambda: accepted(5), "five accepted")
    stand.stop.set()

    async def taken_over() -> bool:
        return other.duty.mine

    await until(taken_over, "the standby to take over what was left to it", within_s=4)
    await stand.receive(*crossings(1, first=6))
    await until(lambda: accepted(6), "the sixth accepted")
    other.stop.set()
    await asyncio.gather(*tasks)
    await other.waiting.aclose()
    assert not await stand.client.hexists(stand.keys.lease(PROCESSOR_DUTY), "token")


async def test_a_lease_that_was_left_is_taken_at_once(stand: Stand) -> None:
    await stand.duty.ask()
    other = Duty(Lease(stand.calls, stand.keys, PROCESSOR_DUTY, "there", SystemClock()), Health(SystemClock()))
    await other.ask()
    assert not other.mine
    await stand.duty.leave()
    await other.ask()
    assert other.mine


async def test_a_processor_that_was_replaced_unseen_commits_nothing(stand: Stand) -> None:
    await stand.duty.ask()
    await stand.receive(*crossings(1))
    batch = await stand.processing.read(stand.duty.token)
    decided = await stand.service._decide_all(batch)
    await stand.client.hset(stand.keys.lease(PROCESSOR_DUTY), "token", "somebody-else")
    with pytest.raises(Fenced):
        await stand.service._commit(decided, stand.stop)
    await stand.duty.ask()
    assert not stand.duty.mine
    assert await stand.ledger() == {"in_raw": 1}


async def test_news_wakes_the_loop_and_a_stuck_entry_does_not_make_it_spin(stand: Stand) -> None:
    news = News(stand.waiting, stand.keys.raw)
    waiting = asyncio.create_task(news.wait())

    async def blocked() -> bool:
        return any(row["cmd"] == "xread" for row in await stand.client.client_list())

    await until(blocked, "the read to block")
    await stand.receive(*crossings(1))
    async with asyncio.timeout(0.9):
        await waiting
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await news.wait()  # the entry is still there, and it is not news any more


async def test_a_server_that_is_away_is_unavailable_not_a_crash(tmp_path: Any) -> None:
    nowhere = connect(f"unix://{tmp_path}/none", "news", block_s=BLOCK_S)
    with pytest.raises(Unavailable):
        await News(nowhere, "raw").wait()
    duty = Duty(Lease(Scripts(nowhere), Topology(), PROCESSOR_DUTY, "here", SystemClock()), Health(SystemClock()))
    await duty.ask()
    await duty.leave()
    assert not duty.mine
    await nowhere.aclose()


async def test_what_is_counted(stand: Stand) -> None:
    names = {
        ("gantry_processor_accepted_total", "target", "evd"): 1,
        ("gantry_processor_accepted_total", "target", "crowd"): 2,
        ("gantry_processor_filtered_total", "reason", "noise"): 1,
        ("gantry_processor_unknown_codes_total", "code", "Unheard"): 2,
    }
    before = {key: counted(key[0], **{key[1]: key[2]}) for key in names}
    letters = counted("gantry_processor_quarantined_total", letter="quarantine", reason="unknown_code")
    repeated = counted("gantry_processor_deduplicated_total")
    await stand.duty.ask()
    bodies = [*crossings(2), crossings(1)[0], text_of("TrafficJunction", junction()), b"Code=NewFile;action=Pulse"]
    with structlog.testing.capture_logs() as lines:
        await stand.receive(*bodies, text_of("Unheard", {}), text_of("Unheard", {"A": 1}))
        await stand.service.run_once(stand.stop)
    assert {key: counted(key[0], **{key[1]: key[2]}) - before[key] for key in names} == names
    assert counted("gantry_processor_quarantined_total", letter="quarantine", reason="unknown_code") == letters + 2
    assert counted("gantry_processor_deduplicated_total") == repeated + 1
    [line] = [line for line in lines if line["event"] == "letter_written"]
    assert (line["letters"], line["event_id"], line["reason"]) == (2, "e6", "unknown_code:Unheard")


def test_labels_of_unknown_codes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "_codes", {f"Code{n}" for n in range(telemetry.MOST_CODES)})
    before = counted("gantry_processor_unknown_codes_total", code="other")
    telemetry._buried("quarantine", "unknown_code:OneTooMany", 3, "e1")
    telemetry._buried("quarantine", "unknown_code:Code1", 1, "e1")
    assert counted("gantry_processor_unknown_codes_total", code="other") == before + 3
    assert not counted("gantry_processor_unknown_codes_total", code="OneTooMany")
