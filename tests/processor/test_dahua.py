from __future__ import annotations

import pytest
from processor_entries import (
    CAMERA,
    PLATE,
    RECEIVED,
    accepted,
    crossing,
    decide,
    junction,
    sent,
    text_of,
    words,
)

from gantry.maps import Maps


def test_a_crossing_becomes_a_measure_of_the_crowd() -> None:
    decision = decide(text_of("CrossLineDetection", crossing()))
    assert sent(decision) == {
        "TimeInstant": "2026-05-28T20:26:39.420Z",
        "event": "CrossLineDetection",
        "count": 1,
        "objectType": "Human",
        "direction": "LeftToRight",
        "ruleId": 4,
    }
    measure = accepted(decision)
    assert (measure.target, measure.lane, measure.flags) == ("crowd", "ivss-3", ("clock_unchecked",))


def test_a_junction_becomes_a_measure_of_the_vehicles_without_plate_driver_or_free_text() -> None:
    decision = decide(text_of("TrafficJunction", junction(), action="Pulse"))
    assert sent(decision) == {
        "TimeInstant": "2026-05-28T20:26:30.305Z",
        "event": "TrafficJunction",
        "count": 1,
        "vehicleType": "SaloonCar",
        "vehicleColor": "Blue",
        "vehicleSize": "Light-duty",
        "averageVehicleSpeed": 43.5,
        "laneId": 2,
        "direction": "Approach",
    }
    measure = accepted(decision)
    assert measure.target == "evd" and measure.flags == ()
    assert measure.lane.startswith("gate-cam_1-")  # the blank is not safe, the digest keeps it apart from "gate-cam_1"


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        ("Human", "crowd"),
        ("Vehicle", "evd"),
        ("NonMotor", "evd"),
        ("Smoke", "crowd"),
        (None, "crowd"),
        (["Vehicle"], "crowd"),
    ],
)
def test_what_crosses_decides_whose_measure_it_is(kind: object, target: str) -> None:
    decision = decide(text_of("CrossLineDetection", crossing(Object={"ObjectType": kind})))
    assert accepted(decision).target == target


@pytest.mark.parametrize(
    ("code", "data", "target", "count"),
    [
        pytest.param("SmartMotionHuman", {"object": [{"HumamID": 1}, {"HumamID": 2}]}, "crowd", 2, id="two"),
        pytest.param("SmartMotionVehicle", {"object": [{"VehicleID": 1}]}, "evd", 1, id="one"),
        pytest.param("SmartMotionHuman", {"object": []}, "crowd", 1, id="none-listed"),
        pytest.param("SmartMotionHuman", ..., "crowd", 1, id="older-firmware-without-data"),
        pytest.param("SmartMotionHuman", None, "crowd", 1, id="data=null"),
    ],
)
def test_smart_motion_counts_its_objects(code: str, data: object, target: str, count: int) -> None:
    decision = decide(text_of(code, data))
    assert sent(decision) == {"TimeInstant": RECEIVED, "event": code, "count": count}
    assert (accepted(decision).target, accepted(decision).flags) == (target, ("clock_receive",))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(text_of("CrossLineDetection", crossing(), action="Stop"), ("filter", "stop"), id="ivs-stop"),
        pytest.param(text_of("SmartMotionHuman", {}, action="Stop"), ("filter", "stop"), id="smd-stop"),
        pytest.param(text_of("TrafficJunction", junction(), action="Stop"), ("accept", ""), id="junction-stop-counts"),
        pytest.param(text_of("CrossLineDetection", crossing(), action="State"), ("filter", "state"), id="state"),
        pytest.param(b"Code=VideoMotionInfo;action=State;index=0", ("filter", "noise"), id="noise"),
        pytest.param(b"Code=TimeChange;action=Pulse;index=0;data={broken", ("filter", "noise"), id="broken-noise"),
        pytest.param(text_of("HumanTrait", {}, action="Stop"), ("quarantine", "unknown_code:HumanTrait"), id="unknown"),
        pytest.param(text_of("NumberStat", {}), ("quarantine", "unknown_code:NumberStat"), id="not-mapped-yet"),
        pytest.param(
            text_of("SmartMotionHuman", {}, action="Hangup"), ("quarantine", "unknown_action:Hangup"), id="action"
        ),
        pytest.param(b"Code=SmartMotionHuman", ("quarantine", "unknown_action:"), id="no-action"),
        pytest.param(text_of("CrossLineDetection"), ("quarantine", "no_data"), id="crossing-of-nobody-knows-what"),
        pytest.param(b"Code=CrossLineDetection;action=Start;data={1", ("in", "data_not_json"), id="not-json"),
        pytest.param(text_of("CrossLineDetection", [1]), ("in", "data_not_an_object"), id="not-an-object"),
        pytest.param(b"Heartbeat", ("in", "no_code"), id="no-code"),
        pytest.param(b"Code=" + b"A" * 65, ("in", "no_code"), id="endless-code"),
        pytest.param(b"", ("in", "no_code"), id="nothing"),
    ],
)
def test_what_is_not_accepted_says_why(body: bytes, expected: tuple[str, str]) -> None:
    assert words(decide(body)) == expected


@pytest.mark.parametrize(
    ("head", "tail"),
    [
        pytest.param(b"Code=CrossLineDetection;action=Start;index=3;test=nothing;data=", b"", id="extra-key"),
        pytest.param(b"Code=CrossLineDetection;Action=Start;Index=3;Data=", b"", id="other-transports-case"),
        pytest.param(b"Code=CrossLineDetection;action=Start;data=", b"\r\n\x00", id="tail"),
    ],
)
def test_variants_of_the_head_are_read(head: bytes, tail: bytes) -> None:
    data = text_of("x", crossing()).partition(b";data=")[2]
    assert sent(decide(head + data + tail))["ruleId"] == 4


@pytest.mark.parametrize("name", ["车牌".encode("gb18030"), "东门".encode(), b"\xff\xff", b"a\tb", rb"\ud83d"])
def test_a_name_in_any_encoding_does_not_lose_the_event(name: bytes) -> None:
    body = text_of("CrossLineDetection", crossing(Name="NAME")).replace(b"NAME", name)
    assert sent(decide(body))["count"] == 1


def test_a_gb18030_character_that_ends_in_a_backslash_is_no_escape() -> None:
    body = text_of("CrossLineDetection", crossing(MachineName="NAME")).replace(b"NAME", "乗".encode("gb18030"))
    assert body.count(b"\\") == 1
    assert (
        accepted(decide(body)).lane == accepted(decide(text_of("CrossLineDetection", crossing(MachineName="乗")))).lane
    )


@pytest.mark.parametrize("speed", [0, -1, True, "50", None, 5000])
def test_a_speed_that_is_none_is_left_out(speed: object) -> None:
    told = sent(decide(text_of("TrafficJunction", junction(car={"Speed": speed}))))
    assert "averageVehicleSpeed" not in told


@pytest.mark.parametrize(
    "car", [{"VehicleColor": PLATE}, {"VehicleSize": f"Small {PLATE}"}, {"DrivingDirection": [PLATE]}]
)
def test_only_plain_words_leave(car: dict[str, object]) -> None:
    decision = decide(text_of("TrafficJunction", junction(car=car)))
    assert PLATE.encode() not in accepted(decision).body


def test_without_a_vehicle_the_cycle_gives_the_type() -> None:
    data = junction(Vehicle={"Category": "Unknown"}, NonMotor={"Category": "Bicycle"})
    assert sent(decide(text_of("TrafficJunction", data)))["vehicleType"] == "Bicycle"


def test_names_and_serials_come_from_the_maps() -> None:
    maps = Maps(serials={"gate-cam 1": CAMERA, "ivss/3": "CAM3"}, names={CAMERA.casefold(): "North <Gate> (1)"})
    by_machine = decide(text_of("TrafficJunction", junction()), maps)
    assert accepted(by_machine).lane == CAMERA
    assert sent(by_machine)["name"] == "North Gate 1"  # without what Orion refuses
    by_channel = decide(text_of("CrossLineDetection", crossing()), maps)
    assert accepted(by_channel).lane == "CAM3"
    assert "name" not in sent(by_channel)


@pytest.mark.parametrize(
    ("allowed", "wanted"),
    [
        pytest.param(set(), True, id="empty-is-all"),
        pytest.param({CAMERA.casefold()}, True, id="serial"),
        pytest.param({"gate-cam 1"}, False, id="not-by-machine-name-once-it-has-a-serial"),
        pytest.param({"other"}, False, id="another"),
    ],
)
def test_the_allow_list_goes_by_serial(allowed: set[str], *, wanted: bool) -> None:
    maps = Maps(allowed=frozenset(allowed), serials={"gate-cam 1": CAMERA})
    expected = ("accept", "") if wanted else ("filter", "allowlist")
    assert words(decide(text_of("TrafficJunction", junction()), maps)) == expected


@pytest.mark.parametrize("name", ["ivss-3", "ivss/3"])
def test_without_a_serial_the_allow_list_goes_by_device_id(name: str) -> None:
    body = text_of("CrossLineDetection", crossing())
    assert words(decide(body, Maps(allowed=frozenset({name})))) == ("accept", "")
    assert words(decide(body, Maps(allowed=frozenset({"ivss-4"})))) == ("filter", "allowlist")


def test_an_unwanted_device_does_not_fill_the_quarantine() -> None:
    maps = Maps(allowed=frozenset({"other"}))
    assert words(decide(text_of("NumberStat", {}), maps)) == ("filter", "allowlist")


def test_a_sealed_entry_is_kept_without_its_content() -> None:
    decision = decide(b"secret", enc="k1")
    assert words(decision) == ("quarantine", "sealed")
    assert decision.body == b"length=6"  # type: ignore[union-attr]
