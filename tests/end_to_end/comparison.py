"""What was sent beside what arrived."""

from __future__ import annotations

import collections
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Key = tuple[str, str]  # (device, TimeInstant)


def stamp(time_ms: int) -> str:
    """A device time as a measure carries it."""
    at = datetime.fromtimestamp(time_ms // 1000, tz=UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time_ms % 1000:03d}Z"


@dataclass(frozen=True, slots=True)
class Arrived:
    """The agent's record, by lane."""

    counts: collections.Counter[Key]
    times: dict[Key, list[int]]  # arrivals, µs
    rows: list[dict[str, Any]]


def arrived(rows: list[dict[str, Any]]) -> Arrived:
    times: dict[Key, list[int]] = {}
    for row in rows:
        times.setdefault(key_of(row), []).append(row["t"])
    return Arrived(collections.Counter({key: len(at) for key, at in times.items()}), times, rows)


def key_of(row: dict[str, Any]) -> Key:
    return (row["device"], row["body"]["TimeInstant"])


def out_of_order(rows: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """First arrivals of a lane that come after a newer one: (lane, newer, older)."""
    newest: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    wrong = []
    for row in rows:
        lane, at = f"{row['target']}:{row['device']}", row["body"]["TimeInstant"]
        if (lane, at) in seen:
            continue
        seen.add((lane, at))
        if at < newest.get(lane, ""):
            wrong.append((lane, newest[lane], at))
        newest[lane] = max(newest.get(lane, ""), at)
    return wrong


def minutes(record: Path) -> tuple[dict[Key, dict[str, Any]], set[Key]]:
    """What the counters' twin produced, and what it heard 200 for."""
    produced: dict[Key, dict[str, Any]] = {}
    acked: set[Key] = set()
    for line in record.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        key = (row["serial"], row["utcFrom"].replace("Z", ".000Z"))
        produced.setdefault(key, row)
        if row["acked"]:
            acked.add(key)
    return produced, acked
