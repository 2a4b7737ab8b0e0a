"""What the commits leave behind about devices and families: when each was last heard of, and with what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gantry.streams.client import Client
from gantry.topology import Topology

_SCAN = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A device as its source names it."""

    dev: str
    t_rx: int  # µs since the epoch, of its newest unit
    units: int  # since the beginning
    src: str
    what: str  # its newest event's code
    lanes: tuple[tuple[str, str], ...]  # (target, FIWARE device id) that it fed, newest first


@dataclass(frozen=True, slots=True, kw_only=True)
class LastMeasure:
    """The last accepted measure of a family."""

    t_ms: int  # when it was accepted, by the server's clock
    event_id: str
    dev: str
    lane: str
    t_rx: int  # µs since the epoch
    body: bytes  # JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class LastUnknown:
    """The last input that nobody understood."""

    t_ms: int
    event_id: str
    dev: str
    src: str
    t_rx: int
    reason: str
    t_dev: str
    body: bytes  # redacted


async def seen(client: Client, keys: Topology) -> list[Seen]:
    """Every device ever heard of (at most 20,000), sorted by name; a row that is none is left out."""
    found = []
    async for name, value in client.hscan_iter(keys.seen, count=_SCAN):
        if row := parse_seen(name.decode(errors="replace"), value):
            found.append(row)
    return sorted(found, key=lambda row: row.dev)


async def seen_of(client: Client, keys: Topology, dev: str) -> Seen | None:
    """One device."""
    value = await _hget(client, keys.seen, dev)
    return parse_seen(dev, value) if value else None


def parse_seen(dev: str, value: bytes) -> Seen | None:
    """A row of `seen`; None when it is none."""
    parts = value.decode(errors="replace").split("\n")
    if len(parts) != 5 or not (parts[0].isdecimal() and parts[1].isdecimal()):  # noqa: PLR2004 - as seen.lua writes them
        return None
    lanes = tuple((target, lane) for target, _, lane in (word.partition("/") for word in parts[4].split()))
    return Seen(dev=dev, t_rx=int(parts[0]), units=int(parts[1]), src=parts[2], what=parts[3], lanes=lanes)


async def last_measure(client: Client, keys: Topology, family: str) -> LastMeasure | None:
    """`family`: a target's name. None where there was none yet, or another hand wrote something else."""
    value = await _hget(client, keys.last, family)
    if value is None:
        return None
    words = value.split(b"\n", 5)
    if len(words) != 6 or not (words[0].isdigit() and words[4].isdigit()):  # noqa: PLR2004 - as commit.lua writes them
        return None
    t_ms, event_id, dev, lane, t_rx, body = words
    return LastMeasure(
        t_ms=int(t_ms), event_id=_text(event_id), dev=_text(dev), lane=_text(lane), t_rx=int(t_rx), body=body
    )


async def last_unknown(client: Client, keys: Topology) -> LastUnknown | None:
    """None as above."""
    value = await _hget(client, keys.last, "unknown")
    if value is None:
        return None
    words = value.split(b"\n", 7)
    if len(words) != 8 or not (words[0].isdigit() and words[4].isdigit()):  # noqa: PLR2004 - as commit.lua writes them
        return None
    t_ms, event_id, dev, src, t_rx, reason, t_dev, body = words
    return LastUnknown(
        t_ms=int(t_ms),
        event_id=_text(event_id),
        dev=_text(dev),
        src=_text(src),
        t_rx=int(t_rx),
        reason=_text(reason),
        t_dev=_text(t_dev),
        body=body,
    )


async def _hget(client: Client, key: str, field: str) -> bytes | None:
    value: Any = await client.hget(key, field)
    return value  # type: ignore[no-any-return]  # our clients decode nothing


def _text(value: bytes) -> str:
    return value.decode(errors="replace")
