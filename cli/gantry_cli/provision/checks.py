"""What the groups' settings and the broker's entities say about our measures. Pure.

Only what loses something is WRONG; what merely differs from the plan is a note. A receipt of the agent proves neither
the time nor a value: both may be dropped behind a 200.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from gantry_cli.provision.attributes import TIME
from gantry_cli.provision.steps import Change, Fields, Step, stored_as

NEAR_S = 5.0  # a stored time as near as this to the broker's own may be that of arrival, or of a live event

_LOSSES = {
    "timestamp": "attributes do not carry their instant, so history may be kept by the time of arrival",
    "autoprovision": "a new device's measures are refused (404 DEVICE_NOT_FOUND)",
    "commands": "a new device's first burst of measures gets no answer",
    "lazy": "a new device's first burst of measures gets no answer",
    "payloadType": "our plain JSON is read as something else",
}
_ARRAYS, _TOLD, _MAPPED = (3, 5, 0), (3, 7, 0), (4, 4, 0)
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_PEOPLE = "people-counts"  # their TimeInstant is their dateObservedFrom


class Level(Enum):
    """What a finding means."""

    RIGHT = "right"
    WRONG = "WRONG"
    NOTE = "note"
    UNKNOWN = "not verified"


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about one thing."""

    about: str
    level: Level
    text: str


@dataclass(frozen=True, slots=True)
class Versions:
    """What the agent says of itself; empty where it says nothing."""

    agent: str
    library: str


def of_group(step: Step) -> list[Finding]:
    """What is lost, or not as planned, because of a group's settings."""
    name = step.wanted.name
    if step.found is None:
        text = "there is no group with this key: every measure is refused (404 DEVICE_GROUP_NOT_FOUND)"
        return [Finding(name, Level.WRONG, text)]
    found = [*_time(step), *_dropped(step)]
    found += [_setting(name, change) for change in step.changes]
    mended = [each.setting for each in step.mended if each.setting != TIME]
    if mended:
        found.append(Finding(name, Level.NOTE, f"another type than planned: {', '.join(mended)}"))
    if found:
        return found
    return [Finding(name, Level.RIGHT, f"{step.entity_type}: all {len(step.wanted.attributes)} attributes are mapped")]


def _setting(name: str, change: Change) -> Finding:
    loss = _LOSSES.get(change.setting)
    if change.setting == "timestamp" and change.was is None:
        return Finding(name, Level.NOTE, "timestamp is not set: the agent's own configuration decides")
    if loss is None:
        return Finding(name, Level.NOTE, f"{change.setting} is {change.was!r}: what is not mapped is stored as Text")
    return Finding(name, Level.WRONG, f"{change.setting} is {change.was!r}: {loss}")


def _time(step: Step) -> list[Finding]:
    mapped = any(each.name == TIME for each in step.added) or any(each.setting == TIME for each in step.mended)
    if not mapped or not step.explicit:
        return []
    text = f"{TIME} is not mapped under explicitAttrs: the time of arrival is stored, not the event's"
    return [Finding(step.wanted.name, Level.WRONG, text)]


def _dropped(step: Step) -> list[Finding]:
    names = [each.name for each in step.added if each.name != TIME]
    if not names:
        return []
    if not step.explicit:
        return [Finding(step.wanted.name, Level.NOTE, f"not mapped, stored as Text: {', '.join(names)}")]
    text = f"dropped without a word, because explicitAttrs does not map them: {', '.join(names)}"
    return [Finding(step.wanted.name, Level.WRONG, text)]


def of_versions(versions: Versions | None) -> list[Finding]:
    """Whether the agent's age is safe for arrays and keeps a mapped time."""
    if versions is None:
        return [Finding("agent", Level.UNKNOWN, "its version; it does not tell (a manager in front of it does not)")]
    agent, library = _number(versions.agent), _number(versions.library)
    said = f"{versions.agent or 'unknown'}, library {versions.library or 'unknown'}"
    found = []
    if library and library < _MAPPED:
        text = f"{said}: below library 4.4.0 even a mapped {TIME} is replaced by the time of arrival"
        found.append(Finding("agent", Level.WRONG, text))
    if not agent:
        found.append(Finding("agent", Level.UNKNOWN, f"{said}: whether arrays are safe"))
    elif agent < _ARRAYS:
        text = f"{said}: below 3.5.0 an array may be lost in part behind a 200; IOTA_ARRAYS must not be on"
        found.append(Finding("agent", Level.NOTE, text))
    elif agent < _TOLD:
        text = f"{said}: arrays are safe, but below 3.7.0 it does not show it; IOTA_ARRAYS=on uses them"
        found.append(Finding("agent", Level.NOTE, text))
    return found or [Finding("agent", Level.RIGHT, f"{said}: arrays are safe")]


def _number(version: str) -> tuple[int, ...]:
    parts = _VERSION.match(version)
    return tuple(int(part) for part in parts.groups()) if parts else ()


def of_sent(about: str, entity: Fields, sent: Fields, group: Fields) -> list[Finding]:
    """An entity beside the measure that was written to it last.

    A value that was not written then is one of an earlier measure: it carries another instant than its entity.
    """
    kept = _instant(_value(entity, TIME))
    names = [name for name, value in sent.items() if value is not None]
    missing = [name for name in names if not _written(entity, stored_as(group, name), kept)]
    found = []
    if missing:
        found.append(Finding(about, Level.WRONG, f"sent and not stored: {', '.join(missing)}"))
    wanted = _instant(sent.get(TIME))
    if TIME in missing or wanted is None:
        return found
    if kept != wanted:
        return [*found, Finding(about, Level.WRONG, _other_time(entity, sent))]
    values = {name: value for name, value in sent.items() if name not in missing and value is not None}
    other = [name for name, value in values.items() if not _same(_value(entity, stored_as(group, name)), value)]
    if other:
        found.append(Finding(about, Level.NOTE, f"another value than the one sent last: {', '.join(other)}"))
    if missing:
        return found
    return [*found, Finding(about, Level.RIGHT, f"{len(values)} attributes stored, {TIME} is the event's own")]


def _written(entity: Fields, name: str, at: float | None) -> bool:
    if name not in entity:
        return False
    attribute = entity[name]
    metadata = attribute.get("metadata") if isinstance(attribute, Mapping) else None
    stamp = _instant(_value(metadata, TIME)) if isinstance(metadata, Mapping) else None
    return stamp is None or at is None or stamp == at


def _other_time(entity: Fields, sent: Fields) -> str:
    kept, modified = _instant(_value(entity, TIME)), _instant(_value(entity, "dateModified"))
    said = f"{TIME} is {_value(entity, TIME)}, and {sent[TIME]} was sent last"
    if kept is not None and modified is not None and abs(kept - modified) < NEAR_S:
        return f"{said}: the time of arrival is stored"
    return f"{said}: somebody else writes to it, or the time is not kept"


def of_entity(about: str, entity: Fields, step: Step) -> list[Finding]:
    """An entity of which nobody knows what was sent."""
    group = step.found or {}
    stored = {one.name: stored_as(group, one.name) in entity for one in step.wanted.attributes}
    found = []
    absent = [name for name in (TIME, "event") if not stored[name]]
    if absent:
        found.append(
            Finding(about, Level.WRONG, f"every measure has them, and they are not stored: {', '.join(absent)}")
        )
    else:
        has = [name for name, there in stored.items() if there]
        lacks = [name for name, there in stored.items() if not there]
        rest = f"; never sent or not stored: {', '.join(lacks)}" if lacks else ""
        found.append(Finding(about, Level.RIGHT, f"stored: {', '.join(has)}{rest}"))
    return [*found, _time_of(about, entity)]


def _time_of(about: str, entity: Fields) -> Finding:
    kept, modified = _instant(_value(entity, TIME)), _instant(_value(entity, "dateModified"))
    since = _instant(_value(entity, "dateObservedFrom"))
    if kept is None:
        return Finding(about, Level.WRONG, f"no usable {TIME} is stored")
    if _value(entity, "event") == _PEOPLE and since is not None:
        if kept == since:
            return Finding(about, Level.RIGHT, f"{TIME} is the beginning of the interval")
        return Finding(about, Level.WRONG, f"{TIME} is not the beginning of the interval: the time is not kept")
    if modified is not None and abs(kept - modified) >= NEAR_S:
        return Finding(about, Level.RIGHT, f"{TIME} is not the time of arrival")
    text = f"whether {TIME} is the event's or that of arrival: they are too near to tell; `--send` can"
    return Finding(about, Level.UNKNOWN, text)


def _value(entity: Fields, name: str) -> object:
    """Of an NGSI attribute, in full or as a bare value."""
    attribute = entity.get(name)
    return attribute.get("value") if isinstance(attribute, Mapping) else attribute


def _instant(value: object) -> float | None:
    """Seconds since the epoch, to the ms, as brokers keep it."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp(), 3)


def _same(kept: object, sent: object) -> bool:
    """Times are equal as instants: brokers write them in their own way."""
    if kept == sent:
        return True
    one, other = _instant(kept), _instant(sent)
    return one is not None and one == other
