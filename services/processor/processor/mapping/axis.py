"""Measurements of counters → attributes. Odd but readable is flagged; what could be misread is quarantined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from processor.steps import orion, times
from processor.steps.fields import LARGEST, Fields, integer, text, word
from processor.steps.parse import AxisPush, NotUnderstood, cleaned

PEOPLE_COUNTS = "people-counts"  # the only kind ever published
API_VERSION = "0.4"

_DIRECTIONS = ("in", "out")
_LONGEST = timedelta(hours=24)
_USUAL = tuple(timedelta(minutes=n) for n in (1, 5, 15))
_EARLIEST, _LATEST = datetime(2001, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)  # clocks that were never set
_AHEAD, _OLD = timedelta(minutes=5), timedelta(days=97)  # a counter keeps 90 days
_MOST_A_MINUTE = 10_000


@dataclass(frozen=True, slots=True)
class Item:
    """People that went one way."""

    direction: str
    count: int
    adults: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """One measurement, understood."""

    application: str
    kind: str
    since: datetime
    until: datetime
    items: tuple[Item, ...]  # empty: the counter says that it has no value, which is not zero
    flags: tuple[str, ...]

    def attributes(self) -> dict[str, object]:
        """What the platform is told of it, besides TimeInstant and name."""
        found: dict[str, object] = {
            "event": self.kind,
            "dateObservedFrom": times.stamp_of(self.since),
            "dateObservedTo": times.stamp_of(self.until),
        }
        if application := orion.attribute_text(self.application):
            found["application"] = application
        found["noValue"] = not self.items  # always sent: the platform keeps an attribute until it is sent again
        for item in self.items:
            way = item.direction.capitalize()
            found[f"peopleCount{way}"] = item.count
            if item.adults is not None:
                found[f"adults{way}"] = item.adults
        return found


def read(push: AxisPush, t_rx: int) -> Counted:
    """Understand one measurement. Raises NotUnderstood with the reason."""
    given = push.measurement
    kind = given.get("kind")
    if kind != PEOPLE_COUNTS:
        raise NotUnderstood(f"unknown_kind:{cleaned(text(kind))}")
    since, until = _interval(given)
    items, flags = _items(given)
    flags += [] if push.api_version == API_VERSION else ["api_version"]
    flags += _time_flags(since, until, t_rx)
    if any(item.count > _MOST_A_MINUTE * max(1.0, (until - since) / timedelta(minutes=1)) for item in items):
        flags.append("count_implausible")
    application = text(push.sensor.get("application"))[: orion.TEXT_LENGTH]
    return Counted(application=application, kind=kind, since=since, until=until, items=tuple(items), flags=tuple(flags))


def _interval(given: Fields) -> tuple[datetime, datetime]:
    since, until = times.parse_iso(given.get("utcFrom")), times.parse_iso(given.get("utcTo"))
    if since is None or until is None:
        raise NotUnderstood("time_unusable")
    if not _EARLIEST <= since < until < _LATEST or until - since > _LONGEST:
        raise NotUnderstood("interval_unusable")
    return since, until


def _time_flags(since: datetime, until: datetime, t_rx: int) -> list[str]:
    flags = []
    received = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=min(max(t_rx, 0), 4_102_444_800_000_000))
    if until - since not in _USUAL or since.second or since.microsecond:
        flags.append("interval_odd")
    if until - received > _AHEAD:
        flags.append("clock_ahead")
    if received - until > _OLD:
        flags.append("old")
    return flags


def _items(given: Fields) -> tuple[list[Item], list[str]]:
    """The items by direction, never by position, with flags; none for null and []."""
    listed = given.get("items", ...)
    if listed is None:
        return [], []
    if not isinstance(listed, list):
        raise NotUnderstood("items_not_a_list")
    flags: list[str] = []
    items = [_item(each, flags) for each in listed[:64]]
    ways = [item.direction for item in items]
    if len(set(ways)) != len(listed):
        raise NotUnderstood("direction_twice")
    if not items:
        flags.append("items_empty")
    elif not set(_DIRECTIONS) <= set(ways):
        flags.append("direction_missing")
    if set(ways) - set(_DIRECTIONS):
        flags.append("direction_unknown")
    return items, sorted(set(flags))


def _item(given: object, flags: list[str]) -> Item:
    if not isinstance(given, Mapping):
        raise NotUnderstood("item_not_an_object")
    way = word(given.get("direction")).lower().replace("-", "").replace("_", "")
    if not way:
        raise NotUnderstood("direction_unusable")
    count = _count(given.get("count"))
    if count is None:
        raise NotUnderstood("count_unusable")
    if isinstance(given.get("count"), float):
        flags.append("count_float")
    return Item(way, count, _adults(given, count, flags))


def _adults(given: Fields, count: int, flags: list[str]) -> int | None:
    """Told by 3D counters only; not always filled in by these, so count - adults is not "children"."""
    if "adults" not in given:
        return None
    adults = _count(given["adults"])
    if adults is None:
        flags.append("adults_unusable")
    elif adults > count:
        flags.append("adults_exceed_count")
    return adults


def _count(value: object) -> int | None:
    given = integer(value)
    return given if given is not None and 0 <= given <= LARGEST else None
