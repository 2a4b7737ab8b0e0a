"""What waits, in hours at the allowed rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dashboard.reading import processes, states
from dashboard.reading.sources import CHUNK, Sources, lossy
from gantry import topology

Lengths = Mapping[tuple[str, str], int]  # (target, lane) → measures that wait


async def lengths(sources: Sources) -> Lengths:
    """The same for all who ask within a second."""
    return await sources.cache.get("lengths", lambda: lengths_now(sources))


async def lengths_now(sources: Sources) -> Lengths:
    """Every lane that is due or leased, with what waits in it; held empty lanes have 0."""
    lanes = [
        (target, lossy(name))
        for target in topology.TARGETS
        for name in await sources.client.zrange(sources.keys.due(target), 0, -1)
    ]
    found: list[int] = []
    for start in range(0, len(lanes), CHUNK):
        pipe = sources.client.pipeline(transaction=False)
        for target, lane in lanes[start : start + CHUNK]:
            pipe.llen(sources.keys.lane(target, lane))
        found += await pipe.execute()
    return dict(zip(lanes, found, strict=True))


async def backlog(sources: Sources, alive: Sequence[states.Process]) -> states.Backlog:
    """All lanes together, and the one that takes longest."""
    return measure(await lengths(sources), processes.limits(alive), await own_limits(sources))


async def own_limits(sources: Sources) -> dict[tuple[str, str], float]:
    """Measures a minute that may go out of the lanes that are over their limit: publishers say it of these alone."""
    found = {}
    for target in topology.TARGETS:
        for lane, said in (await sources.client.hgetall(sources.keys.over_limit(target))).items():
            words = lossy(said).split(" ")
            found[target, lossy(lane)] = float(words[1]) if len(words) > 1 else 0.0
    return found


def measure(waiting: Lengths, general: processes.Limits | None, own: Mapping[tuple[str, str], float]) -> states.Backlog:
    """Lanes go out side by side, so the whole takes as long as the worst, or as the target's ceiling lets it. Pure."""
    hours = {
        key: hours_of(n, own.get(key) or (general.per_minute if general else 0)) for key, n in waiting.items() if n
    }
    known = {key: h for key, h in hours.items() if h is not None}
    worst = max(known or {k: float(waiting[k]) for k in hours}, key=lambda k: known.get(k, waiting[k]), default=None)
    total = sum(waiting.values())
    ceiling = general.requests_per_s if general else 0.0
    return states.Backlog(
        waiting=total,
        lanes=len(hours),
        hours=None
        if hours and not known
        else round(max([0.0, *known.values(), total / ceiling / 3600 if ceiling else 0.0]), 2),
        worst_target=worst[0] if worst else "",
        worst_lane=worst[1] if worst else "",
        worst_waiting=waiting[worst] if worst else 0,
        worst_hours=known.get(worst) if worst else 0.0,
    )


def hours_of(waiting: int, per_minute: float) -> float | None:
    """None where it is not known what is allowed."""
    return round(waiting / per_minute / 60, 2) if per_minute > 0 else None
