"""One line of events.json. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from gantry.errors import Malformed

OUTCOMES = ("published", "filtered", "deduplicated", "dead", "retried", "dropped", "skipped")
_LATEST_US = 253_402_300_799_999_999  # the end of year 9999


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """How one event ended, or one measure of it; the keys stand in the file in this order."""

    at: str  # the entry in Redis that says so: receipts/<entry id>/<n from 1> or outcomes/<entry id>
    outcome: str  # one of OUTCOMES
    id: str
    family: str | None  # EVD or CROWD, where it is known
    device: str  # the lane: the id that the platform knows; where there is none, as dev
    dev: str  # as its source names it
    src: str
    what: str  # the event's code as the device named it
    received: str | None  # ISO 8601 in UTC with ms
    ended: str | None
    detail: str
    target: str
    seq: int | None
    attempts: int | None
    receipt: str | None  # entry id in `receipts`
    letter: str | None  # entry id in `dead`
    measure: Any = None  # a JSON object, as it was sent

    @property
    def entry(self) -> str:
        """The entry that this line is made of, as <stream>/<entry id>."""
        return entry_of(self.at)


def entry_of(at: str) -> str:
    """<stream>/<entry id> of a line's position."""
    return "/".join(at.split("/")[:2])


def source_of(dev: str) -> str:
    """The source whose device this is, where only that is known: "<recorder>/<index>", else a counter."""
    recorder, slash, _ = dev.partition("/")
    return recorder if slash else "axis" if dev else ""


def code_of(measure: object) -> str:
    """The event's code as the measure that was sent names it; empty where it does not."""
    code = measure.get("event") if isinstance(measure, Mapping) else None
    return code if isinstance(code, str) else ""


_decode = msgspec.json.Decoder(Line).decode
_encode = msgspec.json.Encoder().encode


def encode(line: Line) -> bytes:
    """With its line end; the measure may be given as msgspec.Raw."""
    return _encode(line) + b"\n"


def decode(text: bytes) -> Line:
    """Raises Malformed for what no journal wrote."""
    try:
        return _decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Malformed(f"not a line of events.json: {error}") from error


def iso_ms(us: int) -> str:
    """µs since the epoch as ISO 8601 in UTC with ms. Raises Malformed beyond the year 9999."""
    if not 0 <= us <= _LATEST_US:
        raise Malformed("a time that is none")
    return f"{datetime.fromtimestamp(us // 1_000_000, UTC):%Y-%m-%dT%H:%M:%S}.{us // 1000 % 1000:03d}Z"
