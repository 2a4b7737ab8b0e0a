"""Which instant an event is about, and how sure that is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from processor.steps.fields import Fields, integer, number, section

UNCHECKED = "clock_unchecked"  # the device's `UTC`, which newer firmware fills with local wall-clock time
RECEIVE = "clock_receive"  # no usable device time: when its last byte arrived

_EARLIEST_MS = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp()) * 1000
_LATEST_MS = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp()) * 1000
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d([.,]\d{1,9})?)?(Z|[+-]\d\d:?\d\d)")


@dataclass(frozen=True, slots=True)
class When:
    """An instant as the platform wants it, and the flag that says how far to trust it."""

    instant: str
    flags: tuple[str, ...] = ()


def of_event(data: Fields, t_rx: int) -> When:
    """The instant of a recorder's event: RealUTC, else UTC (unchecked), else the time of receipt.

    A 2024 ANPR capture carries both: `UTC` is local time written as if it were an epoch, `RealUTC` is true.
    """
    car = section(data, "TrafficCar")
    for name, flags in (("RealUTC", ()), ("UTC", (UNCHECKED,))):
        for place in (data, car):
            at = _epoch_ms(place.get(name), data.get("UTCMS"))
            if at is not None:
                return When(stamp(at), flags)
    return When(stamp(t_rx // 1000), (RECEIVE,))


def stamp(at_ms: int) -> str:
    """Milliseconds since the epoch as `YYYY-MM-DDThh:mm:ss.sssZ`, the one form that agent and broker both take."""
    seconds, millis = divmod(min(max(at_ms, _EARLIEST_MS), _LATEST_MS - 1), 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{millis:03d}Z"


def parse_iso(value: object) -> datetime | None:
    """A time with an offset, in UTC; None for anything else: a time without an offset repeats every autumn."""
    if not isinstance(value, str) or not _ISO.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):  # 30 February, 25:00, an offset that leaves the calendar
        return None


def stamp_of(moment: datetime) -> str:
    """The same form for an aware datetime, exact to the ms."""
    return stamp(round(moment.timestamp() * 1000))


def _epoch_ms(seconds: object, millis: object) -> int | None:
    given = number(seconds)
    if given is None or not _EARLIEST_MS <= given * 1000 < _LATEST_MS:
        return None
    extra = integer(millis)
    return int(given) * 1000 + extra if extra is not None and 0 <= extra < 1000 else round(given * 1000)  # noqa: PLR2004 - ms in a second
