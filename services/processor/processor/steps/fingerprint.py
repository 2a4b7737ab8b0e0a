"""When two events are the same one, told twice: two connections to one recorder, a counter's resend."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import orjson

from gantry.event import RawEntry
from processor.steps.fields import Fields, section
from processor.steps.parse import DahuaEvent

_TELLING = ("EventID", "UTC", "PTS")  # without any of these the rest may be the same for every event of a rule
_SECOND_US = 1_000_000


def dahua(event: DahuaEvent, raw: RawEntry) -> str:
    """Of a recorder's event: the device's own numbers, for EventID alone collides between cameras and after reboots.

    Receive time enters only where the device says nothing that tells events apart.
    """
    own = _own(event.data)
    parts: list[object] = [raw.src, raw.dev, event.code, event.action, *own.values()]
    if not any(own[name] for name in _TELLING):
        digest = hashlib.blake2b(event.source.encode("utf-8", "replace"), digest_size=16).hexdigest()
        parts += [raw.t_rx // _SECOND_US, digest]
    return _digest(parts)


def axis(*identity: str, items: Iterable[tuple[str, int, int | None]]) -> str:
    """Of a measurement: serial, application, kind, from, to and the values; a revision is another event."""
    return _digest([*identity, sorted(items)])


def _own(data: Fields) -> dict[str, object]:
    return {
        "RuleID": _first(data, "RuleID", "RuleId", "CfgRuleId"),
        "EventID": _first(data, "EventID", "EventSeq"),
        "GroupID": _first(data, "GroupID"),
        "IndexInGroup": _first(data, "IndexInGroup"),
        "ObjectID": _first(section(data, "Object"), "ObjectID") or _first(data, "ObjectID"),
        "UTC": _first(data, "UTC"),
        "UTCMS": _first(data, "UTCMS"),
        "PTS": _first(data, "PTS"),
    }


def _first(fields: Fields, *names: str) -> object:
    """The first that is there, as a plain value: 2019 firmware writes UTC as 1548929098.0, later ones as an int."""
    for name in names:
        value = fields.get(name)
        if isinstance(value, float) and value == int(value):
            return int(value) if abs(value) < 2**63 else value
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            return value
    return None


def _digest(parts: list[object]) -> str:
    return hashlib.blake2b(orjson.dumps(parts), digest_size=16).hexdigest()
