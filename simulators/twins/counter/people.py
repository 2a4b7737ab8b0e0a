"""What a counter counts: the same people for the same seed, serial and minute. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MINUTE = timedelta(minutes=1)
_NULL_OF_256 = 4  # minutes without a value, about 1 of 64
_ZERO_OF_256 = 36  # minutes without people, about 1 of 8
_MOST = 200  # in or out within a minute; with both, few minutes of a day are alike


@dataclass(frozen=True, slots=True)
class Counts:
    """People of one minute."""

    inward: int
    outward: int


@dataclass(frozen=True, slots=True)
class Minute:
    """One measurement; `counts` is None where the device says `items: null`."""

    start: datetime
    counts: Counts | None

    @property
    def end(self) -> datetime:
        return self.start + MINUTE


def serial_of(seed: int, index: int) -> str:
    """The MAC address of the twin's counter number `index`."""
    return "9c0aa5" + hashlib.blake2b(f"{seed}/{index}".encode(), digest_size=3).hexdigest()


def minute(seed: int, serial: str, start: datetime) -> Minute:
    """The minute that begins at `start` (UTC)."""
    number = int(start.timestamp()) // 60
    chance = hashlib.blake2b(f"{seed}/{serial}/{number}".encode(), digest_size=9).digest()
    if chance[0] < _NULL_OF_256:
        return Minute(start, None)
    if chance[0] < _ZERO_OF_256:
        return Minute(start, Counts(0, 0))
    inward, outward = (int.from_bytes(part, "big") % _MOST for part in (chance[1:5], chance[5:9]))
    return Minute(start, Counts(inward, outward))


def minutes(seed: int, serial: str, first: datetime, count: int) -> list[Minute]:
    """`count` minutes in a row."""
    return [minute(seed, serial, first + i * MINUTE) for i in range(count)]


def utc(moment: datetime) -> str:
    """A time as the device writes it: "2026-11-21T10:15:00Z"."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
