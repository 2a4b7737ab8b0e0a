from __future__ import annotations

import pytest

from gantry.pace import WINDOW_MS, Flow, Overrun

START = 1_760_000_100_000


@pytest.mark.parametrize(
    ("windows", "minutes_on", "per_minute"),
    [
        ((0, 0, 5000), 3, 0),  # the first window is not over
        ((0, 5000, 5000), 4.9, 0),  # one alone may be a history pushed at once
        ((500, 600, 0), 1, 100),
        ((600, 500, 9999), 1, 100),
        ((600, 500, 700), 6, 100),  # nothing came since, but the window is over
        ((600, 0, 700), 6, 0),
        ((600, 500, 700), 10, 0),  # and now it is silent
        ((600, 500, 700), -1, 0),  # the clock stepped back
    ],
)
def test_a_sustained_rate_is_what_two_whole_windows_have_in_common(windows, minutes_on, per_minute):
    flow = Flow(START, *windows)
    assert flow.sustained_per_minute(int(START + minutes_on * 60_000)) == per_minute


def test_a_flow_is_read_as_the_script_writes_it():
    assert Flow.parse(f"{START} 1 2 3") == Flow(START, 1, 2, 3)
    assert WINDOW_MS == 300_000


def test_an_overrun_says_when_the_quota_is_used_up():
    overrun = Overrun(arriving=70, allowed=60, waiting=20_000)
    assert overrun.hours_until(200_000) == 300
    assert overrun.hours_until(10_000) == 0
    assert Overrun.parse(overrun.render()) == overrun
