"""Events of recorders → target and attributes."""

from __future__ import annotations

from typing import assert_never

from gantry import topology
from processor.steps.catalogue import Family, Known
from processor.steps.fields import Fields, integer, number, section, word
from processor.steps.parse import DahuaEvent

Attributes = dict[str, object]

_VEHICLES = frozenset({"Vehicle", "NonMotor"})
_FASTEST_KMH = 1_000  # above it a speed is a fault of the device
_MOST_OBJECTS = 10_000


def target(event: DahuaEvent, known: Known) -> str:
    """Whose measure it is; a line crossed by a vehicle is the vehicles', by anything else the crowd's."""
    if known.target:
        return known.target
    kind = word(section(event.data, "Object").get("ObjectType"))
    return topology.EVD if kind in _VEHICLES else topology.CROWD


def attributes(event: DahuaEvent, known: Known) -> Attributes:
    """What the platform is told of it, besides time and name; what the device left out is left out."""
    match known.family:
        case Family.CROSSING:
            found = _crossing(event.data)
        case Family.MOTION:
            found = _motion(event.data)
        case Family.JUNCTION:
            found = _junction(event.data)
        case _:
            assert_never(known.family)
    given = {name: value for name, value in found.items() if value not in ("", None)}
    return {"event": event.code, "count": 1, **given}


def _crossing(data: Fields) -> Attributes:
    return {
        "objectType": word(section(data, "Object").get("ObjectType")),
        "direction": word(data.get("Direction")),
        "ruleId": _small(data.get("RuleID", data.get("RuleId"))),
    }


def _motion(data: Fields) -> Attributes:
    objects = data.get("object", data.get("Object"))
    seen = len(objects) if isinstance(objects, list) else 1
    return {"count": min(max(seen, 1), _MOST_OBJECTS)}


def _junction(data: Fields) -> Attributes:
    car = section(data, "TrafficCar")
    kinds = [section(data, name).get("Category") for name in ("Vehicle", "NonMotor")]
    kinds.append(section(data, "CommInfo").get("SnapCategory"))
    driving = car.get("DrivingDirection")
    return {
        "vehicleType": next(filter(None, map(word, kinds)), ""),
        "vehicleColor": word(car.get("VehicleColor")),
        "vehicleSize": word(car.get("VehicleSize")),
        "averageVehicleSpeed": _speed(car.get("Speed")) or _speed(data.get("Speed")),
        "laneId": _small(car.get("Lane", data.get("Lane"))),
        "direction": word(driving[0]) if isinstance(driving, list) and driving else "",
    }


def _speed(value: object) -> float | None:
    """km/h; 0 says that nothing was measured."""
    given = number(value)
    return given if given is not None and 0 < given <= _FASTEST_KMH else None


def _small(value: object) -> int | None:
    """A number that the device gives to a rule or a lane."""
    given = integer(value)
    return given if given is not None and 0 <= given < 2**31 else None
