from __future__ import annotations

from typing import Any

import pytest
from processor_entries import T_RX, a_raw, crossing, text_of

from processor.steps import fingerprint, parse


def of(body: bytes, **raw: Any) -> str:
    return fingerprint.dahua(parse.dahua(body), a_raw(body, **raw))


CROSSING = text_of("CrossLineDetection", crossing())


def test_receive_time_does_not_matter_where_the_device_tells_time() -> None:
    assert of(CROSSING) == of(CROSSING, t_rx=T_RX + 9_000_000)


def test_a_whole_number_is_one_number_however_it_is_written() -> None:
    assert of(text_of("CrossLineDetection", crossing(UTC=1779999999.0))) == of(CROSSING)


@pytest.mark.parametrize(
    "changed",
    [
        {"RuleID": 5},
        {"EventID": 10014},
        {"GroupID": 13},
        {"IndexInGroup": 2},
        {"Object": {"ObjectID": 74}},
        {"UTC": 1780000000},
        {"UTCMS": 421},
        {"PTS": 43524752001.0},
    ],
)
def test_every_one_of_the_devices_own_numbers_tells_events_apart(changed: dict[str, Any]) -> None:
    assert of(text_of("CrossLineDetection", crossing(**changed))) != of(CROSSING)


def test_recorder_channel_code_and_action_tell_events_apart() -> None:
    others = [
        of(CROSSING, src="other"),
        of(CROSSING, dev="ivss/4"),
        of(text_of("TrafficJunction", crossing())),
        of(text_of("CrossLineDetection", crossing(), action="Pulse")),
    ]
    assert len({of(CROSSING), *others}) == 5


SMD = text_of("SmartMotionHuman", {"object": [{"HumamID": 1}]})
RULE_ONLY = text_of("CrossLineDetection", {"RuleID": 4, "GroupID": 0, "UTC": 0})


@pytest.mark.parametrize("body", [SMD, RULE_ONLY])
def test_what_carries_no_time_is_told_apart_by_second_and_content(body: bytes) -> None:
    assert of(body) == of(body, t_rx=T_RX + 1)
    assert of(body) != of(body, t_rx=T_RX + 1_000_000)
    assert of(SMD) != of(text_of("SmartMotionHuman", {"object": [{"HumamID": 2}]}))
