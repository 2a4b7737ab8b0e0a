from __future__ import annotations

from publisher.telemetry import Sparing


def test_of_many_lines_alike_the_first_are_said_and_the_rest_are_counted():
    sparing = Sparing(most=3, within_s=10)
    said = [sparing.unsaid(("evd", "http_429"), now) for now in (0, 1, 2, 3, 4, 9.9, 10, 11)]
    assert said == [0, 0, 0, None, None, None, 3, 0]


def test_each_reason_of_each_target_has_its_own_measure():
    sparing = Sparing(most=1, within_s=10)
    names = [("evd", "a"), ("evd", "b"), ("crowd", "a"), ("evd", "a")]
    assert [sparing.unsaid(name, 0) for name in names] == [0, 0, 0, None]
