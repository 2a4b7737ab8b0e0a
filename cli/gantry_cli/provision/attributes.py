"""The attributes that our measures have: the one list of them. Pure.

A group with `explicitAttrs` stores what it maps and drops everything else without a word, so an attribute that the
processor begins to send must be named here, too; a test compares this list with what the processor renders.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gantry import topology

TIME = "TimeInstant"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute, sent and stored under the same name."""

    name: str
    kind: str = "Number"  # its NGSI type
    unit: str = ""  # UN/CEFACT code

    def mapping(self) -> dict[str, Any]:
        """As a group has it."""
        unit = {"metadata": {"unitCode": {"type": "Text", "value": self.unit}}} if self.unit else {}
        return {"object_id": self.name, "name": self.name, "type": self.kind, **unit}


_ALL = (Attribute(TIME, "DateTime"), Attribute("event", "Text"), Attribute("name", "Text"))
_RECORDERS = (Attribute("count"),)
_CROSSINGS = (Attribute("objectType", "Text"), Attribute("direction", "Text"), Attribute("ruleId"))

OF = {
    topology.EVD: (
        *_ALL,
        *_RECORDERS,
        *_CROSSINGS,
        Attribute("vehicleType", "Text"),
        Attribute("vehicleColor", "Text"),
        Attribute("vehicleSize", "Text"),
        Attribute("averageVehicleSpeed", unit="KMH"),
        Attribute("laneId"),
    ),
    topology.CROWD: (
        *_ALL,
        *_RECORDERS,
        *_CROSSINGS,
        Attribute("dateObservedFrom", "DateTime"),
        Attribute("dateObservedTo", "DateTime"),
        Attribute("application", "Text"),
        Attribute("noValue", "Boolean"),
        Attribute("peopleCountIn"),
        Attribute("peopleCountOut"),
        Attribute("adultsIn"),
        Attribute("adultsOut"),
    ),
}
TYPES = {topology.EVD: "TrafficFlowObserved", topology.CROWD: "CrowdFlowObserved"}  # of entities, in a group we make
