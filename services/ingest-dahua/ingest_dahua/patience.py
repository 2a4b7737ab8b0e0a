"""How long to leave a recorder alone after a failure. Pure.

A box answers 401 also when its connection table is full, and locks a source address for about 30 minutes after repeated
failures; every further try within that time renews the lock.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds; tests give shorter ones."""

    first_s: float = 5.0
    cap_s: float = 60.0
    refused_s: tuple[float, ...] = (15.0, 60.0)  # after the first and the second login refused in a row
    locked_s: float = 900.0  # after the third, and every one that follows


@dataclass(slots=True)
class Failures:
    """What went wrong since the last sign of life."""

    lost: int = 0
    refused: int = 0  # logins, in a row

    def alive(self) -> None:
        """A heartbeat or an event came: a 200 alone proves nothing."""
        self.lost = self.refused = 0


def pause_s(failures: Failures, patience: Patience, chance: random.Random, *, refused: bool) -> float:
    """Count this failure and say how long to wait. A failure of another kind does not forgive refused logins."""
    if refused:
        failures.refused += 1
        steps = patience.refused_s
        step = steps[failures.refused - 1] if failures.refused <= len(steps) else patience.locked_s
    else:
        failures.lost += 1
        step = min(patience.cap_s, patience.first_s * 2 ** min(failures.lost - 1, 30))
    return step * chance.uniform(1.0, 1.2)
