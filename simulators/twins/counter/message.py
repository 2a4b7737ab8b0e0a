"""The body of a push, "Axis Retail Data" 0.4, as the integration guide (rev 1.0) describes it. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from twins.counter.people import Minute, utc

Product = Literal["2D", "3D"]
_APPLICATIONS = {"2D": ("AXIS People Counter", "4.6.110"), "3D": ("AXIS 3D People Counter", "11.11.148")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How one device writes."""

    serial: str
    product: Product = "3D"
    zone: str = "Europe/Madrid"
    indented: bool = False  # by 4, as Axis prints its samples


def body(look: Look, minutes: Sequence[Minute], sent: datetime) -> bytes:
    """One push with `minutes`, oldest first; without any it is a test connection."""
    zone = ZoneInfo(look.zone)
    message: dict[str, Any] = {
        "apiName": "Axis Retail Data",
        "apiVersion": "0.4",
        "utcSent": utc(sent),
        "localSent": _local(sent, zone),
    }
    if minutes:
        measurements = [_measurement(look, each, zone) for each in minutes]
        message["data"] = {**_span(minutes[0].start, minutes[-1].end, zone), "measurements": measurements}
    message["sensor"] = _sensor(look)
    text = json.dumps(message, indent=4) if look.indented else json.dumps(message, separators=(",", ":"))
    return text.encode()


def _measurement(look: Look, minute: Minute, zone: ZoneInfo) -> dict[str, Any]:
    counts = minute.counts
    items = [_item(look, "in", counts.inward), _item(look, "out", counts.outward)] if counts else None
    return {"kind": "people-counts", **_span(minute.start, minute.end, zone), "items": items}


def _item(look: Look, direction: str, count: int) -> dict[str, Any]:
    item = {"direction": direction, "count": count}
    return {**item, "adults": 0} if look.product == "3D" else item


def _span(start: datetime, end: datetime, zone: ZoneInfo) -> dict[str, str]:
    times = {"utcFrom": utc(start), "utcTo": utc(end)}
    return {**times, "localFrom": _local(start, zone), "localTo": _local(end, zone)}


def _local(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S")


def _sensor(look: Look) -> dict[str, str]:
    application, version = _APPLICATIONS[look.product]
    return {
        "application": application,
        "applicationVersion": version,
        "timeZone": look.zone,
        "name": f"axis-{look.serial}",
        "serial": look.serial,
        "ipAddress": "192.168.1.106",
    }
