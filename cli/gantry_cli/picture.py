"""What the demo's table shows, and the arithmetic behind it. Pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gantry.diagnosis.facts import Breaker
from gantry.ledger import Ledger
from gantry.streams.controls import Pause

NEWEST = 1000  # measures that the latency speaks of, at the most
RECENT_S = 10.0  # and how recent their receipts are: an old backlog says nothing of now
WINDOW_S = 5.0


@dataclass(frozen=True, slots=True)
class Latency:
    """From a device's last byte to the receipt, ms; of the receipts of the last RECENT_S."""

    p50: float
    p99: float
    measures: int


@dataclass(frozen=True, slots=True)
class Rates:
    """Per second, over the last WINDOW_S."""

    received: float
    published: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One second of the demo."""

    elapsed_s: float
    ledger: Ledger
    latency: Latency | None  # None: no receipt yet
    rates: Rates
    breakers: tuple[Breaker, ...]
    alive: Mapping[str, bool]
    pauses: tuple[Pause, ...] = ()
    held: int = 0  # devices that a person or the platform holds


@dataclass(slots=True)
class Latencies:
    """The newest measures' ways from byte to receipt."""

    _seen_us: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=NEWEST))  # (settled, way)

    def add(self, settled_us: int, received_us: Iterable[int]) -> None:
        """One receipt: when it was settled, and when each of its measures' bytes had arrived."""
        self._seen_us.extend((settled_us, settled_us - at) for at in received_us)
        while settled_us - self._seen_us[0][0] > RECENT_S * 1_000_000:
            self._seen_us.popleft()

    def now(self) -> Latency | None:
        """Percentiles by nearest rank."""
        ways = sorted(way for _, way in self._seen_us)
        return Latency(_rank(ways, 50) / 1000, _rank(ways, 99) / 1000, len(ways)) if ways else None


@dataclass(slots=True)
class Pace:
    """How fast the ledger moves."""

    _seen: deque[tuple[float, int, int]] = field(default_factory=deque)

    def now(self, at_s: float, ledger: Ledger) -> Rates:
        """Rates at `at_s` on a monotonic clock; zeros at the first look."""
        self._seen.append((at_s, ledger.received, ledger.outcomes["published"]))
        while len(self._seen) > 2 and at_s - self._seen[1][0] >= WINDOW_S:  # noqa: PLR2004 - two make a rate
            self._seen.popleft()
        then, received, published = self._seen[0]
        span = at_s - then
        if span <= 0:
            return Rates(0.0, 0.0)
        return Rates((ledger.received - received) / span, (ledger.outcomes["published"] - published) / span)


def _rank(ordered: Sequence[int], percent: int) -> int:
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
