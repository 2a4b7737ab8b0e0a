from __future__ import annotations

from dataclasses import dataclass

from structlog.testing import capture_logs

from gantry.clock import SystemClock
from gantry.health import REASONS_S, Health


@dataclass
class _Clock(SystemClock):
    at: float = 1000.0

    def monotonic(self) -> float:
        return self.at


def test_two_loops_that_word_one_failure_differently_do_not_fill_the_log():
    clock = _Clock()
    health = Health(clock)
    with capture_logs() as said:
        for second in range(600):
            clock.at = 1000.0 + second
            health.lacks("redis", ("refused", "peek: refused")[second % 2])
    assert 2 <= len(said) <= 600 / REASONS_S + 1
    assert health.state() == ("unready", "peek: refused")


def test_what_comes_back_and_goes_again_is_said_at_once():
    health = Health(_Clock())
    with capture_logs() as said:
        for _ in range(2):
            health.lacks("redis", "refused")
            health.lacks("redis", "refused")
            health.has("redis")
            health.has("redis")
    assert [line["event"] for line in said] == ["unready", "ready_again"] * 2
    assert health.state() == ("ready", "")
