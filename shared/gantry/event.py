"""The vocabulary: what a device told us, and what we decided about it. No I/O."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import StrEnum

SCHEMA = 1
_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"


@dataclass(frozen=True, slots=True, kw_only=True)
class RawEntry:
    """One unit received: an event of a recorder or one measurement of a counter, as the device sent it."""

    id: str
    src: str  # recorder's name, or "axis"
    dev: str  # the quota's and the number series' key: "<recorder>/<index>", or the counter's serial
    seq: int  # grows per device within one spool or push
    t_dev: str  # the device's own time as it wrote it; empty if it wrote none
    t_rx: int  # when its last byte arrived, µs since the epoch
    body: bytes
    enc: str = ""  # the key that seals body; empty until sealing is built
    v: int = SCHEMA


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What one event says to the platform: the JSON object to POST, and the lane that it goes out on."""

    target: str  # one of topology.TARGETS
    lane: str  # the FIWARE device id, safe for Orion
    body: bytes  # a JSON object, never empty, with its own TimeInstant
    flags: tuple[str, ...] = ()  # e.g. "clock_unchecked"


class LetterClass(StrEnum):
    """Which line of the ledger a dead letter stands in."""

    IN = "in"  # an event that could not be turned into measures
    QUARANTINE = "quarantine"  # input that is not understood (yet); counts as `in`
    OUT = "out"  # a measure that the platform will never take


@dataclass(frozen=True, slots=True)
class Accept:
    """Send these measures, unless the fingerprint was seen within the window."""

    fingerprint: str  # empty: never a duplicate
    measures: tuple[Measure, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """Understood, and not wanted."""

    reason: str  # stable word, e.g. "stop", "allowlist"


@dataclass(frozen=True, slots=True)
class Bury:
    """Keep for a person: redacted body and the reason."""

    letter: LetterClass
    reason: str
    body: bytes


Decision = Accept | Filter | Bury


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision about one pending raw entry."""

    entry_id: str
    raw: RawEntry
    decision: Decision
    what: str = ""  # as the device named it, e.g. TrafficJunction; at most 64 characters


def new_event_id(t_rx: int) -> str:
    """An id that sorts by receive time: 10 characters of ms, 16 of chance (the ULID form, lower case)."""
    value = (t_rx // 1000) << 80 | secrets.randbits(80)
    return "".join(_CROCKFORD[value >> shift & 31] for shift in range(125, -1, -5))
