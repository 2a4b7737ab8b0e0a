"""How many of what, by seconds, minutes and hours: what the scripts counted, read as series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gantry.streams.client import Client
from gantry.topology import Topology

WIDTH_S = {"seconds": 1, "minutes": 60, "hours": 3600}
KEPT_S = {"seconds": 600, "minutes": 2 * 86400, "hours": 91 * 86400}
FIGURES = ("received", "evd", "crowd", "published:evd", "published:crowd", "deduplicated", "filtered", "dead")
_CHUNK = 2000  # fields a round trip


@dataclass(frozen=True, slots=True)
class Series:
    """Counts of each figure per bucket; `starts` in s since the epoch, oldest first."""

    starts: tuple[int, ...]
    counts: dict[str, tuple[int, ...]]


async def series(
    client: Client, keys: Topology, period: str, figures: Sequence[str], *, since_s: int, until_s: int
) -> Series:
    """The buckets that overlap [since_s, until_s), by the server's clock; 0 where nothing was counted."""
    width = WIDTH_S[period]
    starts = tuple(range(since_s - since_s % width, until_s, width))
    fields = [f"{start}:{figure}" for figure in figures for start in starts]
    found: list[Any] = []
    for at in range(0, len(fields), _CHUNK):
        found += await client.hmget(keys.rollup(period), fields[at : at + _CHUNK])
    numbers = [int(value) if value else 0 for value in found]
    slices = {figure: tuple(numbers[n * len(starts) : (n + 1) * len(starts)]) for n, figure in enumerate(figures)}
    return Series(starts, slices)
