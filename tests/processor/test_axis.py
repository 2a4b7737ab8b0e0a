from __future__ import annotations

from typing import Any

import pytest
from processor_entries import COUNTER, PLATE, accepted, an_item, decide_axis, measurement, push, sent, words

from gantry.event import Accept
from gantry.maps import Maps


def test_a_measurement_becomes_a_measure_of_the_crowd() -> None:
    decision = decide_axis(push())
    assert sent(decision) == {
        "TimeInstant": "2026-05-28T20:25:00.000Z",
        "event": "people-counts",
        "dateObservedFrom": "2026-05-28T20:25:00.000Z",
        "dateObservedTo": "2026-05-28T20:26:00.000Z",
        "application": "AXIS 3D People Counter",
        "noValue": False,
        "peopleCountIn": 3,
        "adultsIn": 2,
        "peopleCountOut": 4,
        "adultsOut": 4,
    }
    assert (accepted(decision).target, accepted(decision).lane, accepted(decision).flags) == ("crowd", COUNTER, ())


@pytest.mark.parametrize(
    ("items", "counts", "flags"),
    [
        pytest.param(None, {"noValue": True}, (), id="null-is-not-zero"),
        pytest.param([], {"noValue": True}, ("items_empty",), id="empty"),
        pytest.param(
            [an_item("in", 0), an_item("out", 0)],
            {"noValue": False, "peopleCountIn": 0, "peopleCountOut": 0},
            (),
            id="zero",
        ),
        pytest.param(
            [an_item("out", 1), an_item("in", 2)],
            {"noValue": False, "peopleCountIn": 2, "peopleCountOut": 1},
            (),
            id="by-direction-not-position",
        ),
        pytest.param([an_item("in", 2)], {"noValue": False, "peopleCountIn": 2}, ("direction_missing",), id="one-way"),
        pytest.param(
            [an_item("in", 3.0), an_item("out", 0)],
            {"noValue": False, "peopleCountIn": 3, "peopleCountOut": 0},
            ("count_float",),
            id="3.0-is-3",
        ),
        pytest.param(
            [an_item("in", 1), an_item("out", 1), an_item("stairs", 5)],
            {"noValue": False, "peopleCountIn": 1, "peopleCountOut": 1, "peopleCountStairs": 5},
            ("direction_unknown",),
            id="unknown-direction-under-its-own-name",
        ),
        pytest.param(
            [an_item("in", 1, adults=2), an_item("out", 1, adults="x")],
            {"noValue": False, "peopleCountIn": 1, "adultsIn": 2, "peopleCountOut": 1},
            ("adults_exceed_count", "adults_unusable"),
            id="adults",
        ),
        pytest.param(
            [an_item("in", 20000), an_item("out", 0)],
            {"noValue": False, "peopleCountIn": 20000, "peopleCountOut": 0},
            ("count_implausible",),
            id="many",
        ),
    ],
)
def test_items(items: Any, counts: dict[str, Any], flags: tuple[str, ...]) -> None:
    decision = decide_axis(push(measurement(items=items)))
    told = sent(decision)
    common = ("TimeInstant", "event", "dateObservedFrom", "dateObservedTo", "application")
    assert {name: value for name, value in told.items() if name not in common} == counts
    assert accepted(decision).flags == flags


MINUTE = {"utcFrom": "2026-05-28T20:25:00Z", "utcTo": "2026-05-28T20:26:00Z"}


@pytest.mark.parametrize(
    ("unit", "reason"),
    [
        pytest.param("text", "measurement_not_an_object", id="not-an-object"),
        pytest.param(measurement(kind="occupancy"), "unknown_kind:occupancy", id="kind"),
        pytest.param(measurement(kind=None), "unknown_kind:", id="no-kind"),
        pytest.param(measurement(items={}), "items_not_a_list", id="items-object"),
        pytest.param({"kind": "people-counts", **MINUTE}, "items_not_a_list", id="items-missing"),
        pytest.param(measurement(items=[7]), "item_not_an_object", id="item"),
        pytest.param(measurement(items=[{"count": 1}]), "direction_unusable", id="no-direction"),
        pytest.param(measurement(items=[an_item("in", 1), an_item("in", 1)]), "direction_twice", id="twice"),
        pytest.param(measurement(items=[an_item("in", 1), an_item("In", 1)]), "direction_twice", id="twice-by-case"),
        *(
            pytest.param(measurement(items=[an_item("in", count)]), "count_unusable", id=f"count-{count!r}")
            for count in ("3", True, None, -1, 2.5, 1e300, 2**60, [], {})
        ),
        pytest.param(measurement(items=[{"direction": "in"}]), "count_unusable", id="count-missing"),
        *(
            pytest.param(measurement(utcFrom=time), "time_unusable", id=f"from-{time!r}")
            for time in (
                None,
                5,
                "",
                "2026-05-28T20:25:00",
                "2026-02-30T20:25:00Z",
                "2026-05-28 20:25:00Z",
                "20260528T202500Z",
            )
        ),
        pytest.param(measurement(utcTo="2026-05-28T20:25:00Z"), "interval_unusable", id="empty-interval"),
        pytest.param(measurement(utcTo="2026-05-28T20:24:00Z"), "interval_unusable", id="backwards"),
        pytest.param(measurement(utcTo="2026-05-29T20:25:01Z"), "interval_unusable", id="longer-than-a-day"),
        *(
            pytest.param(
                measurement(utcFrom=f"{year}-01-01T00:00:00Z", utcTo=f"{year}-01-01T00:01:00Z"),
                "interval_unusable",
                id=f"year-{year}",
            )
            for year in ("1970", "2000", "2099", "0001", "9999")
        ),
    ],
)
def test_what_could_be_misread_is_quarantined(unit: Any, reason: str) -> None:
    assert words(decide_axis(push(unit))) == ("quarantine", reason)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(push([1], name="data"), ("quarantine", "no_list_of_measurements"), id="data"),
        pytest.param(push(sensor=None), ("quarantine", "no_sensor"), id="no-sensor"),
        pytest.param(push(sensor={}), ("quarantine", "no_serial"), id="no-serial"),
        pytest.param(push(sensor={"serial": 7}), ("quarantine", "no_serial"), id="serial-number"),
        pytest.param(push(sensor={"serial": "../../x"}), ("quarantine", "serial_unusable"), id="serial-path"),
        pytest.param(push(sensor={"serial": "a" * 10_000}), ("quarantine", "serial_unusable"), id="serial-long"),
        pytest.param(b"[]", ("quarantine", "not_an_object"), id="list"),
        pytest.param(b"{", ("in", "not_json"), id="not-json"),
    ],
)
def test_a_unit_that_is_no_measurement_is_kept(body: bytes, expected: tuple[str, str]) -> None:
    assert words(decide_axis(body)) == expected


@pytest.mark.parametrize(
    ("changed", "flag"),
    [
        pytest.param({"utcTo": "2026-05-28T20:32:00Z"}, "interval_odd", id="seven-minutes"),
        pytest.param({"utcFrom": "2026-05-28T21:25:00Z", "utcTo": "2026-05-28T21:26:00Z"}, "clock_ahead", id="ahead"),
        pytest.param({"utcFrom": "2026-01-01T00:00:00Z", "utcTo": "2026-01-01T00:01:00Z"}, "old", id="old"),
    ],
)
def test_odd_times_are_flagged_and_sent(changed: dict[str, Any], flag: str) -> None:
    assert flag in accepted(decide_axis(push(measurement(**changed)))).flags


def test_offsets_and_fractions_are_converted() -> None:
    unit = measurement(utcFrom="2026-05-28T22:25:00.5+02:00", utcTo="2026-05-28T22:26:00.5+0200")
    told = sent(decide_axis(push(unit)))
    assert (told["TimeInstant"], told["dateObservedTo"]) == ("2026-05-28T20:25:00.500Z", "2026-05-28T20:26:00.500Z")


def test_an_unknown_version_of_our_shape_is_read_and_flagged() -> None:
    assert accepted(decide_axis(push(version="0.5"))).flags == ("api_version",)


@pytest.mark.parametrize(
    ("serial", "lane", "flags"),
    [
        ("9C:0A:A5:00:00:01", COUNTER, ()),
        ("9C0AA5000001", COUNTER, ()),
        (" 9c0aa5000001 ", COUNTER, ()),
        ("door-7", "door-7", ("serial_odd",)),
    ],
)
def test_a_serial_in_any_spelling_is_one_device(serial: str, lane: str, flags: tuple[str, ...]) -> None:
    measure = accepted(decide_axis(push(sensor={"serial": serial})))
    assert (measure.lane, measure.flags) == (lane, flags)


def test_maps_apply_to_counters_in_any_spelling() -> None:
    maps = Maps(allowed=frozenset({COUNTER}), names={COUNTER: "Main door"})
    assert sent(decide_axis(push(sensor={"serial": "9C:0A:A5:00:00:01"}), maps))["name"] == "Main door"
    assert words(decide_axis(push(), Maps(allowed=frozenset({"9c0aa5000002"})))) == ("filter", "allowlist")


def test_the_sensors_own_name_stays_here() -> None:
    assert b"Ana" not in accepted(decide_axis(push())).body
    letter = decide_axis(push(measurement(kind="occupancy", plateText=PLATE)))
    assert b"Ana" not in letter.body and PLATE.encode() not in letter.body  # type: ignore[union-attr]
    assert COUNTER.encode() in letter.body  # type: ignore[union-attr]


def test_a_resend_has_the_same_fingerprint_and_a_revision_another() -> None:
    def fingerprint(body: bytes) -> str:
        decision = decide_axis(body)
        assert isinstance(decision, Accept)
        return decision.fingerprint

    first = fingerprint(push())
    other_order = measurement(items=[an_item("out", 4, adults=4), an_item("in", 3.0, adults=2)])
    assert fingerprint(push(other_order)) == first
    other_spelling = measurement(utcFrom="2026-05-28T22:25:00+02:00")
    assert (
        fingerprint(push(other_spelling, sensor={"serial": "9C0AA5000001", "application": "AXIS 3D People Counter"}))
        == first
    )
    assert fingerprint(push(measurement(items=[an_item("in", 3)]))) != first
    assert fingerprint(push(sensor={"serial": COUNTER, "application": "another"})) != first
    assert fingerprint(push(measurement(items=None))) != fingerprint(push(measurement(items=[an_item("in", 0)])))
