"""What people set, and the publishers' turn that obeys it."""

from __future__ import annotations

import pytest

from builders import Stage, some_limits
from gantry.streams.books import Books
from gantry.streams.controls import Controls, Note
from gantry.streams.lanes import Outcome, Settlement

pytestmark = pytest.mark.reads_in_lua

LIMITS = some_limits(batch_max=1)
NOTE = Note("anna@north", "roadworks")


@pytest.fixture
async def stage(client, calls, ladder):
    return Stage(client, calls, ladder)


@pytest.fixture
def now(client, calls, keys, stage):
    """The controls at the stage's clock."""
    return lambda: Controls(client, calls, keys, test_clock=str(stage.now))


@pytest.fixture
async def waiting(client, calls, keys):
    """How many measures wait, with the books in balance."""

    async def ask():
        audit = await Books(client, calls, keys).audit()
        assert audit.differences == []
        return audit.ledger.outcomes["waiting"]

    return ask


async def granted(stage, lane="cam", target="evd"):
    turn = await stage.lanes.turn(target, LIMITS, [lane])
    return turn.grants[0] if turn.grants else None


async def settled(stage, grant, outcome=Outcome.DELIVERED, **more):
    settlement = Settlement(grant=grant, outcome=outcome, reason="because", **more)
    return await stage.lanes.turn("evd", LIMITS, [], settle=settlement, want=0)


async def test_nothing_of_a_paused_target_goes_and_nothing_is_lost(stage, now, waiting):
    await stage.fill_lane(3)
    await stage.fill_lane(1, target="crowd")
    under_way = await granted(stage)
    await now().pause("evd", NOTE)
    assert (await settled(stage, under_way)).settled == "settled"
    assert await granted(stage) is None
    assert (await granted(stage, target="crowd")).lane == "cam"
    assert await waiting() == 3
    await now().resume("evd")
    assert [item.seq for item in (await granted(stage)).items] == [2]


async def test_a_pause_ends_by_itself(stage, now):
    await stage.fill_lane(1)
    await now().pause("evd", NOTE, for_s=60)
    stage.tick(59.9)
    assert await granted(stage) is None
    stage.tick(0.2)
    assert await granted(stage)


async def test_a_held_device_stands_still_whatever_comes_and_others_go(stage, now, waiting):
    await stage.fill_lane(1)
    await now().hold("evd", "cam", NOTE)
    await stage.fill_lane(2)
    await stage.fill_lane(1, lane="other")
    stage.tick(10**6)
    assert await granted(stage) is None and await granted(stage, "other")
    assert await waiting() == 4
    await now().release("evd", "cam")
    assert [item.seq for item in (await granted(stage)).items] == [1]


async def test_a_device_that_has_nothing_yet_can_be_held(stage, now, waiting):
    await now().hold("evd", "cam", NOTE)
    await stage.fill_lane(1)
    assert await granted(stage) is None and await waiting() == 1
    await now().release("evd", "cam")
    assert await granted(stage)


async def test_a_hold_takes_the_lane_when_its_request_ends(stage, now, waiting):
    await stage.fill_lane(2)
    under_way = await granted(stage)
    assert (await now().hold("evd", "cam", NOTE)).under_way
    await settled(stage, under_way)
    stage.tick(10**6)
    assert await granted(stage) is None and await waiting() == 1
    assert (await now().release("evd", "cam")).waiting == 1
    assert (await granted(stage)).items[0].seq == 2


async def test_the_publisher_of_a_held_lane_may_die(stage, now, waiting):
    await stage.fill_lane(1)
    late = await granted(stage)
    await now().hold("evd", "cam", NOTE)
    stage.tick(LIMITS.lease_s + 1)
    assert await granted(stage) is None
    await now().release("evd", "cam")
    again = await granted(stage)
    assert again.items == late.items
    assert (await settled(stage, late)).settled == "stale"
    assert (await settled(stage, again)).settled == "settled" and await waiting() == 0


async def test_what_was_never_sent_of_a_held_lane_stays_held(stage, now):
    await stage.fill_lane(1)
    unused = await granted(stage)
    await now().hold("evd", "cam", NOTE)
    await settled(stage, unused, Outcome.RETURNED)
    stage.tick(1000)
    assert await granted(stage) is None


async def test_a_device_that_the_platform_did_not_know_is_tried_at_once_when_released(stage, now):
    await stage.fill_lane(1)
    await settled(stage, await granted(stage), Outcome.HOLD, delay_s=300)
    [hold] = await now().holds("evd")
    assert (hold.by, hold.reason) == ("platform", "because")
    assert await granted(stage) is None
    await now().release("evd", "cam")
    await settled(stage, await granted(stage))
    assert await now().holds("evd") == ()


async def test_an_opened_breaker_stops_all_then_lets_one_probe_go(stage, now):
    for lane in ("a", "b"):
        await stage.fill_lane(2, lane)
    straggler = await granted(stage, "a")
    await now().open_breaker("evd", NOTE, for_s=60)
    assert (await settled(stage, straggler)).breaker == "open"  # an answer of an earlier era
    assert await granted(stage, "b") is None
    stage.tick(60)
    probe = await granted(stage, "b")
    assert probe and await granted(stage, "a") is None
    turn = await settled(stage, probe, Outcome.RETRY, speaks=True)
    assert (turn.breaker, turn.breaker_reason) == ("open", "because")
    evd = (await now().circuits())[0]
    assert (evd.trips, evd.by_hand) == (1, False)  # it failed by itself now, within the same trip


async def test_a_reset_breaker_lets_all_go_and_a_late_probe_closes_or_opens_nothing(stage, now):
    for lane in ("a", "b"):
        await stage.fill_lane(2, lane)
    await now().open_breaker("evd", NOTE, for_s=1)
    stage.tick(1)
    probe = await granted(stage, "a")
    await now().reset_breaker("evd")
    assert await granted(stage, "b")
    assert (await settled(stage, probe, Outcome.RETRY, speaks=True)).breaker == "closed"


async def test_the_probe_of_a_breaker_that_was_opened_again_decides_nothing(stage, now):
    for lane in ("a", "b"):
        await stage.fill_lane(2, lane)
    await now().open_breaker("evd", NOTE, for_s=1)
    stage.tick(1)
    probe = await granted(stage, "a")
    await now().open_breaker("evd", NOTE, for_s=60)
    assert (await settled(stage, probe)).breaker == "open"
    stage.tick(59)
    assert await granted(stage, "b") is None
