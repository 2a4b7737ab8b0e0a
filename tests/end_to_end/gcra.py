"""A device's limit, recounted from what arrived: the same rule as in Redis, from the other end."""

from __future__ import annotations

from collections.abc import Iterable


def early_s(arrivals: Iterable[tuple[int, int]], period_s: float, burst: int) -> float:
    """By how many seconds the worst request came before its limit allowed it; 0 if none did.

    `arrivals`: (µs, measures) in order. Requests travel for some ms, so a little is no fault of the limit.
    """
    worst, free_at = 0.0, 0.0  # free_at: when everything that has come would have come evenly
    for at_us, measures in arrivals:
        at = at_us / 1_000_000
        free_at = max(free_at, at) + measures * period_s
        worst = max(worst, free_at - at - burst * period_s)
    return worst
