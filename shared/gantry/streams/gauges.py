"""The ledger as Prometheus gauges: each service exports the terms that it moves, read from Redis."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from prometheus_client import Gauge

from gantry.errors import Unavailable
from gantry.ledger import Ledger
from gantry.runtime import pause
from gantry.streams.books import Books

EVERY_S = 5.0

LEDGER = Gauge("gantry_ledger", "A term of the ledger, as `gantry audit` names it, over all time.", ["term"])
IMBALANCE = Gauge("gantry_ledger_imbalance", "What is missing (+) or too much (-) in a line of the ledger.", ["line"])


class LedgerGauges:
    """Keeps the gauges of the given terms fresh."""

    def __init__(self, books: Books, terms: Sequence[str]) -> None:
        self._books, self._terms = books, terms

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with contextlib.suppress(Unavailable):  # readiness says so; the gauges keep their last value
                show(await self._books.read(), self._terms)
            await pause(stop, EVERY_S)


def show(ledger: Ledger, terms: Sequence[str]) -> None:
    """Set the gauges of `terms`."""
    values = {"received": ledger.received, "measures": ledger.measures, **ledger.events, **ledger.outcomes}
    for term in terms:
        LEDGER.labels(term).set(values[term])
    IMBALANCE.labels("events").set(ledger.events_difference)
    IMBALANCE.labels("measures").set(ledger.measures_difference)
