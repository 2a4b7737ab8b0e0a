"""Attempt → delay, pure."""

from __future__ import annotations

import random


def delay(attempt: int, *, first_s: float, cap_s: float, chance: random.Random) -> float:
    """Exponential back-off with full jitter: between 0 and min(cap, first·2^attempt) seconds; attempt from 0."""
    return chance.uniform(0, min(cap_s, first_s * 2 ** min(attempt, 30)))
