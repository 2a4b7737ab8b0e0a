"""What the broker behind the agent keeps: the measures of a device as an NGSI entity. No I/O.

As seen on iotagent-json 3.14.0: under `explicitAttrs` what is not mapped is dropped without a word, and with it the
time that was sent, unless TimeInstant is mapped; the time of arrival is stored instead.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

from twins.agent.registry import Fields, Group, Scope

MAX_ENTITIES = 50_000
TIME = "TimeInstant"
_RENAMED = {"id": "measure_id", "type": "measure_type"}  # of what a device sends; an entity has its own
_TERM = re.compile(r"""\s*(?:'([^']*)'|"([^"]*)"|([A-Za-z_]\w*))\s*(?:\+|$)""")


class Entities:
    """The newest value of each attribute, as written last."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Scope, str, str], Fields] = {}  # by scope, type and id

    def write(self, scope: Scope, kind: str, name: str, attributes: Fields, at_us: int) -> None:
        key = (scope, kind, name)
        if key in self._kept or len(self._kept) < MAX_ENTITIES:
            self._kept[key] = {**self._kept.get(key, {}), **attributes, "dateModified": _date(iso(at_us))}

    def read(self, scope: Scope, name: str, kind: str) -> list[tuple[str, Fields]]:
        """(type, attributes) of every entity of that name; an empty `kind` means any."""
        return [
            (its_kind, attributes)
            for (its_scope, its_kind, its_name), attributes in self._kept.items()
            if (its_scope, its_name) == (scope, name) and kind in ("", its_kind)
        ]

    def forget(self) -> None:
        self._kept.clear()


def name_of(group: Group, device: Mapping[str, Any], measure: Mapping[str, Any]) -> tuple[str, str]:
    """Type and id of the entity; `entityNameExp` wins over what the device was given."""
    kind = str(device.get("entity_type") or group.fields.get("entity_type") or "Thing")
    given = str(device.get("entity_name") or f"{kind}:{device['device_id']}")
    expression = group.fields.get("entityNameExp")
    if not isinstance(expression, str):
        return kind, given
    return kind, _joined(expression, {**measure, "id": device["device_id"], "type": kind}) or given


def _joined(expression: str, values: Mapping[str, Any]) -> str:
    """Texts and values joined by `+`, which is all of the expression language that is understood here."""
    at, parts = 0, []
    while at < len(expression):
        term = _TERM.match(expression, at)
        if term is None:
            return ""
        text, other, name = term.groups()
        parts.append(str(values.get(name, "undefined")) if name else text or other or "")
        at = term.end()
    return "".join(parts)


def attributes_of(group: Group, device: Mapping[str, Any], measure: Mapping[str, Any], at_us: int) -> Fields:
    """The attributes that a measure writes; empty: nothing reaches the broker."""
    mapped = {}
    for one in (*group.fields.get("attributes", ()), *device.get("attributes", ())):
        mapped[str(one.get("object_id") or one["name"])] = one
    explicit, timestamp = bool(group.fields.get("explicitAttrs")), group.fields.get("timestamp") is not False
    found: Fields = {}
    for sent, value in measure.items():
        one = mapped.get(sent)
        if one is None and not explicit:
            found[_RENAMED.get(sent, sent)] = _date(value) if sent == TIME else {"type": "Text", "value": value}
        elif one is not None and value is not None:
            found[one["name"]] = {
                "type": one.get("type") or "Text",
                "value": value,
                "metadata": dict(one.get("metadata") or {}),
            }
    if not found:
        return {}
    for one in group.fields.get("static_attributes", ()):
        found[one["name"]] = {"type": one.get("type"), "value": one.get("value")}
    if timestamp:
        _stamp(found, at_us)
    return {name: {"metadata": {}, **attribute} for name, attribute in found.items()}


def _stamp(found: Fields, at_us: int) -> None:
    """Every attribute carries the instant: the measure's own where that came through, else that of arrival."""
    instant = found.setdefault(TIME, _date(iso(at_us)))
    mark = {"type": "DateTime", "value": instant["value"]}
    for name, attribute in found.items():
        if name != TIME:
            attribute["metadata"] = {**attribute.get("metadata", {}), TIME: mark}


def _date(value: Any) -> Fields:
    return {"type": "DateTime", "value": value}


def iso(at_us: int) -> str:
    """A time in µs since the epoch as agent and broker write it."""
    moment = dt.datetime.fromtimestamp(at_us // 1_000_000, dt.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at_us // 1000 % 1000:03d}Z"
