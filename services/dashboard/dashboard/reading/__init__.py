"""Reading: what pages and API show, from Redis and the event log. Nothing here writes.

Raises Unavailable, or redis-py's ConnectionError and TimeoutError, while the server is away.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from dashboard.reading import (
    configuration,
    details,
    devices,
    events,
    history,
    last,
    letters,
    site,
    states,
    stories,
    streams,
)
from dashboard.reading.shapes import DeviceDetail, Devices, LastEvent, LastUnknown, Lines, Rates, Story, Timeline
from dashboard.reading.sources import Sources
from gantry.streams.letters import Wanted as WantedLetters


class Reading:
    """One method per answer."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources

    async def now(self, language: str = "en") -> states.Now:
        """What the first page shows."""
        return await site.now(self.sources, language)

    async def rates(self, window_s: int = history.WINDOW_S) -> Rates:
        return await history.rates(self.sources, window_s)

    async def timeline(self, *, minutes: int = 10, hours: int = 0) -> Timeline:
        return await history.timeline(self.sources, minutes=minutes, hours=hours)

    async def status(self) -> dict[str, Any]:
        """The answer of `/api/status`; its struct is status_shapes.Status."""
        return await last.status(self.sources)

    async def last(self, family: str) -> LastEvent | None:
        """`family`: evd or crowd."""
        return await last.last(self.sources, family)

    async def unknown(self) -> LastUnknown | None:
        return await last.unknown(self.sources)

    async def events(self, wanted: events.Wanted) -> Lines:
        return await events.events(self.sources, wanted)

    async def story(self, event_id: str) -> Story:
        return await stories.story(self.sources, event_id)

    async def devices(self, wanted: devices.Wanted) -> Devices:
        return await devices.devices(self.sources, wanted)

    async def device(self, target: str, lane: str) -> DeviceDetail | None:
        """None for a lane that nobody has ever heard of."""
        return await details.device(self.sources, target, lane)

    async def streams(self) -> states.Streams:
        return await streams.streams(self.sources)

    async def letters(
        self, wanted: WantedLetters, *, cursor: str = "", limit: int = letters.PAGE
    ) -> states.LettersPage:
        return await letters.page(self.sources, wanted, cursor=cursor, limit=limit)

    async def letter(self, entry: str) -> states.LetterState | None:
        return await letters.letter(self.sources, entry)

    def export(self, wanted: WantedLetters) -> AsyncIterator[bytes]:
        """NDJSON."""
        return letters.export(self.sources, wanted)

    async def ledger(self) -> states.LedgerLines:
        return await site.ledger(self.sources)

    async def audit(self) -> states.LedgerAudit:
        return await site.audit(self.sources)

    async def breakers(self) -> states.Breakers:
        return await site.breakers(self.sources)

    async def configuration(self) -> states.Configuration:
        return await configuration.configuration(self.sources)

    async def problems(self, language: str = "en") -> states.Problems:
        return await site.problems(self.sources, language)
