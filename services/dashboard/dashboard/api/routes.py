"""Routes of the API, made of its paths."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dashboard.api import answers, asked, openapi
from dashboard.api.paths import JSON, PATHS, Path
from dashboard.parts import Parts
from dashboard.reading.events import BadCursor

DESCRIPTION = "/api/openapi.json"


def routes(parts: Parts) -> list[BaseRoute]:
    """One per path, and the description of them all."""
    return [
        Route(DESCRIPTION, _description(), methods=["GET"]),
        *(Route(_pattern(each.path), _bound(each, parts), methods=["GET"]) for each in PATHS),
    ]


def _pattern(path: str) -> str:
    """A device's id may hold a slash; it comes last."""
    return path.replace("{lane}", "{lane:path}")


def _bound(path: Path, parts: Parts) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        try:
            return await path.handler(parts, asked.read(request, path.parameters))
        except (answers.BadQuery, BadCursor) as problem:
            return answers.fault(400, str(problem))
        except OSError as problem:
            return answers.fault(503, f"the event log cannot be read: {problem.strerror}")

    return handle


def _description() -> Callable[[Request], Awaitable[Response]]:
    content = msgspec.json.encode(openapi.document())

    async def handle(_: Request) -> Response:
        return Response(content, media_type=JSON)

    return handle
