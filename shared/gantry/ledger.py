"""The two identities that hold at every instant, and the comparison of counters with a recount. Pure.

events:    received = in_raw + deduplicated + filtered + dead_in + dropped_in + accepted
measures:  measures = waiting + published + dead_out + dropped
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

EVENT_TERMS = ("in_raw", "deduplicated", "filtered", "dead_in", "dropped_in", "accepted")
MEASURE_TERMS = ("waiting", "published", "dead_out", "dropped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Both lines at one instant. `beside` holds figures outside of them (delayed, filtered:<reason>, …)."""

    received: int
    events: Mapping[str, int]  # EVENT_TERMS
    measures: int
    outcomes: Mapping[str, int]  # MEASURE_TERMS
    beside: Mapping[str, int]

    @property
    def events_difference(self) -> int:
        """0 when the first line balances."""
        return self.received - sum(self.events.values())

    @property
    def measures_difference(self) -> int:
        """0 when the second line balances."""
        return self.measures - sum(self.outcomes.values())

    @property
    def balanced(self) -> bool:
        """Both lines balance."""
        return not self.events_difference and not self.measures_difference


@dataclass(frozen=True, slots=True)
class Difference:
    """A counter that is not what the keys say."""

    what: str
    counted: int
    found: int


def read(counters: Mapping[str, int], *, in_raw: int, waiting: int) -> Ledger:
    """Both lines from the ledger's counters and what the streams hold."""
    given = {**counters, "in_raw": in_raw, "waiting": waiting}
    named = {"received", "measures", *EVENT_TERMS, *MEASURE_TERMS}
    return Ledger(
        received=counters.get("received", 0),
        events={term: given.get(term, 0) for term in EVENT_TERMS},
        measures=counters.get("measures", 0),
        outcomes={term: given.get(term, 0) for term in MEASURE_TERMS},
        beside={name: value for name, value in counters.items() if name not in named},
    )


def differences(ledger: Ledger, recount: Mapping[str, int]) -> list[Difference]:
    """Where the counters and the keys themselves disagree; `recount` as audit.lua names it."""
    r, e, m = recount, ledger.events, ledger.outcomes
    waiting = r["pending"] + r["lag"]
    pairs = {
        "received = in_raw + deduplicated + filtered + dead_in + dropped_in + accepted": (
            ledger.received,
            sum(e.values()),
        ),
        "measures = waiting + published + dead_out + dropped": (ledger.measures, sum(m.values())),
        "entries of raw = unread + pending of group processor": (r["raw_entries"], r["raw_open"]),
        "lanes that are due or leased = lanes with measures": (r["due"], r["lanes"]),
        "pending of group publisher = measures in lanes": (r["pending"], r["in_lanes"]),
        "dead_in = letters of events": (e["dead_in"], r["letters_in"]),
        "dead_out = letters of measures": (m["dead_out"], r["letters_out"]),
        "units held by devices = in_raw + waiting + letters": (
            r["held"],
            r["raw_entries"] + waiting + r["letters_in"] + r["letters_out"],
        ),
    }
    return [Difference(what, counted, found) for what, (counted, found) in pairs.items() if counted != found]
