"""The application: API, pages, login and actions on one port."""

from __future__ import annotations

import redis.exceptions
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute

from dashboard import api
from dashboard.api.answers import fault
from dashboard.measuring import Measured, names
from dashboard.parts import Parts
from gantry.errors import Unavailable

AWAY = "Redis does not answer; the process goes on and asks again"
SMALLEST = 1024  # bytes that are worth compressing; server-sent events never are


def build(parts: Parts) -> Starlette:
    """Everything that is asked for on DASHBOARD_PORT."""
    routes: list[BaseRoute] = [*api.routes(parts)]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Measured, routes=names(routes)), Middleware(GZipMiddleware, minimum_size=SMALLEST)],
        exception_handlers={
            HTTPException: _refused,
            Unavailable: _away,
            redis.exceptions.ConnectionError: _away,
            redis.exceptions.TimeoutError: _away,
            Exception: _failed,
        },
    )


async def _refused(request: Request, error: Exception) -> Response:
    code, reason = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "")
    return _said(request, code, reason)


async def _away(request: Request, error: Exception) -> Response:
    _ = error
    return _said(request, 503, AWAY)


async def _failed(request: Request, error: Exception) -> Response:
    """Starlette raises the error again behind this answer; what is logged is told there."""
    _ = error
    return _said(request, 500, "this failed here; the log of the dashboard says why")


def _said(request: Request, code: int, reason: str) -> Response:
    if request.url.path.startswith("/api/"):
        return fault(code, reason)
    return PlainTextResponse(f"{reason}\n", status_code=code)
