from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.errors import Malformed
from gantry.event import RawEntry
from ingest_axis import retail
from ingest_axis.retail import Foreign, Push, TooLarge

SERIAL = "9c0aa5000001"
MINUTE = {"kind": "people-counts", "utcFrom": "2026-05-01T10:00:00Z", "utcTo": "2026-05-01T10:01:00Z", "items": None}


def read(document: object) -> Push:
    return retail.read(json.dumps(document).encode())


def entries(push: Push) -> list[RawEntry]:
    return [retail.entry(push, index, event_id=f"e{index}", t_rx=5) for index in range(push.units)]


def with_measurements(*measurements: object) -> dict[str, Any]:
    sensor = {"serial": SERIAL, "timeZone": "Europe/Madrid"}
    return {
        "apiName": "Axis Retail Data",
        "apiVersion": "0.4",
        "sensor": sensor,
        "data": {"measurements": measurements},
    }


def test_a_measurement_becomes_an_entry_with_what_the_device_said_around_it() -> None:
    document = {**with_measurements(MINUTE), "utcSent": "2026-05-01T10:01:24Z"}
    [entry] = entries(read(document))
    assert entry == RawEntry(
        id="e0", src="axis", dev=SERIAL, seq=1, t_dev="2026-05-01T10:00:00Z", t_rx=5, body=entry.body
    )
    assert json.loads(entry.body) == {
        "apiVersion": "0.4",
        "utcSent": "2026-05-01T10:01:24Z",
        "sensor": {"serial": SERIAL, "timeZone": "Europe/Madrid"},
        "measurement": MINUTE,
    }
    assert b" " not in entry.body


@pytest.mark.parametrize("size", [1, 3, 250])
def test_numbers_count_from_one_within_the_push(push: Callable[..., dict[str, Any]], size: int) -> None:
    assert [entry.seq for entry in entries(read(push(size)))] == list(range(1, size + 1))


@pytest.mark.parametrize(
    "literal",
    ["3.0", "1e300", "123456789012345678901234567890", '"\\u00e9"', '{"a":1,"a":2}', "true", "null", '"x"', "[1,2]"],
)
def test_nothing_is_lost_by_strictness(literal: str) -> None:
    body = '{"data": {"measurements": [%s]}, "sensor": {"serial": "x"}}' % literal  # noqa: UP031 - braces all around
    [entry] = entries(retail.read(body.encode()))
    assert entry.body.endswith(f'"measurement":{literal}}}'.encode())


@pytest.mark.parametrize("name", ["timeZone", "timezone"])
def test_both_spellings_of_the_zone_survive(name: str) -> None:
    push = read({**with_measurements(MINUTE), "sensor": {"serial": SERIAL, name: "Europe/Madrid"}})
    assert json.loads(push.sensor)[name] == "Europe/Madrid"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        pytest.param(b"", Malformed, id="empty"),
        pytest.param(b"   ", Malformed, id="blank"),
        pytest.param(b'{"data":', Malformed, id="cut short"),
        pytest.param(b'{"data":{"measurements":[1]}}{}', Malformed, id="two documents"),
        pytest.param(b'{"data":{"measurements":[NaN]}}', Malformed, id="NaN"),
        pytest.param(b'{"data":{"measurements":[{"count":Infinity}]}}', Malformed, id="Infinity"),
        pytest.param(b'{"data":{"measurements":[1,]}}', Malformed, id="trailing comma"),
        pytest.param(b'{/*c*/"data":null}', Malformed, id="comment"),
        pytest.param(b'{"data":{"measurements":["\xff"]}}', Malformed, id="invalid UTF-8"),
        pytest.param(b'{"sensor":{"name":"\xc3"}}', Malformed, id="cut UTF-8 in the sensor"),
        pytest.param('{"data":null}'.encode("utf-16"), Malformed, id="UTF-16"),
        pytest.param(b'{"data":null}\x00', Malformed, id="NUL at the end"),
        pytest.param(b'{"a":"\x00"}', Malformed, id="NUL in a text"),
        pytest.param(b'{"data":[1,2', Malformed, id="cut short in odd data"),
        pytest.param(b'{"data":{"measurements":[' + b"[" * 40 + b"]" * 40 + b"]}}", Malformed, id="40 deep"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, Foreign, id="a list 100,000 deep"),
        pytest.param(b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", Malformed, id="100,000 deep"),
        pytest.param(b'{"data":{"measurements":[' + b"0," * 4_000_001 + b"0]}}", Malformed, id="too many parts"),
        pytest.param(b"[]", Foreign, id="a list"),
        pytest.param(b'"x"', Foreign, id="a text"),
        pytest.param(b"3", Foreign, id="a number"),
        pytest.param(b'{"plateText":"0000BBB"}', Foreign, id="a plate"),
        pytest.param(b'{"topic":"x","message":{"data":{}}}', Foreign, id="an event"),
        pytest.param(b'{"data":{"measurements":["' + b"x" * 1_100_000 + b'"]}}', TooLarge, id="a huge measurement"),
        pytest.param(b'{"data":"' + b"x" * 1_100_000 + b'"}', TooLarge, id="huge odd data"),
        pytest.param(b'{"sensor":{"name":"' + b"x" * 20_000 + b'"}}', TooLarge, id="a huge sensor"),
    ],
)
def test_what_cannot_be_understood_is_refused(body: bytes, problem: type[Malformed]) -> None:
    with pytest.raises(Malformed) as refused:
        retail.read(body)
    assert type(refused.value) is problem


def test_brackets_in_a_text_are_no_depth() -> None:
    assert read(with_measurements({"note": '[{"' * 30})).units == 1


@pytest.mark.parametrize("data", [{}, None, {"measurements": []}])
def test_a_push_without_data_is_a_test_connection(data: object) -> None:
    assert read({"sensor": {"serial": SERIAL}, "data": data}).units == 0
    assert read({"sensor": {"serial": SERIAL}}).units == 0


@pytest.mark.parametrize("data", [[], [1], "x", 7, {"measurements": None}, {"measurements": {}}, {"other": 1}])
def test_data_without_a_list_of_measurements_is_kept_whole(data: object) -> None:
    [entry] = entries(read({"sensor": {"serial": SERIAL}, "data": data}))
    assert json.loads(entry.body)["data"] == data
    assert "measurement" not in json.loads(entry.body)
    assert (entry.dev, entry.t_dev) == (SERIAL, "")


def test_a_byte_order_mark_is_no_fault(push: Callable[..., dict[str, Any]]) -> None:
    assert retail.read(b"\xef\xbb\xbf" + json.dumps(push(2)).encode()).units == 2


def test_text_beyond_ascii_is_kept_byte_by_byte(push: Callable[..., dict[str, Any]]) -> None:
    name = "café ☂ " * 300
    body = json.dumps(push(1, sensor={"serial": SERIAL, "name": name}), ensure_ascii=False).encode()
    assert json.loads(retail.read(bytearray(body)).sensor)["name"] == name


@pytest.mark.parametrize(
    ("serial", "dev", "sound"),
    [
        ("9c0aa5000001", "9c0aa5000001", True),
        ("9C:0A:A5:00:00:01", "9c0aa5000001", True),
        ("9C-0A-A5-00-00-01", "9c0aa5000001", True),
        ("P8815 number 1", "P8815 number 1", False),
        ("main/0", "main_0", False),
        ("../../etc\n\x00'", ".._.._etc___", False),
        ("x" * 10_000, "x" * 64, False),
        ("", "unknown", False),
        ("  ", "unknown", False),
        (None, "unknown", False),
        (17, "unknown", False),
    ],
)
def test_the_serial_becomes_one_safe_spelling(serial: object, dev: str, sound: bool) -> None:
    push = read({**with_measurements(MINUTE), "sensor": {"serial": serial}})
    assert push.dev == dev
    assert ("serial" in push.flags) is not sound


@pytest.mark.parametrize("sensor", [None, 3, [], "x"])
def test_a_sensor_that_is_no_object_is_kept(sensor: object) -> None:
    [entry] = entries(read({**with_measurements(MINUTE), "sensor": sensor}))
    assert entry.dev == "unknown"
    assert json.loads(entry.body)["sensor"] == sensor


def test_an_odd_frame_is_flagged_and_taken() -> None:
    push = read({**with_measurements(MINUTE), "apiName": "Other", "apiVersion": 0.5})
    assert push.flags == ("api_name", "api_version")
    assert (push.units, push.api_version) == (1, b"0.5")


@pytest.mark.parametrize(
    ("utc_from", "t_dev"),
    [
        ("2026-05-01T10:00:00Z", "2026-05-01T10:00:00Z"),
        (None, ""),
        (5, ""),
        ("x" * 41, ""),
        ("a\nb", ""),
        ("", ""),
    ],
)
def test_the_devices_time_is_taken_as_text_if_it_is_one(utc_from: object, t_dev: str) -> None:
    [entry] = entries(read(with_measurements({"utcFrom": utc_from})))
    assert entry.t_dev == t_dev


TIMES = st.datetimes(timezones=st.timezones()).map(lambda when: when.isoformat())


@given(st.lists(TIMES, max_size=8))
def test_measurements_come_out_oldest_first(times: list[str]) -> None:
    from datetime import datetime  # noqa: PLC0415 - only here

    push = read(with_measurements(*({"utcFrom": time} for time in times)))
    moments = [datetime.fromisoformat(entry.t_dev) for entry in entries(push)]
    assert moments == sorted(moments)
    assert sorted(entry.t_dev for entry in entries(push)) == sorted(times)


@given(st.lists(TIMES, min_size=1, max_size=5), st.sampled_from(["", "soon", "2026-05-01T10:00:00", None]))
def test_one_unreadable_time_leaves_the_order_as_sent(times: list[str], odd: str | None) -> None:
    sent = [*times, odd]
    push = read(with_measurements(*({"utcFrom": time} for time in sent)))
    said = [json.loads(entry.body)["measurement"]["utcFrom"] for entry in entries(push)]
    assert said == sent


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    try:
        push = retail.read(body)
    except Malformed:
        return
    for entry in entries(push):
        json.loads(entry.body)


@given(st.lists(JSON, min_size=1, max_size=5), JSON)
def test_every_measurement_is_kept_as_it_was_said(measurements: list[Any], sensor: Any) -> None:
    push = read({"data": {"measurements": measurements}, "sensor": sensor})
    kept = [json.loads(entry.body) for entry in entries(push)]
    assert [each["measurement"] for each in kept] == measurements
    assert all(each["sensor"] == sensor for each in kept)


@pytest.mark.parametrize(
    ("name", "units"),
    [
        ("2d-no-adults.json", 1),
        ("backlog-3-minutes.json", 3),
        ("dst-autumn-same-local-minute.json", 2),
        ("items-null.json", 1),
        ("out-listed-first.json", 1),
        ("push-developer-docs.json", 1),
        ("push-guide-balanced.json", 1),
        ("test-connection.json", 0),
    ],
)
def test_published_samples_are_read(captures: Path, name: str, units: int) -> None:
    push = retail.read((captures / "axis" / name).read_bytes())
    assert (push.units, push.flags) == (units, ())
    times = [entry.t_dev for entry in entries(push)]
    assert times == sorted(set(times))


def test_the_sample_as_printed_is_two_documents(captures: Path) -> None:
    with pytest.raises(Malformed, match="trailing characters"):
        retail.read((captures / "axis" / "push-guide-as-printed-not-json.txt").read_bytes())
