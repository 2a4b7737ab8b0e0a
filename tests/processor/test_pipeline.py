from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from processor_entries import (
    NO_MAPS,
    a_raw,
    accepted,
    crossing,
    decide,
    junction,
    measurement,
    push,
    sent,
    text_of,
    words,
)

from gantry.event import Accept, Bury, Decision, Filter, RawEntry
from gantry.maps import Maps
from processor import pipeline
from processor.steps import orion

INSTANT = re.compile(r"2\d{3}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d\.\d{3}Z")
REASON = re.compile(r"[a-z_]+(:[A-Za-z0-9_.-]*)?")
FORBIDDEN = re.compile(r"""[<>"'=;()\x00-\x1f]""")


def check(decision: Decision) -> None:
    """What every decision must hold to."""
    match decision:
        case Accept(fingerprint, measures):
            assert re.fullmatch("[0-9a-f]{32}", fingerprint)
            assert len(measures) == 1
            told = orjson.loads(measures[0].body)
            assert INSTANT.fullmatch(told["TimeInstant"]) and len(told) > 1
            for name, value in told.items():
                assert re.fullmatch(r"[A-Za-z]{1,80}", name)
                assert isinstance(value, str | int | float)
                assert not isinstance(value, str) or (value and len(value) <= 256 and not FORBIDDEN.search(value))
            assert re.fullmatch(r"[!-~]{1,200}", measures[0].lane)
            assert not re.search(r"""[&?/#<>"'=;()]""", measures[0].lane)
            assert all(re.fullmatch("[a-z_]+", flag) for flag in measures[0].flags)
        case Filter(reason):
            assert REASON.fullmatch(reason)
        case Bury(_, reason, body):
            assert REASON.fullmatch(reason) and len(reason) < 100
            assert 0 < len(body) <= 17_000


VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)
CODES = st.sampled_from(["CrossLineDetection", "SmartMotionHuman", "TrafficJunction", "NumberStat"])
NAMES = [
    "Object",
    "ObjectType",
    "Direction",
    "RuleID",
    "UTC",
    "UTCMS",
    "RealUTC",
    "PTS",
    "EventID",
    "TrafficCar",
    "Lane",
]
NAMES += ["object", "MachineName", "Vehicle", "Category", "Speed", "DrivingDirection", "CommInfo", "NonMotor"]
DATA = st.dictionaries(
    st.sampled_from(NAMES), st.one_of(VALUES, st.dictionaries(st.sampled_from(NAMES), VALUES)), max_size=6
)


@given(st.binary(max_size=200), st.sampled_from(["ivss", "axis"]), st.integers(-(2**70), 2**70))
def test_any_bytes_give_a_decision(body: bytes, src: str, t_rx: int) -> None:
    for text in (body, b"Code=" + body, b"Code=CrossLineDetection;action=Start;data=" + body):
        check(pipeline.decide(a_raw(text, src=src, t_rx=t_rx), NO_MAPS))


@given(
    st.sampled_from([text_of("TrafficJunction", junction()), text_of("CrossLineDetection", crossing()), push()]),
    st.data(),
)
def test_any_damage_to_a_real_one_gives_a_decision(body: bytes, data: st.DataObject) -> None:
    at, length = data.draw(st.integers(0, len(body))), data.draw(st.integers(0, 8))
    damaged = body[:at] + data.draw(st.binary(max_size=4)) + body[at + length :]
    for src in ("ivss", "axis"):
        check(pipeline.decide(a_raw(damaged, src=src), NO_MAPS))


@given(CODES, DATA, st.text(max_size=20))
def test_any_values_under_the_names_that_matter_give_a_decision(code: str, data: dict[str, Any], dev: str) -> None:
    check(decide(text_of(code, data), dev=dev))


@given(st.dictionaries(st.sampled_from(["kind", "utcFrom", "utcTo", "items"]), VALUES), VALUES, VALUES)
def test_any_measurement_gives_a_decision(changed: dict[str, Any], sensor: Any, version: Any) -> None:
    check(decide(push(measurement(**changed)), src="axis"))
    check(decide(push(sensor=sensor, version=version), src="axis"))
    check(decide(push(sensor={"serial": sensor, "application": version}), src="axis"))


@given(st.text(max_size=250), st.text(max_size=250))
def test_device_ids_are_safe_and_never_merge_two_devices(one: str, other: str) -> None:
    check(decide(text_of("CrossLineDetection", crossing(MachineName=one))))
    assert (orion.device_id(one) == orion.device_id(other)) == (one == other)


@given(st.text(max_size=20))
def test_friendly_names_are_safe(name: str) -> None:
    check(decide(text_of("CrossLineDetection", crossing()), Maps(names={"ivss-3": name})))


def test_deep_nesting_is_no_way_to_stop_the_stream() -> None:
    deep = b'{"Object":' * 1000 + b"1" + b"}" * 1000
    check(decide(b"Code=CrossLineDetection;action=Start;data=" + deep))
    check(decide(b'{"sensor":{"serial":"x"},"measurement":' + deep + b"}", src="axis"))


EXPECTED = {
    "body-crosslinedetection-start-human.txt": ("accept", ""),
    "body-crosslinedetection-stop-human.txt": ("filter", "stop"),
    "body-crossregiondetection-start-2019.txt": ("quarantine", "unknown_code:CrossRegionDetection"),
    "body-humantrait-stop-nvr.txt": ("quarantine", "unknown_code:HumanTrait"),
    "body-ntpadjusttime-pulse.txt": ("filter", "noise"),
    "body-smartmotionhuman-start.txt": ("accept", ""),
    "body-smartmotionhuman-stop.txt": ("filter", "stop"),
    "body-smartmotionvehicle-start.txt": ("accept", ""),
    "body-videomotioninfo-state.txt": ("filter", "noise"),
}


def test_captured_bodies(captures: Path) -> None:
    found = {path.name: words(decide(path.read_bytes())) for path in sorted((captures / "dahua").glob("body-*.txt"))}
    assert found == EXPECTED


def test_a_captured_junction(captures: Path) -> None:
    text = (captures / "dahua" / "trafficjunction-rpc2-envelope.txt").read_text()
    mended = re.sub(r'\}\s*"session"', '}, "session"', text)  # the file lacks this comma
    [event] = orjson.loads(mended)["params"]["eventList"]
    decision = decide(text_of(event["Code"], event["Data"], action=event["Action"]))
    check(decision)
    told = sent(decision)
    assert told["TimeInstant"] == "2024-01-30T07:34:55.305Z"  # RealUTC, not the local time in UTC
    assert (told["direction"], told["laneId"], told["vehicleColor"]) == ("Leave", 2, "Blue")
    assert accepted(decision).target == "evd" and accepted(decision).flags == ()
    assert "plate" not in str(told).lower()


def test_a_captured_stream_gives_twelve_measures_and_eleven_stops(captures: Path) -> None:
    stream = (captures / "dahua" / "attach-ipc-wizmind-2026.raw").read_bytes()
    parts = [part.partition(b"\r\n\r\n")[2].strip() for part in stream.split(b"--myboundary\r\n")[1:]]
    decisions = [decide(part) for part in parts if part != b"Heartbeat"]
    kinds = [words(decision) for decision in decisions]
    assert (kinds.count(("accept", "")), kinds.count(("filter", "stop")), len(kinds)) == (12, 11, 23)
    fingerprints = {decision.fingerprint for decision in decisions if isinstance(decision, Accept)}
    assert len(fingerprints) == 12
    for decision in decisions:
        check(decision)
        assert b"salida" not in repr(decision).encode()  # a rule's name is free text


def test_captured_pushes(captures: Path) -> None:
    units = 0
    for path in sorted((captures / "axis").glob("*.json")):
        given = orjson.loads(path.read_bytes())
        data = given.get("data")
        for unit in data.get("measurements", []) if isinstance(data, dict) else []:
            decision = decide(push(unit, sensor=given["sensor"], version=given["apiVersion"]), src="axis")
            check(decision)
            assert (sent(decision)["noValue"], "peopleCountIn" in sent(decision)) in {(True, False), (False, True)}
            units += 1
    assert units


def test_an_entry_is_decided_the_same_way_twice() -> None:
    raw: RawEntry = a_raw(text_of("CrossLineDetection", crossing()))
    assert pipeline.decide(raw, NO_MAPS) == pipeline.decide(raw, NO_MAPS)
