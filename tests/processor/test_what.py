"""What an event is called in the books, whatever becomes of it."""

from __future__ import annotations

import re

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from processor_entries import COUNTER, PLATE, a_raw, crossing, junction, measurement, push, text_of

from processor import pipeline
from processor.steps import parse, redact


def what(body: bytes, *, src: str = "ivss", enc: str = "") -> str:
    return pipeline.what(a_raw(body, src=src, dev=COUNTER if src == "axis" else "ivss/3", enc=enc))


@pytest.mark.parametrize(
    ("body", "called"),
    [
        pytest.param(text_of("CrossLineDetection", crossing()), "CrossLineDetection", id="accepted"),
        pytest.param(text_of("CrossLineDetection", crossing(), action="Stop"), "CrossLineDetection", id="filtered"),
        pytest.param(text_of("NTPAdjustTime", action="Pulse"), "NTPAdjustTime", id="noise"),
        pytest.param(text_of("NumberStat", {}), "NumberStat", id="not supported"),
        pytest.param(b"Code=TrafficJunction;action=Pulse;index=1;data={broken", "TrafficJunction", id="broken"),
        pytest.param(text_of("TrafficJunction", {"Name": "x" * 5000}), "TrafficJunction", id="longer than its head"),
        pytest.param(f"Code={PLATE} Ana;action=Start".encode(), "", id="free text instead of a code"),
        pytest.param(b"Code=" + b"A" * 65, "", id="too long"),
        pytest.param(b"anything", "", id="no event"),
        pytest.param("Code=SmartMotionHuman;action=Start;data=ñ".encode("gb18030"), "SmartMotionHuman", id="gb18030"),
    ],
)
def test_a_recorders_event_is_called_by_its_code(body: bytes, called: str) -> None:
    assert what(body) == called


@pytest.mark.parametrize(
    ("body", "called"),
    [
        pytest.param(push(), "people-counts", id="accepted"),
        pytest.param(push(measurement(kind="dwell time")), "dwell_time", id="not supported"),
        pytest.param(push(measurement(kind="k" * 70)), "k" * 64, id="too long"),
        pytest.param(push(measurement(kind=7)), "", id="no text"),
        pytest.param(push({}), "", id="none"),
        pytest.param(push([1], name="data"), "", id="no list of measurements"),
        pytest.param(b"[]", "", id="no object"),
        pytest.param(b"{", "", id="not JSON"),
        pytest.param(push(measurement(padding="x" * parse.MAX_MEASUREMENT)), "", id="too large to be looked into"),
    ],
)
def test_a_counters_measurement_is_called_by_its_kind(body: bytes, called: str) -> None:
    assert what(body, src="axis") == called


def test_what_is_sealed_has_no_name() -> None:
    assert what(text_of("CrossLineDetection"), enc="k1") == ""


@given(st.binary(max_size=200), st.sampled_from(["ivss", "axis"]))
def test_any_bytes_give_a_short_safe_word(body: bytes, src: str) -> None:
    kind = orjson.dumps({"measurement": {"kind": body.decode("utf-8", "replace")}})
    for text in (body, b"Code=" + body, kind):
        assert re.fullmatch(r"[A-Za-z0-9_.-]{0,64}", what(text, src=src))


def test_a_letter_that_is_retried_keeps_its_name() -> None:
    assert what(redact.dahua(text_of("TrafficJunction", junction()))) == "TrafficJunction"
    assert what(redact.axis(push()), src="axis") == "people-counts"
