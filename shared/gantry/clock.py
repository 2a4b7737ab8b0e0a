"""Time as an argument: services take a Clock, only `__main__` says SystemClock()."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What the shell may ask about time."""

    def now_us(self) -> int:
        """Wall clock, µs since the epoch: for stamps that leave the process."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back: for durations and deadlines."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return time.monotonic()
