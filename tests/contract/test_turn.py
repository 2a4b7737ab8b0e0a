from __future__ import annotations

import pytest

from builders import Stage, some_limits
from gantry.streams.books import Books
from gantry.streams.lanes import Lanes, Outcome, Settlement

pytestmark = pytest.mark.reads_in_lua

LIMITS = some_limits()


@pytest.fixture
async def stage(client, calls, ladder):
    return Stage(client, calls, ladder)


@pytest.fixture
async def ledger(client, calls, keys):
    async def ask():
        audit = await Books(client, calls, keys).audit()
        assert audit.differences == []
        return audit.ledger.outcomes

    return ask


def settle(grant, outcome=Outcome.DELIVERED, delay_s=0.0):
    speaks = outcome is not Outcome.REFUSED
    return Settlement(grant=grant, outcome=outcome, delay_s=delay_s, speaks=speaks, reason="because")


async def grant_of(stage, *lanes, limits=LIMITS):
    turn = await stage.lanes.turn("evd", limits, lanes or ["cam"])
    return turn.grants[0] if turn.grants else None


async def test_the_oldest_measures_are_handed_out_with_their_story(stage):
    await stage.fill_lane(3)
    grant = await grant_of(stage, limits=some_limits(batch_max=2))
    assert [item.body for item in grant.items] == [b'{"v":0}', b'{"v":1}']
    assert [item.seq for item in grant.items] == [1, 2]
    assert (grant.attempts, grant.items[0].event_id) == (0, "ecam-1")


async def test_a_leased_lane_is_not_handed_out_again_until_the_lease_ends(stage):
    await stage.fill_lane(1)
    first = await grant_of(stage)
    assert await grant_of(stage) is None
    stage.tick(LIMITS.lease_s + 0.001)
    second = await grant_of(stage)
    assert second.items == first.items and second.token != first.token


async def test_delivered_leaves_the_lane_and_gives_a_receipt(stage, client, keys, ledger):
    await stage.fill_lane(2)
    grant = await grant_of(stage)
    turn = await stage.lanes.turn("evd", LIMITS, [], settle=settle(grant))
    assert (turn.settled, turn.wait_s) == ("settled", None)
    outcomes = await ledger()
    assert (outcomes["published"], outcomes["waiting"]) == (2, 0)
    [(_, receipt)] = await client.xrange(keys.receipts)
    assert (receipt[b"lane"], receipt[b"from"], receipt[b"to"], receipt[b"n"]) == (b"cam", b"1", b"2", b"2")
    assert receipt[b"ids"] == b"ecam-1 ecam-2"
    assert not await client.exists(keys.lane("evd", "cam"), keys.due("evd"), keys.inside)


async def test_a_repeated_settlement_is_told_from_a_stale_one(stage, ledger):
    await stage.fill_lane(2)
    grant = await grant_of(stage, limits=some_limits(batch_max=1))
    await stage.lanes.turn("evd", LIMITS, [], settle=settle(grant), want=0)
    again = await stage.lanes.turn("evd", LIMITS, [], settle=settle(grant), want=0)
    assert again.settled == "again"
    assert (await ledger())["published"] == 1


async def test_an_answer_after_the_lease_was_lost_moves_nothing(stage, ledger):
    await stage.fill_lane(1)
    late = await grant_of(stage)
    stage.tick(LIMITS.lease_s + 1)
    holder = await grant_of(stage)
    turn = await stage.lanes.turn("evd", LIMITS, [], settle=settle(late), want=0)
    assert turn.settled == "stale"
    assert (await ledger())["published"] == 0
    turn = await stage.lanes.turn("evd", LIMITS, [], settle=settle(holder), want=0)
    assert turn.settled == "settled"


async def test_a_lost_reply_gives_the_same_grant_and_no_other(stage, keys):
    for lane in ("a", "b"):
        await stage.fill_lane(1, lane)

    class Forgetful:
        async def sure(self, name, keys, arguments):
            await stage.calls.sure(name, keys, arguments)
            return await stage.calls.sure(name, [*keys], [*arguments])

    lanes = Lanes(Forgetful(), keys, ladder=0, test_clock=stage.lanes.test_clock)
    turn = await lanes.turn("evd", LIMITS, ["a", "b"], want=1)
    assert [grant.lane for grant in turn.grants] == ["a"]
    assert (await grant_of(stage, "a", "b")).lane == "b"


async def test_several_lanes_of_one_turn_are_all_given_again_after_a_lost_reply(stage, keys):
    for lane in ("a", "b", "c"):
        await stage.fill_lane(1, lane)

    class Forgetful:
        async def sure(self, name, keys, arguments):
            await stage.calls.sure(name, keys, arguments)
            return await stage.calls.sure(name, [*keys], [*arguments])

    lanes = Lanes(Forgetful(), keys, ladder=0, test_clock=stage.lanes.test_clock)
    turn = await lanes.turn("evd", LIMITS, ["a", "b", "c"], want=2)
    assert [grant.lane for grant in turn.grants] == ["a", "b"]
    for grant in turn.grants:
        assert (await stage.lanes.turn("evd", LIMITS, [], settle=settle(grant), want=0)).settled == "settled"
    assert (await grant_of(stage, "a", "b", "c")).lane == "c"


async def test_transient_waits_keeps_order_and_counts_attempts(stage, ledger):
    await stage.fill_lane(1)
    grant = await grant_of(stage)
    turn = await stage.lanes.turn("evd", LIMITS, ["cam"], settle=settle(grant, Outcome.RETRY, 5), want=1)
    assert turn.grants == () and turn.wait_s == pytest.approx(5, abs=0.01)
    stage.tick(5.01)
    again = await grant_of(stage)
    assert (again.items, again.attempts) == (grant.items, 1)
    assert (await ledger())["waiting"] == 1


async def test_a_refused_batch_is_halved_until_one_measure_stands_alone(stage, client, keys, ledger):
    """The third of four is poison: it alone becomes a letter, and the order of the others is kept."""
    await stage.fill_lane(4)
    sent, grant = [], await grant_of(stage)
    while grant:
        bodies = [item.body for item in grant.items]
        outcome = Outcome.REFUSED if b'{"v":2}' in bodies else Outcome.DELIVERED
        sent += bodies if outcome is Outcome.DELIVERED else []
        turn = await stage.lanes.turn("evd", LIMITS, ["cam"], settle=settle(grant, outcome))
        grant = turn.grants[0] if turn.grants else None
    assert sent == [b'{"v":0}', b'{"v":1}', b'{"v":3}']
    [(_, letter)] = await client.xrange(keys.dead)
    assert (letter[b"class"], letter[b"lane"], letter[b"seq"]) == (b"out", b"cam", b"3")
    assert (letter[b"reason"], letter[b"body"]) == (b"because", b'{"v":2}')
    outcomes = await ledger()
    assert (outcomes["published"], outcomes["dead_out"], outcomes["waiting"]) == (3, 1, 0)
    assert await client.hget(keys.inside, "cam") == b"1"  # the letter stays in its device's quota


async def test_the_rate_is_kept_exactly_and_delays_only_that_lane(stage):
    limits = some_limits(per_minute=60, burst=2, batch_max=1)
    await stage.fill_lane(5, "hot")
    await stage.fill_lane(1, "calm")
    times, grants = [], []
    for _ in range(80):  # four seconds in steps of 50 ms
        turn = await stage.lanes.turn("evd", limits, ["hot"])
        while turn.grants:
            times.append(stage.now)
            grants += turn.grants
            turn = await stage.lanes.turn("evd", limits, ["hot"], settle=settle(turn.grants[0]))
        stage.tick(0.05)
    after = [(at - times[0]) / 1_000_000 for at in times]
    assert after == [0, 0, pytest.approx(1, abs=0.06), pytest.approx(2, abs=0.06), pytest.approx(3, abs=0.06)]
    assert (await grant_of(stage, "calm", limits=limits)).lane == "calm"


async def test_a_rate_counted_in_requests_lets_a_batch_cost_one(stage):
    await stage.fill_lane(6)
    limits = some_limits(per_minute=60, burst=1, batch_max=3, counts="requests")
    grant = await grant_of(stage, limits=limits)
    assert len(grant.items) == 3
    turn = await stage.lanes.turn("evd", limits, ["cam"], settle=settle(grant))
    assert turn.grants == () and 0.9 < turn.wait_s <= 1.001


async def test_the_breaker_opens_probes_once_and_closes(stage, client, keys, ledger):
    for lane in ("a", "b", "c", "d"):
        await stage.fill_lane(1, lane)
    for lane in ("a", "b", "c"):
        grant = await grant_of(stage, lane)
        turn = await stage.lanes.turn("evd", LIMITS, [], settle=settle(grant, Outcome.RETRY), want=0)
    assert turn.breaker == "open"
    assert await grant_of(stage, "a", "b", "d") is None
    stage.tick(LIMITS.cooldown_s)
    probe = await stage.lanes.turn("evd", LIMITS, ["c", "d"], want=4)
    assert [grant.lane for grant in probe.grants] == ["d"]  # c failed last
    assert probe.breaker == "half"
    assert await grant_of(stage, "a", "b") is None  # one probe only
    turn = await stage.lanes.turn("evd", LIMITS, ["a"], settle=settle(probe.grants[0]))
    assert turn.breaker == "closed" and [grant.lane for grant in turn.grants] == ["a"]
    assert await client.hget(keys.breaker("evd"), "trips") == b"1"
    assert (await ledger())["waiting"] == 3


async def test_a_failing_probe_doubles_the_cooldown(stage):
    await stage.fill_lane(1)
    limits = some_limits(open_after=1)
    for expected in (30, 60, 120):
        grant = await grant_of(stage, limits=limits)
        failed = settle(grant, Outcome.RETRY)
        turn = await stage.lanes.turn("evd", limits, ["cam"], settle=failed)
        assert (turn.grants, turn.wait_s) == ((), expected)
        stage.tick(expected)


async def test_a_prober_that_dies_holds_the_breaker_for_one_lease(stage):
    await stage.fill_lane(1, "a")
    await stage.fill_lane(1, "b")
    limits = some_limits(open_after=1)
    grant = await grant_of(stage, "a", limits=limits)
    await stage.lanes.turn("evd", limits, [], settle=settle(grant, Outcome.OPEN), want=0)
    stage.tick(30)
    assert (await grant_of(stage, "b", limits=limits)).lane == "b"  # and its publisher is killed
    stage.tick(39)
    assert await grant_of(stage, "a", limits=limits) is None
    stage.tick(1)
    assert await grant_of(stage, "a", "b", limits=limits)


async def test_answers_of_an_earlier_era_move_no_breaker(stage):
    for lane in ("a", "b"):
        await stage.fill_lane(1, lane)
    limits = some_limits(open_after=1)
    first, straggler = await grant_of(stage, "a", limits=limits), await grant_of(stage, "b", limits=limits)
    await stage.lanes.turn("evd", limits, [], settle=settle(first, Outcome.OPEN), want=0)
    turn = await stage.lanes.turn("evd", limits, [], settle=settle(straggler), want=0)
    assert (turn.settled, turn.breaker) == ("settled", "open")


async def test_a_clock_that_stepped_back_freezes_no_lane_for_longer_than_a_legal_delay(stage):
    await stage.fill_lane(1)
    await grant_of(stage)  # due again after the lease, by a clock …
    stage.tick(-3600)  # … that was an hour ahead
    turn = await stage.lanes.turn("evd", LIMITS, [])
    assert (turn.hints, turn.wait_s) == (("cam",), 0)
    assert await grant_of(stage)


async def test_hints_name_what_is_due_and_wait_says_when(stage):
    for lane in ("a", "b"):
        await stage.fill_lane(1, lane)
    turn = await stage.lanes.turn("evd", LIMITS, [])
    assert (set(turn.hints), turn.wait_s) == ({"a", "b"}, 0)
    await grant_of(stage, "a")
    await grant_of(stage, "b")
    turn = await stage.lanes.turn("evd", LIMITS, [])
    assert (turn.hints, turn.wait_s) == ((), pytest.approx(LIMITS.lease_s, abs=0.01))


async def test_a_leased_lane_stays_leased_when_more_comes_for_it(stage):
    """A pull must not make it due: a second request would go out beside the first."""
    await stage.fill_lane(1)
    assert await grant_of(stage)
    await stage.fill_lane(1)
    assert await grant_of(stage) is None


async def test_the_lane_just_settled_comes_after_those_that_wait(stage):
    await stage.fill_lane(3, "hot")
    await stage.fill_lane(1, "calm")
    grant = await grant_of(stage, "hot", limits=some_limits(batch_max=1))
    turn = await stage.lanes.turn("evd", some_limits(batch_max=1), ["hot", "calm"], settle=settle(grant))
    assert [grant.lane for grant in turn.grants] == ["calm"]


async def test_attempts_begin_anew_after_a_receipt_and_the_batch_grows_back(stage):
    await stage.fill_lane(20)
    limits = some_limits(batch_max=8)
    grant = await grant_of(stage, limits=limits)
    sizes, attempts = [], []
    for outcome in (Outcome.RETRY, Outcome.REFUSED, Outcome.REFUSED, *[Outcome.DELIVERED] * 3):
        turn = await stage.lanes.turn("evd", limits, ["cam"], settle=settle(grant, outcome))
        grant = turn.grants[0]
        sizes.append(len(grant.items))
        attempts.append(grant.attempts)
    assert sizes == [8, 4, 2, 4, 8, 6]
    assert attempts == [1, 2, 3, 0, 0, 0]


async def test_failures_of_an_earlier_era_move_no_breaker(stage, client, keys):
    for lane in ("a", "b"):
        await stage.fill_lane(1, lane)
    limits = some_limits(open_after=1)
    first, straggler = await grant_of(stage, "a", limits=limits), await grant_of(stage, "b", limits=limits)
    await stage.lanes.turn("evd", limits, [], settle=settle(first, Outcome.OPEN), want=0)
    await stage.lanes.turn("evd", limits, [], settle=settle(straggler, Outcome.RETRY), want=0)
    assert await client.hmget(keys.breaker("evd"), "trips", "last") == [b"1", b"a"]


async def test_a_breaker_that_closed_begins_with_the_shortest_cooldown_again(stage):
    await stage.fill_lane(3)
    limits = some_limits(open_after=1, batch_max=1)
    for outcome, wait_s in ((Outcome.RETRY, 30), (Outcome.RETRY, 60), (Outcome.DELIVERED, None)):
        grant = await grant_of(stage, limits=limits)
        turn = await stage.lanes.turn("evd", limits, [], settle=settle(grant, outcome), want=0)
        stage.tick(wait_s or 0)
    assert turn.breaker == "closed"
    grant = await grant_of(stage, limits=limits)
    turn = await stage.lanes.turn("evd", limits, [], settle=settle(grant, Outcome.RETRY), want=0)
    assert (turn.breaker, turn.breaker_reason, turn.wait_s) == ("open", "because", 30)


async def test_an_open_breaker_forgives_a_clock_that_stepped_back(stage):
    await stage.fill_lane(1)
    limits = some_limits(open_after=1)
    grant = await grant_of(stage, limits=limits)
    await stage.lanes.turn("evd", limits, [], settle=settle(grant, Outcome.RETRY), want=0)
    stage.tick(-3600)
    assert await grant_of(stage, limits=limits)


async def test_a_hold_waits_like_a_retry_and_is_a_sign_of_life(stage):
    for lane in ("a", "b"):
        await stage.fill_lane(1, lane)
    limits = some_limits(open_after=2)
    for lane, outcome in (("a", Outcome.RETRY), ("b", Outcome.HOLD), ("a", Outcome.RETRY)):
        grant = await grant_of(stage, lane, limits=limits)
        turn = await stage.lanes.turn("evd", limits, [], settle=settle(grant, outcome, 0.001), want=0)
        stage.tick(0.002)
    assert turn.breaker == "closed"
    assert (await grant_of(stage, "b", limits=limits)).attempts == 1


async def test_a_back_off_is_never_longer_than_the_longest_legal_delay(stage):
    await stage.fill_lane(1)
    grant = await grant_of(stage)
    turn = await stage.lanes.turn("evd", LIMITS, [], settle=settle(grant, Outcome.RETRY, 10**6), want=0)
    assert turn.wait_s == pytest.approx(600, abs=0.01)


async def test_a_frozen_lane_is_named_though_others_are_due(stage):
    await stage.fill_lane(1, "frozen")
    await grant_of(stage, "frozen")
    stage.tick(-3600)
    for lane in "abcdefgh":
        await stage.fill_lane(1, lane)
    assert "frozen" in (await stage.lanes.turn("evd", LIMITS, [])).hints


async def test_a_name_in_due_without_measures_is_dropped(stage, client, keys):
    await client.zadd(keys.due("evd"), {"ghost": 0})
    turn = await stage.lanes.turn("evd", LIMITS, ["ghost"])
    assert turn.grants == () and await client.zcard(keys.due("evd")) == 0
