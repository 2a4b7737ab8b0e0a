"""What a person sees: each page answers one question."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import redis.exceptions
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard.pages import devices, events, home, letters, rendering, site, static
from dashboard.parts import Parts
from gantry.errors import Unavailable

Handler = Callable[[Request, Parts], Awaitable[Response]]
_PAGES: tuple[tuple[str, Handler], ...] = (
    ("/", home.show),
    ("/devices", devices.show),
    ("/devices/{target}/{lane:path}", devices.one),
    ("/events", events.show),
    ("/events/{id:path}", events.one),
    ("/letters", letters.show),
    ("/letters/{entry}", letters.one),
    ("/streams", site.streams),
    ("/configuration", site.configuration),
    ("/actions-log", site.actions),
)


def routes(parts: Parts) -> list[Route]:
    """Every page, and the static files."""
    return [*static.routes(), *(Route(path, _bound(handler, parts)) for path, handler in _PAGES)]


def _bound(handler: Handler, parts: Parts) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        if getattr(request.state, "said", None):  # who has just acted sees what came of it
            parts.reading.sources.cache.clear()
        try:
            return await handler(request, parts)
        except (Unavailable, redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
            return rendering.away(request, parts)

    return answer
