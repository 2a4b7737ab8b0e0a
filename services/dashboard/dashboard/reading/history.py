"""Rates and timelines, from the rollups that the scripts keep."""

from __future__ import annotations

from dashboard.reading.shapes import FamilyRate, Rates, Timeline
from dashboard.reading.sources import Sources, lossy, number
from gantry import topology

WINDOW_S = 90
MOST_WINDOW_S = 600
MOST_MINUTES, MOST_HOURS = 2880, 2184
FAMILIES = ("evd", "crowd")
_SERIES = ("received", *FAMILIES, "published:evd", "published:crowd", "deduplicated", "filtered", "dead")
_STEP = {"seconds": 1, "minutes": 60, "hours": 3600}


async def rates(sources: Sources, window_s: int = WINDOW_S) -> Rates:
    """Measures accepted within the last `window_s` seconds."""
    now = sources.now_ms() // 1000
    _, found = await series(sources, "seconds", FAMILIES, now - window_s + 1, now)
    evd, crowd = (sum(found[family]) for family in FAMILIES)
    return Rates(
        window_sec=window_s,
        EVD=FamilyRate(rate=round(evd / window_s, 4), count=evd),
        CROWD=FamilyRate(rate=round(crowd / window_s, 4), count=crowd),
    )


async def timeline(sources: Sources, *, minutes: int = 0, hours: int = 0) -> Timeline:
    """By minutes, or by hours; the last bucket is the running one."""
    period, count = ("hours", hours) if hours else ("minutes", minutes)
    step, now = _STEP[period], sources.now_ms() // 1000
    starts, found = await series(sources, period, _SERIES, now - (count - 1) * step, now)
    published = [sum(pair) for pair in zip(*(found[f"published:{t}"] for t in topology.TARGETS), strict=True)]
    return Timeline(
        timestamps=starts,
        evd=found["evd"],
        crowd=found["crowd"],
        received=found["received"],
        published=published,
        deduplicated=found["deduplicated"],
        filtered=found["filtered"],
        dead=found["dead"],
        minutes=count * step // 60,
        bucket_sec=step,
    )


async def series(
    sources: Sources, period: str, figures: tuple[str, ...], since_s: int, until_s: int
) -> tuple[list[int], dict[str, list[int]]]:
    """Starts of the buckets, and each figure's count in each."""
    step = _STEP[period]
    starts = list(range(since_s // step * step, until_s + 1, step))
    fields = [f"{start}:{figure}" for figure in figures for start in starts]
    values = await sources.client.hmget(sources.keys.rollup(period), fields)
    counts = [number(lossy(value or b"0")) for value in values]
    return starts, {figure: counts[i * len(starts) : (i + 1) * len(starts)] for i, figure in enumerate(figures)}
