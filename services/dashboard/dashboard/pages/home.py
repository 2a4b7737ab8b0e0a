"""The first page, /: is it all right."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from dashboard.pages import figures, rendering
from dashboard.parts import Parts


async def show(request: Request, parts: Parts) -> Response:
    t = rendering.words(request, parts)
    now = await parts.reading.now(t.lang)
    asked = request.query_params.get("range", "")
    name = asked if asked in figures.RANGES else "10m"
    return rendering.page(
        request,
        parts,
        "home.html",
        now=now,
        problems=figures.ordered(now.problems),
        verdict=figures.verdict(t, now.problems),
        link_of=figures.link_of,
        letters_now=figures.letters_of(now.ledger),
        differences=figures.differences(now.ledger),
        chart=figures.chart(name, await parts.reading.timeline(**figures.RANGES[name][0])),
        ranges=tuple(figures.RANGES),
        last_evd=await parts.reading.last("evd"),
        last_crowd=await parts.reading.last("crowd"),
        last_unknown=await parts.reading.unknown(),
    )
