"""The list of attributes beside what the processor renders of events that have everything."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from gantry import topology
from gantry.event import Accept, RawEntry
from gantry.maps import Maps
from gantry_cli.provision.attributes import OF, TYPES
from processor import pipeline
from processor.steps.catalogue import KNOWN

PAGE = Path(__file__).parent.parent.parent / "services" / "processor" / "README.md"
CAMERA, COUNTER = "9C0AA51PAZ00001", "9c0aa5000001"
MAPS = Maps(serials={"ivss/3": CAMERA}, names={CAMERA.lower(): "North gate", COUNTER: "South door"})
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
KINDS: dict[str, Any] = {
    "Number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "Text": lambda value: isinstance(value, str),
    "Boolean": lambda value: isinstance(value, bool),
    "DateTime": lambda value: isinstance(value, str) and STAMP.fullmatch(value),
}


def crossing(kind: str) -> dict[str, Any]:
    return {"Direction": "LeftToRight", "RuleID": 4, "Object": {"ObjectType": kind}, "UTC": 1779999999}


JUNCTION = {
    "RealUTC": 1779999990,
    "Vehicle": {"Category": "SaloonCar"},
    "TrafficCar": {
        "VehicleColor": "Blue",
        "VehicleSize": "Light-duty",
        "Speed": 43.5,
        "Lane": 2,
        "DrivingDirection": ["Approach"],
    },
}
EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("CrossLineDetection", crossing("Vehicle")),
    ("CrossLineDetection", crossing("Human")),
    ("SmartMotionHuman", {"object": [{}], "UTC": 1779999999}),
    ("SmartMotionVehicle", {"object": [{}, {}], "UTC": 1779999999}),
    ("TrafficJunction", JUNCTION),
]
PUSH = {
    "apiVersion": "0.4",
    "sensor": {"serial": COUNTER, "application": "AXIS 3D People Counter"},
    "measurement": {
        "kind": "people-counts",
        "utcFrom": "2026-05-28T20:25:00Z",
        "utcTo": "2026-05-28T20:26:00Z",
        "items": [{"direction": "in", "count": 3, "adults": 2}, {"direction": "out", "count": 4, "adults": 4}],
    },
}


def measured(src: str, dev: str, body: bytes) -> tuple[str, dict[str, Any]]:
    raw = RawEntry(id="e", src=src, dev=dev, seq=1, t_dev="", t_rx=1_780_000_000_000_000, body=body)
    decision = pipeline.decide(raw, MAPS)
    assert isinstance(decision, Accept), decision
    [measure] = decision.measures
    return measure.target, orjson.loads(measure.body)


@pytest.fixture(scope="module")
def rendered() -> list[tuple[str, dict[str, Any]]]:
    bodies = [f"Code={code};action=Start;index=3;data=".encode() + orjson.dumps(data) for code, data in EVENTS]
    return [*(measured("ivss", "ivss/3", body) for body in bodies), measured("axis", COUNTER, orjson.dumps(PUSH))]


def test_every_known_code_is_tried() -> None:
    assert {code for code, _ in EVENTS} == set(KNOWN)


@pytest.mark.parametrize("target", topology.TARGETS)
def test_the_list_is_what_the_processor_renders(target: str, rendered: list[tuple[str, dict[str, Any]]]) -> None:
    sent = {name for of, measure in rendered if of == target for name in measure}
    assert {one.name for one in OF[target]} == sent


def test_each_value_is_of_its_type(rendered: list[tuple[str, dict[str, Any]]]) -> None:
    for target, measure in rendered:
        kinds = {one.name: one.kind for one in OF[target]}
        assert {name: value for name, value in measure.items() if not KINDS[kinds[name]](value)} == {}


def test_the_processors_page_names_the_same() -> None:
    """Whoever adds an attribute names it there, as its contract says; then this list is missing it."""
    table = PAGE.read_text(encoding="utf-8").partition("| attribute |")[2].partition("\n\n")[0]
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named == {one.name for attributes in OF.values() for one in attributes}


def test_a_mapping_is_as_a_group_has_it() -> None:
    assert set(OF) == set(TYPES) == set(topology.TARGETS)
    by_name = {one.name: one.mapping() for one in OF["evd"]}
    assert by_name["TimeInstant"] == {"object_id": "TimeInstant", "name": "TimeInstant", "type": "DateTime"}
    assert by_name["averageVehicleSpeed"]["metadata"] == {"unitCode": {"type": "Text", "value": "KMH"}}
