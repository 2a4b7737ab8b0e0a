"""Paths and what answers them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dashboard.api import answers, handlers
from dashboard.parts import Parts

Handler = Callable[[Parts, Request], Awaitable[Response]]

PATHS: dict[str, Handler] = {
    "/healthz": handlers.healthz,
    "/api/rate": handlers.rate,
    "/api/timeline": handlers.timeline,
    "/api/last/evd": handlers.last_evd,
    "/api/last/crowd": handlers.last_crowd,
    "/api/last/unknown": handlers.last_unknown,
    "/api/ledger": handlers.ledger,
    "/api/ledger/audit": handlers.audit,
    "/api/breaker": handlers.breaker,
    "/api/streams": handlers.streams,
    "/api/configuration": handlers.configuration,
    "/api/problems": handlers.problems,
    "/api/live": handlers.live,
}


def routes(parts: Parts) -> list[BaseRoute]:
    """One route per path; all are read with GET."""
    return [Route(path, _bound(handler, parts), methods=["GET"]) for path, handler in PATHS.items()]


def _bound(handler: Handler, parts: Parts) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        try:
            return await handler(parts, request)
        except answers.BadQuery as problem:
            return answers.fault(400, str(problem))

    return handle
