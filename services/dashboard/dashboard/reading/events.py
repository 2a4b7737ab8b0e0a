"""The event log, newest first, filtered. The files are read by a thread, one reading at a time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from dashboard.reading.shapes import Lines
from dashboard.reading.sources import Sources
from gantry import eventlog
from gantry.errors import Malformed
from gantry.eventlog.line import OUTCOMES
from gantry.eventlog.reading import MOST_LINES

__all__ = ["MOST", "MOST_SECONDS", "OUTCOMES", "PAGE", "Wanted", "events"]

PAGE, MOST, MOST_SECONDS = 100, MOST_LINES, 86_400


class BadCursor(Malformed):
    """What was given as cursor or filter is none; the message is for whoever asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which lines; what is empty lets everything through."""

    limit: int = PAGE
    seconds: int = 0  # not older than so many; 0: any
    device: str = ""  # lane or key, exactly
    what: str = ""
    outcome: str = ""
    family: str = ""
    text: str = ""
    cursor: str = ""


async def events(sources: Sources, wanted: Wanted) -> Lines:
    """One page. Raises BadCursor; OSError for a folder that may not be read."""
    since_ms = sources.now_ms() - wanted.seconds * 1000 if wanted.seconds else 0
    async with sources.reading_log:
        try:
            filters = eventlog.Wanted(
                device=wanted.device,
                what=wanted.what,
                outcome=wanted.outcome,
                family=wanted.family,
                text=wanted.text,
                since_ms=since_ms,
            )
            page = await asyncio.to_thread(sources.log.page, filters, limit=wanted.limit, cursor=wanted.cursor)
        except Malformed as problem:
            raise BadCursor(str(problem)) from problem
    return Lines(
        count=len(page.lines),
        events=page.lines,
        next=page.next,
        cut=page.cut,
        missing=page.missing,
        damaged=bool(page.damaged),
    )
