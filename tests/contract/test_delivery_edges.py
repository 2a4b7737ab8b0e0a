"""Finer points of a turn: whose the probe is, what comes back of the rate, and answers that nobody can explain."""

from __future__ import annotations

import random

import pytest

from builders import Stage, a_measure, some_limits
from gantry.event import Accept
from gantry.streams.books import Books
from gantry.streams.controls import Controls
from gantry.streams.lanes import Grant, Outcome, Settlement, Turn
from publisher import reactions
from publisher.classify import Answer, judge

pytestmark = pytest.mark.reads_in_lua

LIMITS = some_limits()


@pytest.fixture
async def stage(client, calls, ladder):
    return Stage(client, calls, ladder)


async def granted(stage: Stage, *lanes: str, limits=LIMITS) -> Grant | None:
    turn = await stage.lanes.turn("evd", limits, lanes or ["cam"])
    return turn.grants[0] if turn.grants else None


async def settled(stage: Stage, grant: Grant, outcome=Outcome.DELIVERED, *, limits=LIMITS, **more) -> Turn:
    return await settled_as(stage, Settlement(grant=grant, outcome=outcome, **{"reason": "because", **more}), limits)


async def settled_as(stage: Stage, settlement: Settlement, limits) -> Turn:
    """Booked, and nothing new granted."""
    return await stage.lanes.turn("evd", limits, [], settle=settlement, want=0)


async def test_the_probe_is_not_for_the_lane_that_failed_last_while_another_is_due(stage):
    """Also when the caller did not know of the other."""
    for lane in ("bad", "other"):
        await stage.fill_lane(1, lane)
    await settled(stage, await granted(stage, "bad"), Outcome.OPEN)
    stage.tick(30)
    turn = await stage.lanes.turn("evd", LIMITS, ["bad"])
    assert (turn.grants, turn.wait_s) == ((), 0)
    assert (await granted(stage, *turn.hints)).lane == "other"


async def test_an_answer_to_a_probe_that_was_forgotten_changes_nothing(stage, client, keys, calls):
    for lane in ("a", "b"):
        await stage.fill_lane(1, lane)
    await settled(stage, await granted(stage, "a"), Outcome.OPEN)
    stage.tick(30)
    probe = await granted(stage, "b")
    await Controls(client, calls, keys, test_clock=str(stage.now)).reset_breaker("evd")
    turn = await settled(stage, probe, Outcome.OPEN)
    assert (turn.settled, turn.breaker) == ("settled", "closed")


async def test_measures_that_did_not_fit_into_the_request_cost_nothing(stage):
    limits = some_limits(per_minute=60, burst=10)
    await stage.fill_lane(20)
    grant = await granted(stage, limits=limits)
    assert len(grant.items) == 10
    sent = Grant(grant.token, grant.lane, grant.attempts, grant.items[:4])
    await settled(stage, sent, limits=limits)
    assert len((await granted(stage, limits=limits)).items) == 6


async def test_what_is_handed_back_costs_the_target_nothing_either(stage):
    limits = some_limits(ceiling_per_s=1.0)
    await stage.fill_lane(1)
    for _ in range(3):
        await settled(stage, await granted(stage, limits=limits), Outcome.RETURNED, limits=limits)
    assert await granted(stage, limits=limits)


async def test_an_answer_that_nobody_knows_and_everybody_gets_opens_the_breaker_and_makes_no_letters(
    stage, client, keys, calls
):
    """Measures are suspected only while the platform takes others."""
    lanes = [f"cam{number}" for number in range(6)]
    for lane in lanes:
        await stage.fill_lane(3, lane)
    limits, chance, posts = some_limits(open_after=5), random.Random(1), 0
    answer = Answer(500, "application/json", b'{"name":"SOMETHING_NEW"}')
    for _ in range(1000):
        turn = await stage.lanes.turn("evd", limits, chance.sample(lanes, 4))
        for grant in turn.grants:
            posts += 1
            await settled_as(stage, reactions.settlement(grant, judge(answer, len(grant.items)), chance), limits)
        stage.tick(3.6)  # an hour in all
    assert 5 <= posts <= 5 + 12  # then one probe in ten minutes
    audit = await Books(client, calls, keys).audit()
    assert (audit.differences, audit.ledger.outcomes["waiting"], audit.ledger.outcomes["dead_out"]) == ([], 18, 0)


async def test_a_probe_that_is_refused_unexplained_does_not_close_the_breaker(stage):
    for lane in ("a", "b"):
        await stage.fill_lane(1, lane)
    await settled(stage, await granted(stage, "a"), Outcome.OPEN)
    stage.tick(30)
    turn = await settled(stage, await granted(stage, "b"), Outcome.REFUSED, speaks=True)
    assert turn.breaker == "open"


async def test_a_measure_that_is_refused_by_name_shows_that_the_platform_works(stage):
    for lane in ("a", "b"):
        await stage.fill_lane(1, lane)
    await settled(stage, await granted(stage, "a"), Outcome.OPEN)
    stage.tick(30)
    turn = await settled(stage, await granted(stage, "b"), Outcome.REFUSED)
    assert turn.breaker == "closed"


async def test_a_platform_that_asked_for_time_is_not_waited_for_when_the_clock_stepped_back(stage):
    await stage.fill_lane(1)
    await settled(stage, await granted(stage), Outcome.SLOW, delay_s=500)
    stage.tick(-3600)
    assert await granted(stage)


async def test_time_at_the_ceiling_is_counted_again_after_the_clock_stepped_back(stage, client, keys):
    limits = some_limits(ceiling_per_s=0.1)
    for lane in ("a", "b"):
        await stage.fill_lane(1, lane)
    await granted(stage, "a", limits=limits)
    await granted(stage, "b", limits=limits)
    stage.tick(-3600)
    await granted(stage, "b", limits=limits)  # the ceiling's own memory was of the future
    await stage.fill_lane(1, "c")
    await granted(stage, "c", limits=limits)
    assert await client.hget(keys.ledger, "throttled_ms:evd") == b"20000"


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("2024-12-31T23:59:59.999Z", "2025-01-01T00:00:00.000Z"),
        ("2025-01-31T23:59:59.999Z", "2025-02-01T00:00:00.000Z"),
        ("2025-02-28T23:59:59.999Z", "2025-03-01T00:00:00.000Z"),
        ("2024-02-28T23:59:59.999Z", "2024-02-29T00:00:00.000Z"),
        ("2024-02-29T23:59:59.999Z", "2024-03-01T00:00:00.000Z"),
        ("1999-12-31T23:59:59.999Z", "2000-01-01T00:00:00.000Z"),
        ("2025-10-09T08:59:59.999Z", "2025-10-09T09:00:00.000Z"),
    ],
)
async def test_which_of_two_instants_is_newer(stage, client, keys, earlier, later):
    for order, again in (((earlier, later), 0), ((later, earlier), 1)):
        lane = f"cam{again}"
        await stage.lead()
        await stage.entries(2, dev=lane)
        bodies = [f'{{"TimeInstant":"{instant}"}}'.encode() for instant in order]
        await client.hset(keys.lane_state("evd"), f"{lane}:batch", 2)
        await stage.decide(*(Accept("", (a_measure(lane, "evd", body),)) for body in bodies))
        await stage.lanes.pull()
        await settled(stage, await granted(stage, lane))
        assert await client.hexists(keys.lane_state("evd"), f"{lane}:resend") == bool(again)


async def test_an_operators_hold_is_not_the_platforms_to_replace(stage, client, keys):
    await stage.fill_lane(1)
    grant = await granted(stage)
    await client.hset(keys.holds("evd"), "cam", "operator\n1\nada\nbroken lens")
    await settled(stage, grant, Outcome.HOLD, delay_s=60)
    assert await client.hget(keys.holds("evd"), "cam") == b"operator\n1\nada\nbroken lens"
    assert await client.zscore(keys.due("evd"), "cam") == float("inf")


async def test_a_lane_that_was_emptied_while_an_operator_held_it_stands_still(stage, client, keys):
    await stage.fill_lane(1)
    grant = await granted(stage)
    await client.hset(keys.holds("evd"), "cam", "operator\n1\nada\nbroken lens")
    await settled(stage, grant)
    assert await client.zscore(keys.due("evd"), "cam") == float("inf")


async def test_a_refusal_ends_the_platforms_hold(stage, client, keys):
    """It judged the measure, so it knows the device."""
    await stage.fill_lane(2)
    await settled(stage, await granted(stage), Outcome.HOLD)
    await settled(stage, await granted(stage), Outcome.REFUSED)  # a probe, so one measure
    assert not await client.exists(keys.holds("evd"))


async def test_one_device_with_answers_that_nobody_knows_never_stops_the_target(stage, client, keys):
    """Its measures become letters, also while no other device has anything to send."""
    await stage.fill_lane(5)
    answer, chance = Answer(500, "application/json", b'{"name":"TypeError"}'), random.Random(1)
    while grant := await granted(stage):
        turn = await settled_as(stage, reactions.settlement(grant, judge(answer, len(grant.items)), chance), LIMITS)
        assert turn.breaker == "closed"
        stage.tick(60)
    assert await client.xlen(keys.dead) == 5


async def test_tries_of_a_newest_that_was_refused_are_not_those_of_the_next_measure(stage, client, keys):
    await stage.fill_lane(1)
    await client.hset(keys.lane_state("evd"), mapping={"cam:newest": b"1\n1-0\ne\ncam\n1\n1\n{}", "cam:resend": "1"})
    await settled(stage, await granted(stage))
    for outcome in (Outcome.RETRY, Outcome.RETRY, Outcome.REFUSED):
        grant = await granted(stage)
        assert grant.resent
        await settled(stage, grant, outcome)
    await stage.fill_lane(1)
    assert (await granted(stage)).attempts == 0


async def test_a_lane_that_alone_finds_the_target_misconfigured_stops_the_others_once(stage):
    """A firewall's 403 for one device must not keep a city waiting."""
    await stage.fill_lane(1, "bad")
    await stage.fill_lane(5, "good")
    one = some_limits(batch_max=1)
    turn = await settled(stage, await granted(stage, "bad", limits=one), Outcome.OPEN, limits=one, speaks=True)
    assert turn.breaker == "open"
    stage.tick(30)
    await settled(stage, await granted(stage, "good", limits=one), limits=one)
    turn = await settled(stage, await granted(stage, "bad", limits=one), Outcome.OPEN, limits=one, speaks=True)
    assert turn.breaker == "closed"
    turn = await settled(stage, await granted(stage, "good", limits=one), Outcome.OPEN, limits=one, speaks=True)
    assert turn.breaker == "open"


async def test_a_lane_that_was_served_since_is_believed_again(stage):
    for lane in ("a", "b"):
        await stage.fill_lane(3, lane)
    one = some_limits(batch_max=1)
    await settled(stage, await granted(stage, "a", limits=one), Outcome.OPEN, limits=one)
    stage.tick(30)
    for lane in ("b", "a"):
        await settled(stage, await granted(stage, lane, limits=one), limits=one)
    assert (await settled(stage, await granted(stage, "a", limits=one), Outcome.OPEN, limits=one)).breaker == "open"
