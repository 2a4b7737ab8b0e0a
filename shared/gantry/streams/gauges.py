"""The ledger and the groups as Prometheus gauges: each service exports what it moves, read from Redis."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from prometheus_client import Gauge

from gantry.errors import Unavailable
from gantry.ledger import Ledger
from gantry.runtime import pause
from gantry.streams.books import Books, Position

EVERY_S = 5.0

LEDGER = Gauge("gantry_ledger", "A term of the ledger, as `gantry audit` names it, over all time.", ["term"])
IMBALANCE = Gauge("gantry_ledger_imbalance", "What is missing (+) or too much (-) in a line of the ledger.", ["line"])
LENGTH = Gauge("gantry_stream_length", "Entries of a stream.", ["stream"])
LAG = Gauge("gantry_stream_lag", "Entries that a group has not taken up.", ["stream", "group"])
PENDING = Gauge("gantry_stream_pending", "Entries that a group has taken up and not finished.", ["stream", "group"])


class LedgerGauges:
    """Keeps the gauges of the given terms fresh, and those of the groups on `streams` (names as Position has them)."""

    def __init__(self, books: Books, terms: Sequence[str], *, streams: Sequence[str] = ()) -> None:
        self._books, self._terms, self._streams = books, terms, streams

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with contextlib.suppress(Unavailable):  # readiness says so; the gauges keep their last value
                show(await self._books.read(), self._terms)
                show_positions(await self._books.positions(self._streams))
            await pause(stop, EVERY_S)


class Received:
    """Keeps the one term fresh that whoever appends moves; to see the whole ledger, one must be able to read events."""

    def __init__(self, books: Books) -> None:
        self._books = books

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with contextlib.suppress(Unavailable):
                LEDGER.labels("received").set(await self._books.counter("received"))
            await pause(stop, EVERY_S)


def show(ledger: Ledger, terms: Sequence[str]) -> None:
    """Set the gauges of `terms`."""
    values = {"received": ledger.received, "measures": ledger.measures, **ledger.events, **ledger.outcomes}
    for term in terms:
        LEDGER.labels(term).set(values[term] if term in values else ledger.beside.get(term, 0))
    IMBALANCE.labels("events").set(ledger.events_difference)
    IMBALANCE.labels("measures").set(ledger.measures_difference)


def show_positions(positions: Sequence[Position]) -> None:
    """Set the gauges of the groups; a lag that the server does not know keeps its last value."""
    for each in positions:
        LENGTH.labels(each.stream).set(each.length)
        PENDING.labels(each.stream, each.group).set(each.pending)
        if each.lag is not None:
            LAG.labels(each.stream, each.group).set(each.lag)
