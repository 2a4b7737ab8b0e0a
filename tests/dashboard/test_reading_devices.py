from __future__ import annotations

import time

import dashboard_scene as scene
import pytest

from builders import T0, Stage, a_measure
from dashboard.parts import Parts
from dashboard.reading import backlogs, processes
from dashboard.reading.devices import Wanted, mean_per_minute
from gantry.event import Accept, RawEntry, new_event_id
from gantry.pace import Flow
from gantry.streams.controls import Note

MANY = 2000


async def rows(parts: Parts, **wanted: object) -> dict[str, object]:
    return {row.lane: row for row in (await parts.reading.devices(Wanted(**wanted))).devices}


async def test_a_device_says_what_came_what_waits_and_what_went_out(parts: Parts, stage: Stage):
    await scene.everything(stage)
    one = (await rows(parts))[scene.LANE]
    assert (one.target, one.devs, one.src, one.name) == ("evd", ["ivss/3"], "r", "Main gate")
    assert (one.units, one.waiting, one.state) == (5, 1, "waiting")  # what lies in raw has not been looked into
    assert one.newest == "2025-10-09T08:53:20.000Z" and one.seen_ms >= T0 // 1000
    assert one.allowed_per_min == 60 and one.backlog_h == round(1 / 60 / 60, 2)


async def test_a_device_that_comes_in_by_several_doors_is_one(parts: Parts, stage: Stage):
    await stage.lead()
    for number, dev in enumerate(("ivss/1", "ivss/1", "ivss/2")):
        stage.tick(number)
        (event_id,) = scene.ids(1)
        await scene.accept(stage, event_id, scene.LANE, dev=dev)
    one = (await rows(parts))[scene.LANE]
    assert (one.devs, one.units, one.seen_ms) == (["ivss/2", "ivss/1"], 3, T0 // 1000 + 3000)


async def test_a_held_device_says_by_whom_and_why(parts: Parts, stage: Stage):
    await scene.everything(stage)
    await parts.controls.hold("evd", scene.LANE, Note("ana", "being moved"))
    one = (await rows(parts, state="held"))[scene.LANE]
    assert (one.hold.by, one.hold.owner, one.hold.reason) == ("operator", "ana", "being moved")
    assert one.due_ms is None and one.state == "held"


async def test_a_device_over_its_limit_is_named_with_both_rates(parts: Parts, stage: Stage):
    await scene.everything(stage)
    await stage.client.hset(stage.keys.over_limit("evd"), scene.LANE, "90.0 30.0 1")
    one = (await rows(parts, state="over_limit"))[scene.LANE]
    assert (one.arriving_per_min, one.allowed_per_min, one.over_limit) == (90.0, 30.0, True)


@pytest.mark.parametrize("words", ["main GATE", "paz00001", "IVSS/3"])
async def test_a_device_is_found_by_any_of_its_names(parts: Parts, stage: Stage, words: str):
    await scene.everything(stage)
    assert scene.LANE in await rows(parts, text=words)
    assert await rows(parts, text="nowhere") == {}


async def test_what_another_version_wrote_hides_no_device(parts: Parts, stage: Stage):
    await scene.everything(stage)
    await stage.client.hset(stage.keys.seen, "broken", "x")
    await stage.client.hset(stage.keys.lane_state("evd"), f"{scene.LANE}:newest", b"\xff\n")
    await stage.client.hset(stage.keys.over_limit("evd"), scene.LANE, "many")
    await stage.client.hset(stage.keys.flow("evd"), scene.LANE, "x")
    assert scene.LANE in await rows(parts)


async def a_city(stage: Stage) -> None:
    await stage.lead()
    for start in range(0, MANY, 200):
        numbers = range(start, start + 200)
        raws = [
            RawEntry(id=new_event_id(T0), src="r", dev=f"r/{n}", seq=1, t_dev="", t_rx=T0, body=b"b") for n in numbers
        ]
        await stage.receive(*raws)
        await stage.decide(*(Accept("", (a_measure(f"cam{n:05d}", "evd", scene.NAMED % n),)) for n in numbers))
        await stage.lanes.pull()


async def test_two_thousand_devices_are_read_in_well_under_a_second(parts: Parts, stage: Stage):
    await a_city(stage)
    begun = time.perf_counter()
    found = await parts.reading.devices(Wanted(limit=5000))
    assert time.perf_counter() - begun < 1  # some 0.1 s
    assert (found.total, len(found.devices), found.next) == (MANY, MANY, None)


async def test_pages_join_without_a_gap_or_repetition(parts: Parts, stage: Stage):
    await a_city(stage)
    seen, cursor = [], ""
    while True:
        page = await parts.reading.devices(Wanted(limit=300, cursor=cursor, sort="waiting"))
        seen += [row.lane for row in page.devices]
        if page.next is None:
            break
        cursor = page.next
    assert seen == sorted(set(seen)) and len(seen) == MANY


async def test_one_device_in_detail(parts: Parts, stage: Stage):
    said = await scene.everything(stage)
    one = await parts.reading.device("evd", scene.LANE)
    assert one.newest_id == said["published"] and one.newest_measure["name"] == "Main gate"
    assert (one.letters, one.letters_more) == (1, False)
    assert one.oldest_waiting_ms == T0 // 1000
    assert await parts.reading.device("crowd", scene.LANE) is None


@pytest.mark.parametrize(
    ("flow", "after_s", "rate"),
    [
        (Flow(T0, 0, 0, 100), 0, 20),  # the first window: the one before counts as empty
        (Flow(T0, 50, 100, 50), 150, 20),
        (Flow(T0, 50, 100, 50), 300, 10),  # the window is over, and nobody has begun another
        (Flow(T0, 50, 100, 50), 600, 0),
        (Flow(T0, 50, 100, 50), -60, 30),  # a clock that was set back
    ],
)
def test_what_came_of_late_is_a_rate(flow: Flow, after_s: int, rate: float):
    assert mean_per_minute(flow, T0 + after_s * 1000) == rate


@pytest.mark.parametrize(
    ("waiting", "own", "ceiling", "hours", "worst", "worst_hours"),
    [
        ({}, {}, 0, 0, "", 0),
        ({"a": 3600, "b": 7200}, {}, 0, 2, "b", 2),
        ({"a": 3600, "b": 7200}, {"a": 10}, 0, 6, "a", 6),
        ({"a": 3600, "b": 7200}, {}, 1, 3, "b", 2),  # the whole target may send one a second
        ({"a": 0}, {}, 0, 0, "", 0),
    ],
)
def test_a_backlog_is_told_in_hours(waiting, own, ceiling, hours, worst, worst_hours):
    lanes = {("evd", lane): n for lane, n in waiting.items()}
    rates = {("evd", lane): rate for lane, rate in own.items()}
    found = backlogs.measure(lanes, processes.Limits(per_minute=60, requests_per_s=ceiling), rates)
    assert (found.hours, found.worst_lane, found.worst_hours) == (hours, worst, worst_hours)


def test_without_a_publisher_nobody_knows_how_long_it_takes():
    found = backlogs.measure({("evd", "a"): 10}, None, {})
    assert (found.waiting, found.hours, found.worst_lane, found.worst_hours) == (10, None, "a", None)
