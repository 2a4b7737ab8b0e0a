from __future__ import annotations

import random

import pytest

from gantry.streams.lanes import Grant, Item, Outcome
from publisher.classify import Judgement, Kind
from publisher.reactions import handed_back, settlement

ITEM = Item(entry_id="1-0", event_id="e1", dev="r/0", seq=1, t_rx=0, body=b'{"v":1}')


def a_grant(attempts: int = 0, measures: int = 1) -> Grant:
    return Grant("token", "cam", attempts, (ITEM,) * measures)


def a_judgement(kind: Kind, reason: str = "because", **more: object) -> Judgement:
    given = {"speaks": False, "retry_after_s": None, "answer": "told", **more}
    return Judgement(kind, reason, **given)  # type: ignore[arg-type]


def react(kind: Kind, reason: str = "because", *, attempts: int = 0, measures: int = 1, **more: object):
    return settlement(a_grant(attempts, measures), a_judgement(kind, reason, **more), random.Random(7))


@pytest.mark.parametrize(
    ("kind", "reason", "attempts", "measures", "outcome"),
    [
        (Kind.DELIVERED, "delivered", 0, 30, Outcome.DELIVERED),
        (Kind.TRANSIENT, "http_503", 0, 1, Outcome.RETRY),
        (Kind.TRANSIENT, "http_503", 1000, 30, Outcome.RETRY),  # for ever: nothing is given up for an outage
        (Kind.MISROUTED, "misrouted", 50, 30, Outcome.RETRY),
        (Kind.PERMANENT, "BAD_TIMESTAMP", 0, 30, Outcome.REFUSED),
        (Kind.SPLIT, "http_413", 0, 30, Outcome.REFUSED),
        (Kind.DEVICE, "DEVICE_NOT_FOUND", 9, 1, Outcome.HOLD),
        (Kind.TARGET, "DEVICE_GROUP_NOT_FOUND", 0, 1, Outcome.OPEN),
        (Kind.UNKNOWN, "TypeError", 0, 1, Outcome.RETRY),
        (Kind.UNKNOWN, "TypeError", 2, 1, Outcome.RETRY),
        (Kind.UNKNOWN, "TypeError", 3, 1, Outcome.REFUSED),
        (Kind.UNKNOWN, "TypeError", 3, 30, Outcome.REFUSED),
        (Kind.TRANSIENT, "SyntaxError", 1, 30, Outcome.RETRY),
        (Kind.TRANSIENT, "SyntaxError", 2, 30, Outcome.SHRINK),  # maybe too large for the broker
        (Kind.TRANSIENT, "SyntaxError", 2, 1, Outcome.RETRY),
        (Kind.TRANSIENT, "http_429", 0, 1, Outcome.RETRY),
    ],
)
def test_each_class_has_its_reaction(kind, reason, attempts, measures, outcome):
    made = react(kind, reason, attempts=attempts, measures=measures)
    assert (made.outcome, made.reason, made.answer) == (outcome, reason, "told")


def test_only_a_request_to_slow_down_slows_the_whole_target():
    assert react(Kind.TRANSIENT, "http_429", retry_after_s=7.0).outcome is Outcome.SLOW
    assert react(Kind.TRANSIENT, "http_503", retry_after_s=7.0).outcome is Outcome.RETRY


@pytest.mark.parametrize("reason", ["http_429", "http_503"])
def test_what_the_platform_asks_for_is_waited_for(reason):
    waits = [
        settlement(a_grant(), a_judgement(Kind.TRANSIENT, reason, retry_after_s=7.0), random.Random(seed)).delay_s
        for seed in range(50)
    ]
    assert min(waits) >= 7.0
    assert max(waits) <= 7.7


def test_the_whole_target_waits_hardly_longer_than_it_asked():
    """However often this one lane has failed."""
    judgement = a_judgement(Kind.TRANSIENT, "http_429", retry_after_s=2.0)
    made = [settlement(a_grant(attempts=9), judgement, random.Random(seed)) for seed in range(50)]
    assert {each.outcome for each in made} == {Outcome.SLOW}
    assert 2.0 <= min(each.delay_s for each in made) <= max(each.delay_s for each in made) <= 2 * 2.2


def test_a_platform_that_asks_for_no_time_makes_only_this_lane_wait():
    assert react(Kind.TRANSIENT, "http_429", attempts=8, retry_after_s=0.0).outcome is Outcome.RETRY


def test_a_platform_that_asks_for_no_time_at_all_is_not_hammered():
    delays = [react(Kind.TRANSIENT, "http_503", attempts=8, retry_after_s=0.0).delay_s for _ in range(3)]
    assert min(delays) > 1


def test_a_back_off_doubles_to_a_minute_with_full_jitter():
    def waits(attempts: int) -> list[float]:
        judgement = a_judgement(Kind.TRANSIENT)
        return [settlement(a_grant(attempts), judgement, random.Random(seed)).delay_s for seed in range(300)]

    for attempts, cap in ((0, 1), (1, 2), (3, 8), (6, 60), (500, 60)):
        got = waits(attempts)
        assert max(got) <= cap
        assert max(got) > 0.9 * cap
        assert min(got) < 0.1 * cap


@pytest.mark.parametrize(("attempts", "at_most"), [(0, 60), (1, 120), (3, 480), (4, 600), (900, 600)])
def test_a_device_that_is_not_known_is_tried_ever_more_slowly(attempts, at_most):
    assert at_most * 0.9 <= react(Kind.DEVICE, attempts=attempts).delay_s <= at_most


def test_delivered_and_refused_go_on_at_once():
    assert react(Kind.DELIVERED).delay_s == react(Kind.PERMANENT).delay_s == react(Kind.SPLIT).delay_s == 0


@pytest.mark.parametrize("speaks", [True, False])
def test_what_speaks_of_the_target_is_passed_on(speaks):
    assert react(Kind.TRANSIENT, speaks=speaks).speaks is speaks


def test_a_grant_that_was_not_used_goes_back_as_it_was():
    grant = a_grant(attempts=4)
    assert (handed_back(grant).outcome, handed_back(grant).grant) == (Outcome.RETURNED, grant)
