"""Whether what comes for a device is more than may go out. Pure; `pull.lua` keeps the figures."""

from __future__ import annotations

from dataclasses import dataclass

WINDOW_MS = 300_000


@dataclass(frozen=True, slots=True)
class Flow:
    """Measures of one lane by windows of WINDOW_MS, as they were pulled."""

    start_ms: int  # of the running window
    older: int  # two windows before
    last: int  # one before
    this: int  # so far

    @classmethod
    def parse(cls, text: str) -> Flow:
        """Raises ValueError unless it is four whole numbers."""
        start, older, last, this = map(int, text.split(" "))
        return cls(start, older, last, this)

    def sustained_per_minute(self, now_ms: int) -> float:
        """What came in each of the last two whole windows at least; a history pushed at once is no sustained rate."""
        passed = (now_ms - self.start_ms) // WINDOW_MS
        both = {0: (self.older, self.last), 1: (self.last, self.this)}.get(passed, (0, 0))
        return min(both) * 60_000 / WINDOW_MS


@dataclass(frozen=True, slots=True)
class Overrun:
    """A device whose limit lies below what it sends."""

    arriving: float  # measures a minute
    allowed: float
    waiting: int

    @classmethod
    def parse(cls, text: str) -> Overrun:
        """Raises ValueError unless it is two numbers and a whole one."""
        arriving, allowed, waiting = text.split(" ")
        return cls(float(arriving), float(allowed), int(waiting))

    def render(self) -> str:
        return f"{self.arriving:.1f} {self.allowed:.1f} {self.waiting}"

    def hours_until(self, quota: int) -> float:
        """Until the backlog has used up the device's quota, and new measures are refused."""
        return max(0, quota - self.waiting) / ((self.arriving - self.allowed) * 60)
