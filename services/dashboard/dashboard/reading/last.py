"""The newest event of each family, and the newest that nobody understood."""

from __future__ import annotations

import msgspec

from dashboard.reading.shapes import LastEvent, LastUnknown
from dashboard.reading.sources import Sources, iso, lossy, number

_EVENT_PARTS, _UNKNOWN_PARTS = 6, 8


async def last(sources: Sources, family: str) -> LastEvent | None:
    """`family`: evd or crowd; None when there never was one."""
    said = lossy(await sources.client.hget(sources.keys.last, family) or b"")
    if said.count("\n") < _EVENT_PARTS - 1:
        return None
    t_ms, event_id, dev, lane, t_rx, body = said.split("\n", _EVENT_PARTS - 1)
    return LastEvent(
        family=family.upper(),
        id=event_id,
        dev=dev,
        device=lane,
        last_utc=number(t_ms) / 1000,
        received=iso(number(t_rx) // 1000),
        measure=measure(body),
    )


async def unknown(sources: Sources) -> LastUnknown | None:
    """None when nothing was ever quarantined."""
    said = lossy(await sources.client.hget(sources.keys.last, "unknown") or b"")
    if said.count("\n") < _UNKNOWN_PARTS - 1:
        return None
    t_ms, event_id, dev, src, t_rx, reason, t_dev, body = said.split("\n", _UNKNOWN_PARTS - 1)
    return LastUnknown(
        id=event_id,
        dev=dev,
        src=src,
        last_utc=number(t_ms) / 1000,
        received=iso(number(t_rx) // 1000),
        reason=reason,
        device_time=t_dev,
        body=body,
    )


def measure(body: str | bytes) -> dict[str, object]:
    """A measure as it is sent; empty for what is no JSON object."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}
