"""Rates and timelines, from the rollups that the scripts keep."""

from __future__ import annotations

from dashboard.reading.shapes import FamilyRate, Rates, Timeline
from dashboard.reading.sources import Sources
from gantry import topology
from gantry.diagnosis import facts
from gantry.streams import rollups

WINDOW_S = 90
MOST_WINDOW_S = 600
MOST_MINUTES, MOST_HOURS = 2880, 2184
FAMILIES = topology.TARGETS


async def rates(sources: Sources, window_s: int = WINDOW_S) -> Rates:
    """Measures accepted within the last `window_s` seconds."""
    now = await facts.now_ms(sources.client) // 1000
    found = await rollups.series(
        sources.client, sources.keys, "seconds", FAMILIES, since_s=now - window_s + 1, until_s=now + 1
    )
    evd, crowd = (sum(found.counts[family]) for family in FAMILIES)
    return Rates(
        window_sec=window_s,
        EVD=FamilyRate(rate=round(evd / window_s, 4), count=evd),
        CROWD=FamilyRate(rate=round(crowd / window_s, 4), count=crowd),
    )


async def timeline(sources: Sources, *, minutes: int = 0, hours: int = 0) -> Timeline:
    """By minutes, or by hours; the last bucket is the running one."""
    period, count = ("hours", hours) if hours else ("minutes", minutes)
    step, now = rollups.WIDTH_S[period], await facts.now_ms(sources.client) // 1000
    found = await rollups.series(
        sources.client, sources.keys, period, rollups.FIGURES, since_s=now - (count - 1) * step, until_s=now + 1
    )
    counts = {name: list(values) for name, values in found.counts.items()}
    published = [sum(pair) for pair in zip(*(counts[f"published:{t}"] for t in topology.TARGETS), strict=True)]
    return Timeline(
        timestamps=list(found.starts),
        evd=counts["evd"],
        crowd=counts["crowd"],
        received=counts["received"],
        published=published,
        deduplicated=counts["deduplicated"],
        filtered=counts["filtered"],
        dead=counts["dead"],
        minutes=count * step // 60,
        bucket_sec=step,
    )
