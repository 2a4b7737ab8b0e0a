from __future__ import annotations

import math

import pytest
import redis.exceptions

from builders import T0, Stage
from gantry.errors import Malformed
from gantry.streams.books import Books
from gantry.streams.controls import LONGEST_PAUSE_S, By, Controls, Note

NOW_MS = T0 // 1000
NOTE = Note("anna@north", "roadworks")


@pytest.fixture
def controls(client, calls, keys):
    return Controls(client, calls, keys, test_clock=str(T0))


@pytest.fixture
def later(controls):
    def move(seconds: float) -> None:
        controls.test_clock = str(int(controls.test_clock) + int(seconds * 1_000_000))

    return move


@pytest.fixture
async def lane(client, keys):
    """A lane with two measures, due a while ago."""
    await client.rpush(keys.lane("evd", "cam"), "x", "y")
    await client.zadd(keys.due("evd"), {"cam": NOW_MS - 5000})
    await client.hset(keys.lane_state("evd"), "cam:seq", 2)
    return "cam"


async def due(client, keys, lane="cam"):
    return await client.zscore(keys.due("evd"), lane)


async def lease(client, keys, lane="cam", *, ends_in_s=40.0):
    await client.hset(keys.lane_state("evd"), mapping={f"{lane}:token": "t", f"{lane}:taken": "1 0"})
    await client.zadd(keys.due("evd"), {lane: NOW_MS + ends_in_s * 1000})


# pause


async def test_a_pause_stands_with_who_why_and_until_when(controls, client, keys):
    assert await controls.pause("evd", NOTE) is None
    assert await controls.pause("crowd", NOTE, for_s=7200) is None
    assert await client.hget(keys.paused, "evd") == b"0\n%d\nanna@north\nroadworks" % NOW_MS
    assert await client.hget(keys.paused, "crowd") == b"%d\n%d\nanna@north\nroadworks" % (NOW_MS + 7_200_000, NOW_MS)
    [crowd, evd] = sorted(await controls.pauses(NOW_MS), key=lambda each: each.target)
    assert (evd.until_ms, evd.since_ms, evd.owner, evd.reason) == (0, NOW_MS, "anna@north", "roadworks")
    assert crowd.until_ms == NOW_MS + 7_200_000


async def test_pausing_again_replaces_and_says_what_it_replaced(controls, later):
    await controls.pause("evd", NOTE, for_s=60)
    later(10)
    before = await controls.pause("evd", Note("ben", "longer"))
    assert (before.owner, before.until_ms) == ("anna@north", NOW_MS + 60_000)
    [now] = await controls.pauses(NOW_MS + 10_000)
    assert (now.owner, now.until_ms, now.since_ms) == ("ben", 0, NOW_MS + 10_000)


async def test_resume_ends_one_pause_and_can_be_repeated(controls):
    await controls.pause("evd", NOTE)
    await controls.pause("crowd", NOTE)
    assert (await controls.resume("evd")).owner == "anna@north"
    assert await controls.resume("evd") is None
    assert [each.target for each in await controls.pauses(NOW_MS)] == ["crowd"]


async def test_a_pause_that_has_run_out_is_none(controls, later):
    await controls.pause("evd", NOTE, for_s=60)
    later(60)
    assert await controls.pauses(NOW_MS + 59_999) != ()
    assert await controls.pauses(NOW_MS + 60_000) == ()
    assert await controls.resume("evd") is None


async def test_a_pause_written_by_hand_is_shown_as_far_as_it_goes(controls, client, keys):
    await client.hset(keys.paused, "evd", "stop!")
    [pause] = await controls.pauses(NOW_MS)
    assert (pause.until_ms, pause.since_ms, pause.owner, pause.reason) == (0, 0, "", "")


# hold and release


async def test_a_held_lane_is_never_due_and_a_released_one_is_due_now(controls, client, keys, lane, later):
    held = await controls.hold("evd", lane, NOTE)
    assert (held.found, held.under_way, held.waiting) == (False, False, 2)
    assert await due(client, keys) == math.inf
    assert await client.hget(keys.holds("evd"), lane) == b"operator\n%d\nanna@north\nroadworks" % NOW_MS
    later(5)
    released = await controls.release("evd", lane)
    assert (released.found, released.waiting) == (True, 2)
    assert await due(client, keys) == NOW_MS + 5000
    assert await controls.holds("evd") == ()


async def test_an_empty_lane_can_be_held_and_leaves_nothing_behind(controls, client, keys):
    await controls.hold("evd", "cam", NOTE)
    assert await due(client, keys) == math.inf
    await controls.release("evd", "cam")
    assert await due(client, keys) is None


async def test_an_empty_lane_whose_newest_is_to_be_sent_again_is_due_when_released(controls, client, keys):
    await client.hset(keys.lane_state("evd"), "cam:resend", "1")
    await controls.hold("evd", "cam", NOTE)
    await controls.release("evd", "cam")
    assert await due(client, keys) == NOW_MS


async def test_a_lease_is_left_alone(controls, client, keys, lane):
    await lease(client, keys)
    held = await controls.hold("evd", lane, NOTE)
    assert held.under_way and await due(client, keys) == NOW_MS + 40_000
    assert [each.lane for each in await controls.holds("evd")] == [lane]
    released = await controls.release("evd", lane)
    assert released.under_way and await due(client, keys) == NOW_MS + 40_000
    assert await controls.holds("evd") == ()


async def test_a_lease_that_ran_out_is_none(controls, client, keys, lane):
    """Its publisher died: the token is still there, and must not keep the lane still for ever."""
    await lease(client, keys, ends_in_s=-1)
    assert not (await controls.hold("evd", lane, NOTE)).under_way
    assert await due(client, keys) == math.inf
    await controls.release("evd", lane)
    assert await due(client, keys) == NOW_MS


async def test_an_operators_hold_goes_over_the_platforms(controls, client, keys, lane):
    await client.hset(keys.holds("evd"), lane, f"platform\n{NOW_MS}\n\nno such device")
    [hold] = await controls.holds("evd")
    assert (hold.by, hold.owner, hold.reason) == (By.PLATFORM, "", "no such device")
    assert (await controls.hold("evd", lane, NOTE)).found
    [hold] = await controls.holds("evd")
    assert (hold.by, hold.owner) == (By.OPERATOR, "anna@north")


async def test_only_the_platforms_holds_are_released_when_asked_so(controls, client, keys, lane):
    await controls.hold("evd", lane, NOTE)
    assert not (await controls.release("evd", lane, only=By.PLATFORM)).found
    assert await due(client, keys) == math.inf
    await client.hset(keys.holds("evd"), "other", f"platform\n{NOW_MS}\n\nno such device")
    await client.zadd(keys.due("evd"), {"other": NOW_MS + 600_000})
    await client.rpush(keys.lane("evd", "other"), "x")
    assert (await controls.release("evd", "other", only=By.PLATFORM)).found
    assert await due(client, keys, "other") == NOW_MS
    assert [each.lane for each in await controls.holds("evd")] == [lane]


async def test_releasing_what_is_not_held_changes_nothing(controls, client, keys, lane):
    assert not (await controls.release("evd", lane)).found
    assert await due(client, keys) == NOW_MS - 5000


async def test_a_lane_that_stands_still_without_a_hold_can_be_released(controls, client, keys, lane):
    await client.zadd(keys.due("evd"), {lane: "+inf"})
    assert await controls.still("evd") == (lane,)
    assert (await controls.release("evd", lane)).found
    assert await controls.still("evd") == () and await due(client, keys) == NOW_MS


async def test_known_lanes_are_those_that_had_a_measure(controls, client, keys, lane):
    await client.hset(keys.lane_state("evd"), "ghost:reason", "x")
    assert await controls.known("evd") == [lane]
    assert await controls.knows("evd", lane) and not await controls.knows("evd", "ghost")
    assert await controls.known("crowd") == []


@pytest.mark.reads_in_lua
async def test_holds_are_no_difference_for_the_audit(controls, client, calls, keys, ladder):
    stage = Stage(client, calls, ladder)
    await stage.fill_lane(2)
    await client.hset(keys.lane_state("evd"), "again:resend", "1")
    await client.zadd(keys.due("evd"), {"again": NOW_MS})
    for lane in ("cam", "empty"):
        await controls.hold("evd", lane, NOTE)
    assert (await Books(client, calls, keys).audit()).differences == []


# the breaker


async def test_an_opened_breaker_forgets_row_and_probe_and_counts_one_trip(controls, client, keys):
    row = {"failures": "3", "first": "a", "mixed": "1", "last": "b", "trips": "4", "probe": "t a"}
    await client.hset(keys.breaker("evd"), mapping=row)
    assert await controls.open_breaker("evd", NOTE, for_s=90) == "closed"
    assert await controls.open_breaker("evd", NOTE, for_s=90) == "open"  # a repeat after a lost reply
    evd, crowd = await controls.circuits()
    assert (evd.state, evd.until_ms, evd.since_ms) == ("open", NOW_MS + 90_000, NOW_MS)
    assert (evd.failures, evd.trips, evd.streak, evd.last, evd.probe) == (0, 5, 1, "b", "")
    assert evd.reason == "operator: anna@north: roadworks" and evd.by_hand
    assert (crowd.state, crowd.trips) == ("closed", 0) and not crowd.by_hand
    assert await client.hmget(keys.breaker("evd"), "first", "mixed") == [b"", b""]


async def test_a_half_open_breaker_that_is_opened_stays_in_its_trip(controls, client, keys):
    half = {"state": "half", "until": str(NOW_MS + 9000), "probe": "t cam", "trips": "2", "streak": "3", "since": "7"}
    await client.hset(keys.breaker("evd"), mapping=half)
    assert (await controls.circuits())[0].probe == "cam"
    assert await controls.open_breaker("evd", NOTE, for_s=600) == "half"
    evd = (await controls.circuits())[0]
    assert (evd.state, evd.trips, evd.streak, evd.since_ms, evd.probe) == ("open", 2, 3, 7, "")


async def test_a_reset_breaker_is_closed_and_keeps_its_trips(controls, client, keys, later):
    await controls.open_breaker("evd", NOTE, for_s=600)
    await client.hset(keys.breaker("evd"), "slow", str(NOW_MS + 60_000))
    later(5)
    assert await controls.reset_breaker("evd") == "open"
    later(5)
    assert await controls.reset_breaker("evd") == "closed"  # and has been since the first
    evd = (await controls.circuits())[0]
    assert (evd.state, evd.failures, evd.streak, evd.trips, evd.probe, evd.until_ms) == ("closed", 0, 0, 1, "", 0)
    assert (evd.since_ms, evd.slow_ms) == (NOW_MS + 5000, 0)


# what is refused


@pytest.mark.parametrize(
    ("owner", "reason"),
    [
        ("", "x"),
        (" ", "x"),
        ("a", ""),
        ("a", "x" * 201),
        ("a" * 65, "x"),
        ("a", "x\ny"),
        ("a\n", "x"),
        ("a", "\x1b[31m"),
    ],
)
def test_a_note_is_two_short_lines(owner, reason):
    with pytest.raises(Malformed):
        Note(owner, reason)


async def test_what_cannot_be_meant_is_refused_before_it_is_written(controls, client, keys):
    for attempt in (
        controls.pause("evd", NOTE, for_s=LONGEST_PAUSE_S + 1),
        controls.pause("evd", NOTE, for_s=-1),
        controls.hold("evd", "cam\n", NOTE),
        controls.hold("evd", "c" * 257, NOTE),
        controls.open_breaker("evd", NOTE, for_s=601),
        controls.open_breaker("evd", NOTE, for_s=0),
    ):
        with pytest.raises(Malformed):
            await attempt
    assert not await client.exists(keys.paused, keys.holds("evd"), keys.breaker("evd"))


@pytest.mark.reads_in_lua  # the fake has no memory to run out of
async def test_a_full_server_refuses_no_control(controls, client, lane):
    await client.config_set("maxmemory", 1)
    try:
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            await client.set("one", "more")
        await controls.pause("evd", NOTE)
        await controls.hold("evd", lane, NOTE)
        await controls.open_breaker("evd", NOTE, for_s=60)
        assert await controls.resume("evd") and (await controls.release("evd", lane)).found
        assert await controls.reset_breaker("evd") == "open"
    finally:
        await client.config_set("maxmemory", "256mb")
