"""What happened to an event: /events."""

from __future__ import annotations

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from dashboard.pages import asked, rendering
from dashboard.parts import Parts
from dashboard.reading import events
from dashboard.reading.shapes import Lines

PAGE = 100
FAMILIES = ("EVD", "CROWD")
WINDOWS_S = (600, 3600, 86400)


async def show(request: Request, parts: Parts) -> Response:
    """The log, filtered. Words that look for nothing but an event's id lead to its story."""
    wanted = events.Wanted(
        limit=PAGE,
        seconds=asked.whole(request, "seconds", most=events.MOST_SECONDS),
        device=asked.text(request, "device"),
        what=asked.text(request, "what"),
        outcome=asked.choice(request, "outcome", events.OUTCOMES),
        family=asked.choice(request, "family", FAMILIES),
        text=asked.text(request, "q"),
        cursor=asked.text(request, "cursor", most=400),
    )
    return rendering.page(
        request,
        parts,
        "events.html",
        found=await found(parts, wanted),
        wanted=wanted,
        outcomes=events.OUTCOMES,
        families=FAMILIES,
        windows=WINDOWS_S,
        newest={family: await parts.reading.last(family) for family in ("evd", "crowd")},
        unknown=await parts.reading.unknown(),
    )


async def found(parts: Parts, wanted: events.Wanted) -> Lines:
    """One page of the log; the first for a cursor of a log that is gone."""
    try:
        return await parts.reading.events(wanted)
    except events.BadCursor:
        return await parts.reading.events(replace(wanted, cursor=""))


async def one(request: Request, parts: Parts) -> Response:
    story = await parts.reading.story(request.path_params["id"])
    return rendering.page(request, parts, "story.html", status=200 if story.found else 404, story=story)
