"""The judge of the soaks, on records where the verdict is known."""

from __future__ import annotations

import pytest

from end_to_end import breakers, record
from end_to_end.breakers import Opening
from end_to_end.comparison import stamp
from end_to_end.feed import Fed, spelled
from end_to_end.record import End, Excuses, Letter, Request

LANE = ("evd", "soak-40")
SECOND = 1_000_000
FED = {LANE: {number: Fed(number, number * 1000) for number in range(1, 5)}}
LATE = {LANE: {1: Fed(1, 5000), 2: Fed(2, 1000)}}


def sent(*numbers: int, at_s: int, answer: str = "ok", fed: dict = FED) -> Request:
    applied = answer in ("ok", "hang", "reset_after_apply")
    return Request(
        at_us=at_s * SECOND,
        number=at_s,
        lane=LANE,
        numbers=numbers,
        instants=tuple(stamp(fed[LANE][number].instant_ms) for number in numbers),
        words=(spelled(LANE[1]),) * len(numbers),
        answer=answer,
        applied=applied,
        receipt=answer == "ok",
    )


def wrong(*found: Request, fed: dict = FED, letters: tuple = (), excuses: Excuses | None = None) -> list[str]:
    return record.judge(found, fed, letters, excuses or Excuses()).wrong


ALL = [sent(1, at_s=1), sent(2, 3, at_s=2), sent(4, at_s=3)]


def test_a_lane_in_order_is_right() -> None:
    assert wrong(*ALL) == []


@pytest.mark.parametrize(
    ("found", "word"),
    [
        ([ALL[0], ALL[2], ALL[1]], "sent before"),
        ([*ALL, sent(2, at_s=9)], "goes back"),
        ([ALL[0], ALL[1]], "lost"),
        ([sent(1, 1, at_s=1), *ALL[1:]], "a measure twice"),
        ([sent(1, at_s=1), sent(2, at_s=2, answer="hang"), sent(3, at_s=3), sent(2, at_s=4)], "sent before"),
    ],
)
def test_what_is_wrong_is_said(found: list[Request], word: str) -> None:
    assert any(word in sentence for sentence in wrong(*found))


def test_an_ambiguous_array_may_be_repeated_in_other_portions() -> None:
    found = [sent(1, at_s=1), sent(2, 3, at_s=2), sent(2, at_s=4), sent(3, 4, at_s=5)]
    excuses = Excuses(unheard_us={(LANE, 2): [2 * SECOND]})
    assert wrong(*found, excuses=excuses) == []
    assert len(wrong(*found)) == 1
    assert wrong(*found[:2], sent(3, 4, at_s=4), sent(2, at_s=5), excuses=excuses)  # but not in another order


def test_an_ambiguous_answer_may_be_repeated_and_is_counted() -> None:
    found = [sent(1, at_s=1, answer="reset_after_apply"), *ALL]
    verdict = record.judge(found, FED, (), Excuses())
    assert (verdict.wrong, verdict.repeated) == ([], 1)


@pytest.mark.parametrize(
    "excuses",
    [Excuses([End(1 * SECOND + 300_000, frozenset({LANE}))]), Excuses(unheard_us={(LANE, 1): [1 * SECOND - 100_000]})],
    ids=["killed", "timed out"],
)
def test_a_receipt_that_was_not_booked_may_be_repeated(excuses: Excuses) -> None:
    found = [sent(1, at_s=1), *ALL]
    assert wrong(*found, excuses=excuses) == []
    assert wrong(*found) != []


def test_an_end_excuses_only_lanes_that_were_leased_then() -> None:
    elsewhere = Excuses([End(1 * SECOND + 300_000, frozenset({("evd", "soak-41")}))])
    assert wrong(sent(1, at_s=1), *ALL, excuses=elsewhere) != []


def test_the_newest_is_sent_again_behind_an_older_one() -> None:
    older = [sent(1, at_s=1, fed=LATE), sent(2, at_s=2, fed=LATE)]
    assert ["was not sent again" in sentence for sentence in wrong(*older, fed=LATE)] == [True]
    assert wrong(*older, sent(1, at_s=3, fed=LATE), fed=LATE) == []


def test_a_letter_needs_a_refusal() -> None:
    letter = Letter(LANE, 2, "BAD_TIMESTAMP", 1)
    assert record.unjust([letter], [sent(2, at_s=1, answer="bad_timestamp")]) == []
    assert record.unjust([letter], [sent(2, at_s=1, answer="html_503")]) != []
    assert wrong(ALL[0], sent(3, 4, at_s=3), letters=(letter,)) == []


OPEN = Opening("evd", trips=1, streak=1, from_us=10 * SECOND, until_us=20 * SECOND, to_us=30 * SECOND)


@pytest.mark.parametrize(
    ("found", "right"),
    [
        ([sent(1, at_s=10), sent(1, at_s=21), sent(1, at_s=31)], True),
        ([sent(1, at_s=12)], False),
        ([sent(1, at_s=21, answer="html_503"), sent(2, at_s=22)], False),
        ([sent(1, at_s=21, answer="close"), sent(1, at_s=22)], True),
    ],
    ids=["one probe", "while open", "two probes", "sent again at once"],
)
def test_an_open_breaker_lets_one_probe_through(found: list[Request], right: bool) -> None:
    assert (breakers.wrong([OPEN], found, lease_us=60 * SECOND) == []) is right


def test_what_a_resumed_publisher_had_in_hand_is_no_probe() -> None:
    found = [sent(1, at_s=12), sent(1, at_s=21)]
    assert breakers.wrong([OPEN], found, lease_us=60 * SECOND, resumed_us=[12 * SECOND - 1000]) == []
