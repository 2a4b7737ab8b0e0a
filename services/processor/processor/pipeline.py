"""What becomes of one raw entry: the page to read first.

    raw entry ─▶ parse ─▶ wanted? ─▶ whose? ─▶ allowed? ─▶ known? ─▶ map ─▶ Accept(fingerprint, measures)
                   │         └─▶ Filter          └─▶ Filter    │
                   └────────────▶ Bury, redacted ◀─────────────┘

Pure and total: any bytes give a decision. Whether a fingerprint was seen before, the commit knows.
"""

from __future__ import annotations

import orjson

from gantry import topology
from gantry.errors import Malformed
from gantry.event import Accept, Bury, Decision, Filter, LetterClass, Measure, RawEntry
from gantry.maps import Maps
from processor.mapping import axis as counters
from processor.mapping import dahua as recorders
from processor.steps import catalogue, fingerprint, parse, redact, resolve, times
from processor.steps.parse import NotUnderstood
from processor.steps.resolve import Device

AXIS = "axis"  # the source of every counter; any other source is a recorder's name


def decide(raw: RawEntry, maps: Maps) -> Decision:
    """The decision about one entry."""
    if raw.enc:
        return Bury(LetterClass.QUARANTINE, "sealed", letter(raw))
    try:
        return _of_counter(raw, maps) if raw.src == AXIS else _of_recorder(raw, maps)
    except NotUnderstood as reason:
        return Bury(LetterClass.QUARANTINE, str(reason), letter(raw))
    except Malformed as reason:
        return Bury(LetterClass.IN, str(reason), letter(raw))


def letter(raw: RawEntry) -> bytes:
    """What a letter keeps of an entry's content."""
    if raw.enc:
        return redact.unread(raw.body)
    return redact.axis(raw.body) if raw.src == AXIS else redact.dahua(raw.body)


def what(raw: RawEntry) -> str:
    """What the device calls it: a recorder's event code, a counter's kind; empty if that cannot be told.

    At most 64 characters that are safe in a log.
    """
    if raw.enc:
        return ""
    return parse.kind_of(raw.body) if raw.src == AXIS else parse.code_of(raw.body)


def _of_recorder(raw: RawEntry, maps: Maps) -> Decision:
    event = parse.dahua(raw.body)
    if reason := catalogue.unwanted(event.code, event.action):
        return Filter(reason)
    known = catalogue.KNOWN.get(event.code)
    if known is not None and event.problem:
        raise Malformed(event.problem)
    camera = resolve.camera(raw.dev, event.data, maps)
    if not maps.allows(*camera.known_as):
        return Filter("allowlist")
    if known is None:
        raise NotUnderstood(f"unknown_code:{event.code}")
    if event.action not in catalogue.ACTIONS:
        raise NotUnderstood(f"unknown_action:{event.action}")
    if known.needs_data and not event.data:
        raise NotUnderstood("no_data")
    when = times.of_event(event.data, raw.t_rx)
    target, attributes = recorders.target(event, known), recorders.attributes(event, known)
    measure = _measure(target, camera, when.instant, attributes, when.flags)
    return Accept(fingerprint.dahua(event, raw), (measure,))


def _of_counter(raw: RawEntry, maps: Maps) -> Decision:
    push = parse.axis(raw.body)
    counter = resolve.counter(push.sensor, maps)
    if not maps.allows(*counter.known_as):
        return Filter("allowlist")
    counted = counters.read(push, raw.t_rx)
    since, until = times.stamp_of(counted.since), times.stamp_of(counted.until)
    flags = counter.flags + counted.flags
    measure = _measure(topology.CROWD, counter, since, counted.attributes(), flags)
    items = [(item.direction, item.count, item.adults) for item in counted.items]
    return Accept(
        fingerprint.axis(counter.id, counted.application, counted.kind, since, until, items=items), (measure,)
    )


def _measure(
    target: str, device: Device, instant: str, attributes: dict[str, object], flags: tuple[str, ...]
) -> Measure:
    name = {"name": device.name} if device.name else {}
    body = orjson.dumps({"TimeInstant": instant, **name, **attributes})
    return Measure(target=target, lane=device.id, body=body, flags=flags)
