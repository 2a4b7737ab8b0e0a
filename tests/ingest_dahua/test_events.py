"""What is understood of an event's text, and that nothing is dropped for not being understood."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dahua_bytes import CROSSING, START_AT, body
from hypothesis import assume, given
from hypothesis import strategies as st

from ingest_dahua import events, grammar
from ingest_dahua.events import Heartbeat, RecorderEvent

GBK = body(data={"Name": "@", "UTC": 1790000001}).replace(b"@", "车牌".encode("gb18030"))


def event(text: bytes) -> RecorderEvent:
    (got,) = events.read(text)
    assert isinstance(got, RecorderEvent)
    return got


@pytest.mark.parametrize(
    ("text", "code", "action", "index", "t_dev"),
    [
        pytest.param(body(index=3), "CrossLineDetection", "Start", 3, START_AT, id="plain"),
        pytest.param(body("NeverHeardOf"), "NeverHeardOf", "Start", 0, START_AT, id="unknown code"),
        pytest.param(b"Code=DoorBell;action=Start", "DoorBell", "Start", None, "", id="no index, no data"),
        pytest.param(b"Code=A;action=Pulse;index=2;data=null\n", "A", "Pulse", 2, "", id="data null"),
        pytest.param(b"Code=A;action=Pulse;index=2;data={oops", "A", "Pulse", 2, "", id="broken JSON"),
        pytest.param(b"code=A;Action=Stop;INDEX=02", "A", "Stop", 2, "", id="other cases of the keys"),
        pytest.param(b"Code=A;action=Stop;index=1;more=x;data={}", "A", "Stop", 1, "", id="more keys"),
        pytest.param(b"Code=A;action=Stop;index=123456", "A", "Stop", None, "", id="no such channel"),
        pytest.param(
            b'Code=A;action=Stop;index=1;data={"N":";data=1","UTC":5}', "A", "Stop", 1, "5", id="first ;data="
        ),
        pytest.param(GBK, "CrossLineDetection", "Start", 0, "1790000001", id="GBK"),
        pytest.param(body(data={"UTC": 7}) + b"\0", "CrossLineDetection", "Start", 0, "7", id="NUL tail"),
        pytest.param(b"\xff\xfe", "", "", None, "", id="not understood at all"),
    ],
)
def test_head(text: bytes, code: str, action: str, index: int | None, t_dev: str) -> None:
    got = event(text)
    assert (got.code, got.action, got.index, got.t_dev, got.body) == (code, action, index, t_dev, text)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"UTC": 1790000001, "UTCMS": 42}, "1790000001.042"),
        ({"UTC": 1790018001, "RealUTC": 1790000001, "UTCMS": 7}, "1790000001.007"),
        ({"UTC": 1548929098.0}, "1548929098"),
        ({"UTC": 1548929098, "UTCMS": 1000}, "1548929098"),
        ({"UTC": True, "UTCMS": 1}, ""),
        ({"UTC": 1e300}, ""),
        ({"UTC": "1790000001"}, ""),
        ({"LocaleTime": "2026-01-01 00:00:00"}, ""),
        ([1], ""),
    ],
)
def test_device_time(data: object, said: str) -> None:
    assert grammar.device_time(json.loads(json.dumps(data))) == said


def test_heartbeat() -> None:
    assert [events.read(text) for text in (b"Heartbeat", b"Heartbeat\r\n\0")] == [[Heartbeat()], [Heartbeat()]]


def test_two_events_in_one_part() -> None:
    both = events.read(body() + body(action="Stop", index=1))
    assert [(each.action, each.index) for each in both if isinstance(each, RecorderEvent)] == [
        ("Start", 0),
        ("Stop", 1),
    ]


def test_raw_entry() -> None:
    text = body(index=5)
    entry = events.raw_entry(event(text), recorder="10.0.0.7", t_rx=1_790_000_002_000_000, seq=9)
    assert (entry.src, entry.dev, entry.seq, entry.t_dev, entry.t_rx) == (
        "10.0.0.7",
        "10.0.0.7/5",
        9,
        START_AT,
        1_790_000_002_000_000,
    )
    assert (entry.body, len(entry.id), entry.enc) == (text, 26, "")
    assert events.raw_entry(event(b"Code=A"), recorder="r", t_rx=1, seq=1).dev == "r/-"


@given(st.binary(max_size=300))
def test_no_bytes_raise_and_none_are_lost(text: bytes) -> None:
    assume(text.strip(b"\0 \t\r\n") and b"heartbeat" not in text.lower())
    for whole in (text, b"Code=A;" + text, b"Code=A;index=1;data={" + text):
        kept = [each.body for each in events.read(whole) if isinstance(each, RecorderEvent)]
        assert b"".join(kept).replace(b"\r", b"") == whole.replace(b"\nCode=", b"Code=").replace(b"\r", b"")


@given(st.binary(max_size=60), st.integers(0, 400), st.sampled_from([b"", b'"', b"{", b"}", b"\\"]))
def test_closing_is_found_at_the_same_place_piece_by_piece(noise: bytes, at: int, extra: bytes) -> None:
    text = body(data={"Name": noise.decode("latin-1"), **CROSSING})
    text = text[:at] + extra + text[at:]
    at_once = grammar.Braces().scan(text, 0, len(text))
    braces = grammar.Braces()
    by_bytes = next((n for end in range(len(text) + 1) if (n := braces.scan(text, 0, end)) >= 0), -1)
    assert by_bytes == at_once


def test_captured_bodies(captures: Path) -> None:
    for path in sorted((captures / "dahua").glob("body-*.txt")):
        got = event(path.read_bytes())
        assert got.code
        assert got.index is not None
        assert bool(got.t_dev) == (b'"UTC"' in got.body)
