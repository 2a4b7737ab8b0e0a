from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from processor_entries import RECEIVED, T_RX

from processor.steps import times

UNCHECKED, RECEIVE = ("clock_unchecked",), ("clock_receive",)


@pytest.mark.parametrize(
    ("data", "instant", "flags"),
    [
        pytest.param({"UTC": 1618245658, "UTCMS": 883}, "2021-04-12T16:40:58.883Z", UNCHECKED, id="utc-as-given"),
        pytest.param({"UTC": 1548929098.0, "UTCMS": 633}, "2019-01-31T10:04:58.633Z", UNCHECKED, id="float"),
        pytest.param({"UTC": 1548929098.25}, "2019-01-31T10:04:58.250Z", UNCHECKED, id="fraction"),
        pytest.param({"UTC": 1618245658, "UTCMS": 1000}, "2021-04-12T16:40:58.000Z", UNCHECKED, id="no-such-ms"),
        pytest.param({"RealUTC": 1706600095, "UTC": 1706625295, "UTCMS": 5}, "2024-01-30T07:34:55.005Z", (), id="real"),
        pytest.param(
            {"TrafficCar": {"RealUTC": 1706600095}, "UTC": 1}, "2024-01-30T07:34:55.000Z", (), id="real-in-car"
        ),
        pytest.param({"TrafficCar": {"UTC": 1706625295}}, "2024-01-30T14:34:55.000Z", UNCHECKED, id="utc-in-car"),
        pytest.param({"RealUTC": 0, "UTC": 1706625295}, "2024-01-30T14:34:55.000Z", UNCHECKED, id="real-not-set"),
        pytest.param({}, RECEIVED, RECEIVE, id="none"),
        pytest.param({"UTC": 0}, RECEIVED, RECEIVE, id="1970"),
        pytest.param({"UTC": 946684799}, RECEIVED, RECEIVE, id="before-2000"),
        pytest.param({"UTC": 4102444800}, RECEIVED, RECEIVE, id="2100"),
        pytest.param({"UTC": 1e300}, RECEIVED, RECEIVE, id="huge"),
        pytest.param({"UTC": True}, RECEIVED, RECEIVE, id="bool"),
        pytest.param({"UTC": "1618245658"}, RECEIVED, RECEIVE, id="text"),
    ],
)
def test_the_instant_of_an_event(data: dict[str, Any], instant: str, flags: tuple[str, ...]) -> None:
    assert times.of_event(data, T_RX) == times.When(instant, flags)


@given(st.datetimes(min_value=times.datetime(2000, 1, 1), max_value=times.datetime(2099, 12, 31)))
def test_a_stamp_is_read_back_to_the_millisecond(moment: times.datetime) -> None:
    aware = moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=times.UTC)
    assert times.parse_iso(times.stamp_of(aware)) == aware
