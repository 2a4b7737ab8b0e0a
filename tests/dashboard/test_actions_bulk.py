"""Thousands of letters in the background: one such action at a time, visible, stoppable, written down at its end."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from builders import FakeClock
from dashboard.actions import bulk as bulks
from dashboard.actions import survey as surveys
from dashboard.actions.bulk import Bulk, Task
from dashboard.actions.scope import Scope, Verb, scope
from dashboard.actions.survey import survey
from dead_letters import T0_MS, put, put_event
from gantry.errors import Malformed, Unavailable
from gantry.streams.books import Books
from gantry.streams.letters import Letters, Wanted
from visitors import Visitor, furnished, settled
from wait import until


@pytest.fixture
def letters(stage):
    return Letters(stage.client, stage.calls, stage.keys)


async def many(stage, count: int) -> list[str]:
    """Letters of measures, as `put` makes them."""
    return [await put(stage, n) for n in range(1, count + 1)]


@pytest.fixture
async def home(parts):
    made = await settled(furnished(parts))
    quick = Bulk(parts.letters, parts.clock, made.access.record, gap_s=0.0)
    return replace(made, access=replace(made.access, bulk=quick))


@pytest.fixture
async def running(home):
    """The loop of background work."""
    stop = asyncio.Event()
    loop = asyncio.create_task(home.access.bulk.run(stop))
    yield stop
    stop.set()
    await loop


@pytest.fixture
async def operator(home):
    made = Visitor(home)
    await made.log_in()
    return made


async def listed(home):
    found = [line.action for line in reversed(await home.access.actions.page())]
    return [(each.what, each.count, each.result) for each in found if each.what != "login"]


async def ended(home):
    async def asked() -> bool:
        return bool(home.access.bulk.progress and not home.access.bulk.progress.running)

    await until(asked, "the end of the bulk")


def a_drop(last: str, count: int) -> dict[str, object]:
    return {"verb": "drop", "kind": "out", "last": last, "count": count, "typed": count}


@pytest.mark.usefixtures("running")
async def test_many_are_dealt_with_in_the_background(home, operator, stage, monkeypatch):
    monkeypatch.setattr(bulks, "AT_ONCE", 200)
    ids = await many(stage, 230)
    answer = await operator.post("/actions/letters", **a_drop(ids[-1], 230))
    assert answer.headers["location"].startswith("/actions/bulk?said=")
    assert "230 letters are being dropped in the background." in await operator.said(answer)
    await ended(home)
    assert await stage.client.xlen(stage.keys.dead) == 0
    page = (await operator.get("/actions/bulk")).text
    assert "230 of 230" in page and 'data-running="no"' in page
    assert await listed(home) == [("dead.drop", 230, "begun"), ("dead.drop", 230, "230 dropped")]
    assert (await Books(stage.client, stage.calls, stage.keys).audit()).differences == []


async def test_one_at_a_time_and_it_can_be_stopped(home, operator, stage, letters):
    """The loop is not running yet, so that the task stands still."""
    ids = await many(stage, 201)
    await operator.post("/actions/letters", **a_drop(ids[-1], 201))
    page = (await operator.get("/actions/bulk")).text
    assert "0 of 201" in page and 'data-running="yes"' in page and 'action="/actions/bulk/stop"' in page
    assert '<a href="/actions/bulk">' in (await operator.get("/actions/letters?verb=drop")).text
    answer = await operator.post("/actions/letters", **a_drop(ids[-1], 201))
    assert "another bulk action is under way" in await operator.said(answer)
    answer = await operator.post("/actions/bulk/stop")
    assert await operator.said(answer) == "ok: It stops after its batch."
    stop = asyncio.Event()
    loop = asyncio.create_task(home.access.bulk.run(stop))
    await ended(home)
    stop.set()
    await loop
    assert await letters.count() == 201
    assert home.access.bulk.progress.stopped
    told = [
        ("dead.drop", 201, "begun"),
        ("dead.stop", 201, "done"),
        ("dead.drop", 0, "0 dropped, stopped before the end"),
    ]
    assert await listed(home) == told
    answer = await operator.post("/actions/bulk/stop")
    assert await operator.said(answer) == "bad: Nothing is under way."


async def test_when_the_service_stops_it_ends_after_a_batch_and_is_written_down(home, stage, letters):
    """A stop that comes in the middle: the second batch's turn waits for it."""
    ids = await many(stage, 120)
    stop = asyncio.Event()

    class Stopping(Letters):
        async def drop(self, entry_ids, owner):
            stop.set()
            return await super().drop(entry_ids, owner)

    slow = Bulk(Stopping(stage.client, stage.calls, stage.keys), home.clock, home.access.record)
    assert slow.begin(a_task(Verb.DROP, ids[-1], 120))
    await slow.run(stop)
    left = await letters.count()
    assert 0 < left < 120 and left % 10 == 0
    assert slow.progress.stopped and slow.progress.done == 120 - left
    assert await listed(home) == [("dead.drop", 120 - left, f"{120 - left} dropped, stopped before the end")]


async def test_when_redis_goes_away_what_is_in_doubt_is_said(home, stage, letters):
    ids = await many(stage, 120)

    class Breaking(Letters):
        calls = 0

        async def drop(self, entry_ids, owner):
            self.calls += 1
            if self.calls == 2:
                raise Unavailable("it went")
            return await super().drop(entry_ids, owner)

    breaking = Bulk(Breaking(stage.client, stage.calls, stage.keys), home.clock, home.access.record)
    progress = await breaking.at_once(a_task(Verb.DROP, ids[-1], 120))
    assert (progress.done, progress.unsure, progress.away, progress.gone) == (50, 50, True, 0)
    assert await listed(home) == [("dead.drop", 50, "50 dropped, Redis went away, 50 in doubt")]
    assert await letters.count() == 70


def a_task(verb: Verb, last: str, count: int) -> Task:
    return Task(scope=Scope(verb=verb), last=last, count=count, who="operator", role="operator", origin="10.0.0.7")


async def test_retries_leave_room_for_what_is_new(stage, home):
    """Between two full batches it waits."""
    ids = await many(stage, 101)
    slow = Bulk(home.letters, home.clock, home.access.record, gap_s=600)
    halt = asyncio.Event()
    progress = slow._new(a_task(Verb.RETRY, ids[-1], 101))
    retrying = asyncio.create_task(slow._whole(progress, halt))

    async def first_batch() -> bool:
        return progress.done == 50

    await until(first_batch, "the first batch")
    halt.set()
    await retrying
    assert (progress.done, progress.stopped) == (50, True)


# counting


async def test_the_count_is_of_what_is_there_now(stage, letters):
    for n in (1, 2):
        await put(stage, n)
    await put_event(stage, 3)
    found = await survey(letters, scope({"verb": "retry"}), FakeClock())
    assert (found.count, found.retriable, found.last, found.whole) == (3, 3, f"{T0_MS + 3000}-0", True)
    assert found.kinds == {("out", "evd", "BAD_TIMESTAMP"): 2, ("quarantine", "", "unknown_code:X"): 1}
    found = await survey(letters, scope({"verb": "retry", "kind": "out"}), FakeClock())
    assert (found.count, found.last) == (2, f"{T0_MS + 3000}-0")


async def test_a_count_that_is_cut_short_is_exact_still(stage, letters, monkeypatch):
    ids = await many(stage, 6)
    monkeypatch.setattr(surveys, "MOST", 4)
    found = await survey(letters, scope({"verb": "drop"}), FakeClock())
    assert (found.count, found.last, found.whole) == (4, ids[3], False)
    monkeypatch.setattr(surveys, "MOST", 6)
    found = await survey(letters, scope({"verb": "drop"}), FakeClock())
    assert (found.count, found.last, found.whole) == (6, ids[5], True)


async def test_a_count_does_not_take_for_ever(stage, letters):
    ids = await many(stage, 5)

    class Slow(FakeClock):
        def monotonic(self):
            self.at += 1.5
            return self.at

    found = await survey(letters, scope({"verb": "drop"}), Slow())
    assert not found.whole
    assert 0 < found.count < 5 and found.last == ids[found.count - 1]


async def test_there_are_never_too_many_kinds(stage, letters, monkeypatch):
    monkeypatch.setattr(surveys, "MOST_KINDS", 2)
    for n in range(1, 6):
        await put(stage, n, reason=f"reason {n}")
    found = await survey(letters, scope({"verb": "drop"}), FakeClock())
    assert found.kinds[surveys.REST] == 3
    assert len(found.kinds) == 3


# what an address asks for


@pytest.mark.parametrize(
    ("given", "wanted", "spoken"),
    [
        ({}, {}, "all letters"),
        ({"kind": "OUT"}, {"kind": "out"}, "class out"),
        ({"class": "in"}, {"kind": "in"}, "class in"),
        ({"target": "evd", "device": " cam-* "}, {"target": "evd", "device": "cam-*"}, "target evd, device cam-*"),
        ({"reason": "BAD", "text": "x y"}, {"reason": "BAD", "text": "x y"}, "reason with BAD, content with x y"),
        ({"since": "1760000000000"}, {"since_ms": 1_760_000_000_000}, "since 2025-10-09 08:53:20 UTC"),
        ({"until": "2025-10-09T10:53:20+02:00"}, {"until_ms": 1_760_000_000_000}, "until 2025-10-09 08:53:20 UTC"),
        ({"event": "01K" + "0" * 23}, {"events": frozenset({"01k" + "0" * 23})}, "event 01k" + "0" * 23),
    ],
)
def test_filters_are_read_and_spoken(given, wanted, spoken):
    found = scope({"verb": "retry", **given})
    assert found.wanted == Wanted(**wanted)
    assert str(found) == spoken
    assert scope({"verb": "retry", **found.filters}) == found


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"verb": ""},
        {"verb": "RETRY"},
        {"verb": "retry", "id": "x"},
        {"verb": "retry", "id": "1-1 2-2"},
        {"verb": "retry", "kind": "all"},
        {"verb": "retry", "target": "x"},
        {"verb": "retry", "device": "a\nb"},
        {"verb": "retry", "text": "x" * 257},
        {"verb": "retry", "event": "01k"},
        {"verb": "retry", "since": "x"},
        {"verb": "retry", "since": "9999999999999"},
        {"verb": "retry", "since": "0001-01-01"},
        {"verb": "retry", "until": "9999-12-31T23:59:59-23:59"},
        {"verb": "retry", "until": "٣"},
    ],
)
def test_what_cannot_be_meant_is_refused(given):
    with pytest.raises(Malformed):
        scope(given)
