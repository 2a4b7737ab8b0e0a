"""What a turn does beyond the plain way: holds, pauses, ceilings, the newest sent again, the breaker's finer points."""

from __future__ import annotations

import pytest

from builders import Stage, a_measure, some_limits
from gantry.event import Accept
from gantry.streams.books import Books
from gantry.streams.lanes import Grant, Lanes, Outcome, Rate, Settlement, Turn
from gantry.streams.scripts import text

pytestmark = pytest.mark.reads_in_lua

LIMITS = some_limits()


@pytest.fixture
async def stage(client, calls, ladder):
    stage = Stage(client, calls, ladder)
    await stage.lead()
    return stage


@pytest.fixture
async def ledger(client, calls, keys):
    async def ask():
        audit = await Books(client, calls, keys).audit()
        assert audit.differences == []
        return {**audit.ledger.outcomes, **audit.ledger.beside}

    return ask


async def granted(stage: Stage, *lanes: str, limits=LIMITS, want: int = 1) -> Grant | None:
    turn = await stage.lanes.turn("evd", limits, lanes or ["cam"], want=want)
    return turn.grants[0] if turn.grants else None


async def settled(stage: Stage, grant: Grant, outcome=Outcome.DELIVERED, *, limits=LIMITS, **more) -> Turn:
    """Booked, and nothing new granted."""
    settlement = Settlement(grant=grant, outcome=outcome, **{"reason": "because", **more})
    return await stage.lanes.turn("evd", limits, [], settle=settlement, want=0)


async def arrive(stage: Stage, *minutes: int | str, lane: str = "cam") -> None:
    """Measures of these minutes wait in a lane, in this order; a text is a whole TimeInstant."""
    await stage.client.hsetnx(stage.keys.lane_state("evd"), f"{lane}:batch", 30)
    await stage.entries(len(minutes), dev=lane)
    instants = [each if isinstance(each, str) else f"2025-10-09T08:{each:02}:00.000Z" for each in minutes]
    bodies = [f'{{"TimeInstant":"{instant}","n":1}}'.encode() for instant in instants]
    await stage.decide(*(Accept("", (a_measure(lane, "evd", body),)) for body in bodies))
    await stage.lanes.pull()


async def everything_sent(stage: Stage, limits=LIMITS) -> list[str]:
    """Deliver until nothing is due; the TimeInstants in the order of going out, `*` behind what was sent again."""
    sent = []
    while grant := await granted(stage, limits=limits):
        sent += [
            item.body[16:40].decode().replace("2025-10-09T08:", "").replace(":00.000Z", "").replace(":00", "")
            + "*" * grant.resent
            for item in grant.items
        ]
        await settled(stage, grant, limits=limits)
    return sent


async def test_the_first_measure_of_a_new_device_goes_alone(stage):
    await stage.fill_lane(9, known=False)
    sizes = []
    while grant := await granted(stage):
        sizes.append(len(grant.items))
        await settled(stage, grant)
    assert sizes == [1, 2, 4, 2]


async def test_after_older_measures_the_newest_goes_out_again(stage, ledger):
    await arrive(stage, 10)
    assert await everything_sent(stage) == ["10"]
    await arrive(stage, 5, 6)
    assert await everything_sent(stage) == ["05", "06", "10*"]
    await arrive(stage, 11)
    assert await everything_sent(stage) == ["11"]
    books = await ledger()
    assert (books["published"], books["resent"], books["waiting"]) == (4, 1, 0)


@pytest.mark.parametrize(
    ("minutes", "sent"),
    [
        ((1, 2, 3), ["01", "02", "03"]),
        ((3, 1, 2), ["03", "01", "02", "03*"]),
        ((3, 1, 4), ["03", "01", "04"]),  # a newer one followed: nothing to mend
        ((3, 3), ["03", "03"]),
        ((3, 1, 3), ["03", "01", "03"]),
        ((3, "2099-01-01T00:00:00.000Z", 4), ["03", "2099-01-01T00", "04"]),  # its clock is no mark
    ],
)
@pytest.mark.parametrize("batch_max", [1, 2, 30])
async def test_only_what_went_out_late_is_followed_by_the_newest(stage, minutes, sent, batch_max):
    await arrive(stage, *minutes)
    assert await everything_sent(stage, some_limits(batch_max=batch_max)) == sent


async def test_a_device_whose_clock_was_set_back_is_not_mended_for_ever(stage, client, keys):
    await arrive(stage, 30)
    assert await everything_sent(stage) == ["30"]
    instant, *fields = (await client.hget(keys.lane_state("evd"), "cam:newest")).split(b"\n")
    for days, sent in ((1.9, ["01", "30*"]), (2.1, ["01"])):
        fields[4] = b"%d" % (1_760_000_000_000_000 - int(days * 86_400_000_000))  # when the newest was received
        await client.hset(keys.lane_state("evd"), "cam:newest", b"\n".join([instant, *fields]))
        await arrive(stage, 1)
        assert await everything_sent(stage) == sent
    await arrive(stage, 2)
    assert await everything_sent(stage) == ["02"]


async def test_measures_without_a_time_are_never_sent_again(stage):
    await stage.fill_lane(3)
    grant = await granted(stage)
    await settled(stage, grant)
    assert await granted(stage) is None


async def test_the_newest_waits_for_the_rate_and_is_repeated_until_it_is_taken(stage, ledger):
    limits = some_limits(per_minute=60, burst=2)
    await arrive(stage, 3, 1)
    assert await everything_sent(stage, limits) == ["03", "01"]
    stage.tick(1.1)
    again = await granted(stage, limits=limits)
    assert again.resent
    await settled(stage, again, Outcome.RETRY, delay_s=5, limits=limits)
    stage.tick(5.1)
    grant = await granted(stage, limits=limits)
    assert (grant.resent, grant.attempts, grant.items) == (True, 1, again.items)
    await settled(stage, grant, limits=limits)
    assert (await ledger())["resent"] == 1


async def test_a_lost_reply_gives_the_newest_once_more_too(stage, keys):
    await arrive(stage, 3, 1)
    await settled(stage, await granted(stage))

    class Forgetful:
        async def sure(self, name, keys, arguments):
            await stage.calls.sure(name, keys, arguments)
            return await stage.calls.sure(name, [*keys], [*arguments])

    turn = await Lanes(Forgetful(), keys, ladder=0, test_clock=stage.lanes.test_clock).turn("evd", LIMITS, ["cam"])
    assert [grant.resent for grant in turn.grants] == [True]


async def test_what_comes_while_the_newest_is_under_way_again_keeps_its_place(stage, ledger):
    await arrive(stage, 3, 1)
    await settled(stage, await granted(stage))
    again = await granted(stage)
    await arrive(stage, 2)
    await settled(stage, again)
    assert await everything_sent(stage) == ["02", "03*"]
    assert (await ledger())["published"] == 3


async def test_a_newest_that_is_refused_is_given_up_and_no_letter(stage, client, keys, ledger):
    await arrive(stage, 3, 1)
    await settled(stage, await granted(stage))
    await settled(stage, await granted(stage), Outcome.REFUSED)
    assert await granted(stage) is None
    books = await ledger()
    assert (books["resend_refused"], books["dead_out"], await client.xlen(keys.dead)) == (1, 0, 0)


async def test_a_letter_keeps_what_the_platform_said(stage, client, keys):
    await stage.fill_lane(1)
    await settled(stage, await granted(stage), Outcome.REFUSED, answer="400 BAD_TIMESTAMP")
    [(_, letter)] = await client.xrange(keys.dead)
    assert (letter[b"answer"], letter[b"attempts"]) == (b"400 BAD_TIMESTAMP", b"1")


async def test_a_device_that_the_platform_does_not_know_is_tried_slowly_and_alone(stage, client, keys):
    await stage.fill_lane(3)
    grant = await granted(stage)
    turn = await settled(stage, grant, Outcome.HOLD, delay_s=60)
    assert turn.wait_s == 60
    assert (await client.hget(keys.holds("evd"), "cam")).split(b"\n")[::3] == [b"platform", b"because"]
    stage.tick(60)
    probe = await granted(stage)
    assert (len(probe.items), probe.attempts) == (1, 1)
    await settled(stage, probe)
    assert not await client.exists(keys.holds("evd"))
    assert len((await granted(stage)).items) == 2


async def test_a_failure_does_not_lift_a_hold(stage, client, keys):
    await stage.fill_lane(1)
    await settled(stage, await granted(stage), Outcome.HOLD)
    await settled(stage, await granted(stage), Outcome.RETRY)
    assert await client.hexists(keys.holds("evd"), "cam")


async def test_what_an_operator_holds_stays_until_released(stage, client, keys, ledger):
    """Also when the hold came while a request was under way."""
    await stage.fill_lane(2)
    grant = await granted(stage, limits=some_limits(batch_max=1))
    await client.hset(keys.holds("evd"), "cam", "operator\n1\nada\nbroken lens")
    await settled(stage, grant)
    stage.tick(10**6)
    assert await granted(stage) is None
    assert await client.zscore(keys.due("evd"), "cam") == float("inf")
    assert (await ledger())["waiting"] == 1


async def test_a_wrong_key_opens_the_breaker_at_once_and_keeps_everything(stage, ledger):
    for lane in ("a", "b"):
        await stage.fill_lane(1, lane)
    turn = await settled(stage, await granted(stage, "a"), Outcome.OPEN, reason="DEVICE_GROUP_NOT_FOUND")
    assert (turn.breaker, turn.breaker_reason, turn.wait_s) == ("open", "DEVICE_GROUP_NOT_FOUND", 30)
    assert await granted(stage, "a", "b") is None
    assert (await ledger())["waiting"] == 2


async def test_one_device_alone_does_not_open_the_breaker_for_others(stage, client, keys):
    for lane in ("bad", "good"):
        await stage.fill_lane(1, lane)
    for _ in range(5):
        turn = await settled(stage, await granted(stage, "bad"), Outcome.RETRY, speaks=True)
    assert turn.breaker == "closed"
    turn = await settled(stage, await granted(stage, "good"), Outcome.RETRY, speaks=True)
    assert turn.breaker == "open"
    assert await client.hmget(keys.breaker("evd"), "first", "last", "mixed") == [b"bad", b"good", b"1"]


async def test_the_only_active_device_speaks_for_the_target(stage):
    await stage.fill_lane(1)
    for _ in range(3):
        turn = await settled(stage, await granted(stage), Outcome.RETRY, speaks=True)
    assert turn.breaker == "open"


async def test_failures_that_do_not_speak_of_the_target_open_nothing(stage):
    for lane in ("a", "b"):
        await stage.fill_lane(1, lane)
    for lane in ("a", "b") * 5:
        turn = await settled(stage, await granted(stage, lane), Outcome.RETRY)
    assert turn.breaker == "closed"


async def test_an_outage_is_one_trip_however_many_probes_fail(stage, client, keys):
    await stage.fill_lane(1)
    await settled(stage, await granted(stage), Outcome.OPEN)
    for expected in (30, 60):
        stage.tick(expected)
        await settled(stage, await granted(stage), Outcome.RETRY)
    assert await client.hmget(keys.breaker("evd"), "trips", "streak") == [b"1", b"3"]


async def test_an_unused_probe_goes_to_the_next_who_asks(stage):
    for lane in ("a", "b"):
        await stage.fill_lane(1, lane)
    await settled(stage, await granted(stage, "a"), Outcome.OPEN)
    stage.tick(30)
    probe = await granted(stage, "b")
    assert await granted(stage, "a") is None
    turn = await settled(stage, probe, Outcome.RETURNED)
    assert turn.breaker == "open"
    again = await granted(stage, "b")
    assert (again.items, again.attempts) == (probe.items, 0)


async def test_what_is_handed_back_costs_nothing(stage, ledger):
    limits = some_limits(per_minute=1, burst=2)
    await stage.fill_lane(2)
    for _ in range(5):
        grant = await granted(stage, limits=limits)
        assert len(grant.items) == 2
        await settled(stage, grant, Outcome.RETURNED, limits=limits)
    assert "delayed" not in await ledger()


async def test_an_answer_from_before_the_last_trip_moves_nothing(stage, client, keys):
    for lane in ("a", "b", "c"):
        await stage.fill_lane(2, lane)
    one = some_limits(batch_max=1)
    straggler = await granted(stage, "a", limits=one)
    await settled(stage, await granted(stage, "b", limits=one), Outcome.OPEN, limits=one)
    stage.tick(30)
    await settled(stage, await granted(stage, "c", limits=one), limits=one)  # the probe closes it
    turn = await settled(stage, straggler, Outcome.OPEN, limits=one)
    assert (turn.settled, turn.breaker) == ("settled", "closed")
    assert await client.hget(keys.breaker("evd"), "trips") == b"1"


async def test_a_platform_that_asks_for_time_gets_it_from_all_lanes(stage):
    for lane in ("a", "b"):
        await stage.fill_lane(1, lane)
    turn = await settled(stage, await granted(stage, "a"), Outcome.SLOW, delay_s=7, reason="http_429")
    assert (turn.wait_s, turn.breaker) == (7, "closed")
    assert await granted(stage, "b") is None
    stage.tick(7)
    assert await granted(stage, "b")


async def test_an_array_that_the_broker_may_find_too_large_goes_on_in_halves(stage):
    await stage.fill_lane(8)
    turn = await settled(stage, await granted(stage), Outcome.SHRINK, delay_s=1, speaks=True)
    assert turn.wait_s == 1
    stage.tick(1)
    assert len((await granted(stage)).items) == 4


async def test_the_whole_target_has_a_ceiling(stage, ledger):
    limits = some_limits(ceiling_per_s=2.0)
    for lane in "abcd":
        await stage.fill_lane(1, lane)
    first = await stage.lanes.turn("evd", limits, list("abcd"), want=4)
    assert len(first.grants) == 2
    waiting = await stage.lanes.turn("evd", limits, list("cd"))
    assert (waiting.grants, waiting.wait_s) == ((), 0.5)
    assert (await ledger())["throttled_ms:evd"] == 500  # however often it is asked
    stage.tick(0.5)
    assert len((await stage.lanes.turn("evd", limits, list("cd"), want=4)).grants) == 1


async def test_a_device_may_have_a_rate_of_its_own(stage):
    limits = some_limits(per_minute=60, burst=1, rates={"fast": Rate(120, 4)})
    for lane in ("fast", "plain"):
        await stage.fill_lane(6, lane)
    sizes = {lane: len((await granted(stage, lane, limits=limits)).items) for lane in ("fast", "plain")}
    assert sizes == {"fast": 4, "plain": 1}


async def test_how_long_a_rate_delays_is_counted(stage, ledger):
    limits = some_limits(per_minute=60, burst=1)
    await stage.fill_lane(2)
    await settled(stage, await granted(stage, limits=limits), limits=limits)
    assert await granted(stage, limits=limits) is None
    books = await ledger()
    assert (books["delayed"], books["delayed_ms"]) == (1, 1000)


@pytest.mark.parametrize(("until_s", "after_s", "goes"), [(0, 10**6, False), (60, 59, False), (60, 60, True)])
async def test_a_paused_target_is_left_alone_until_its_time(stage, client, keys, until_s, after_s, goes):
    await stage.fill_lane(2)
    under_way = await granted(stage, limits=some_limits(batch_max=1))
    until_ms = stage.now // 1000 + until_s * 1000 if until_s else 0
    await client.hset(keys.paused, "evd", f"{until_ms}\n1\nada\nmaintenance")
    turn = await settled(stage, under_way)
    assert (turn.settled, turn.paused) == ("settled", True)
    assert await granted(stage) is None
    stage.tick(after_s)
    turn = await stage.lanes.turn("evd", LIMITS, ["cam"])
    assert (bool(turn.grants), turn.paused) == (goes, not goes)
    assert await client.hexists(keys.paused, "evd") is not goes


async def test_what_comes_in_is_counted_by_windows_of_five_minutes(stage, client, keys):
    start_ms, seen = stage.now // 1000 - stage.now // 1000 % 300_000, []
    for minute, count in ((0, 3), (4, 2), (5, 7), (10, 1), (20, 4), (120, 5)):
        stage.tick(minute * 60 - (stage.now // 1000 - start_ms) / 1000)
        await stage.fill_lane(count)
        start, *windows = map(int, text(await client.hget(keys.flow("evd"), "cam")).split())
        seen.append(((start - start_ms) // 60_000, windows))
    assert seen == [
        (0, [0, 0, 3]),
        (0, [0, 0, 5]),
        (5, [0, 5, 7]),
        (10, [5, 7, 1]),
        (20, [1, 0, 4]),
        (120, [0, 0, 5]),
    ]
