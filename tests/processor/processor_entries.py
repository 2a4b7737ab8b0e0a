"""Raw entries with invented devices: only what matters is said."""

from __future__ import annotations

from typing import Any

import orjson

from gantry.event import Accept, Bury, Decision, Filter, Measure, RawEntry
from gantry.maps import Maps
from processor import pipeline

T_RX = 1_780_000_000_123_456  # 2026-05-28T20:26:40.123Z
RECEIVED = "2026-05-28T20:26:40.123Z"
PLATE = "0000BBB"
CAMERA = "9C0AA51PAZ00001"
COUNTER = "9c0aa5000001"
NO_MAPS = Maps()


def a_raw(body: bytes, *, src: str = "ivss", dev: str = "ivss/3", t_rx: int = T_RX, enc: str = "") -> RawEntry:
    return RawEntry(id="01e", src=src, dev=dev, seq=1, t_dev="", t_rx=t_rx, body=body, enc=enc)


def text_of(code: str, data: Any = ..., *, action: str = "Start", index: int = 3) -> bytes:
    """An event's text as a recorder sends it."""
    head = f"Code={code};action={action};index={index}"
    return head.encode() if data is ... else head.encode() + b";data=" + orjson.dumps(data, option=orjson.OPT_INDENT_2)


def crossing(**changed: Any) -> dict[str, Any]:
    """`data` of a CrossLineDetection."""
    data = {"Class": "Normal", "Direction": "LeftToRight", "EventID": 10013, "GroupID": 12, "Name": "gate; Ana=1"}
    data |= {"Object": {"ObjectID": 73, "ObjectType": "Human"}, "PTS": 43524752000.0, "RuleID": 4}
    return {**data, "UTC": 1779999999, "UTCMS": 420, **changed}


def junction(*, car: dict[str, Any] | None = None, **changed: Any) -> dict[str, Any]:
    """`data` of a TrafficJunction with all that is personal about it."""
    plate = {"PlateNumber": PLATE, "PlateColor": "Yellow", "MachineName": "gate-cam 1", "VehicleColor": "Blue"}
    plate |= {"VehicleSize": "Light-duty", "Speed": 43.5, "Lane": 2, "DrivingDirection": ["Approach", f"x {PLATE}"]}
    data = {"EventID": 516, "GroupID": 9, "IndexInGroup": 1, "Name": f"gate {PLATE}", "RealUTC": 1779999990}
    data |= {"Object": {"ObjectType": "Plate", "Text": PLATE, "ObjectID": 5}, "UTC": 1780007190, "UTCMS": 305}
    data |= {"Vehicle": {"Category": "SaloonCar", "Text": "Brand"}, "CommInfo": {"Seat": [{"SafeBelt": "With"}]}}
    return {**data, "TrafficCar": {**plate, **(car or {})}, **changed}


def an_item(direction: str, count: Any, **more: Any) -> dict[str, Any]:
    return {"direction": direction, "count": count, **more}


def measurement(**changed: Any) -> dict[str, Any]:
    given = {"kind": "people-counts", "utcFrom": "2026-05-28T20:25:00Z", "utcTo": "2026-05-28T20:26:00Z"}
    return {**given, "items": [an_item("in", 3, adults=2), an_item("out", 4, adults=4)], **changed}


def push(unit: Any = None, *, sensor: Any = ..., version: Any = "0.4", name: str = "measurement") -> bytes:
    """An Axis unit as it stands in `raw`."""
    if sensor is ...:
        sensor = {"serial": COUNTER, "application": "AXIS 3D People Counter", "name": "Ana's door"}
    body = {"apiVersion": version, "utcSent": "2026-05-28T20:26:30Z", "sensor": sensor}
    return orjson.dumps({**body, name: measurement() if unit is None else unit})


def decide(body: bytes, maps: Maps = NO_MAPS, **raw: Any) -> Decision:
    return pipeline.decide(a_raw(body, **raw), maps)


def decide_axis(body: bytes, maps: Maps = NO_MAPS) -> Decision:
    return decide(body, maps, src="axis", dev=COUNTER)


def accepted(decision: Decision) -> Measure:
    """The one measure of an accepted event."""
    assert isinstance(decision, Accept), decision
    [measure] = decision.measures
    return measure


def sent(decision: Decision) -> dict[str, Any]:
    """What the platform would be told."""
    told = orjson.loads(accepted(decision).body)
    assert isinstance(told, dict)
    return told


def words(decision: Decision) -> tuple[str, str]:
    """(kind of decision, reason) of what was not accepted."""
    match decision:
        case Filter(reason):
            return "filter", reason
        case Bury(letter, reason):
            return letter.value, reason
    return "accept", ""
