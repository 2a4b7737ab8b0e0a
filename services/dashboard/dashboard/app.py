"""The application: API, pages, login and actions on one port."""

from __future__ import annotations

from functools import partial

import redis.exceptions
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute

from dashboard import access, actions, api, pages, telemetry
from dashboard.api.answers import fault
from dashboard.measuring import Measured, names
from dashboard.pages import rendering
from dashboard.parts import Parts
from gantry.errors import Unavailable

AWAY = "Redis does not answer; the dashboard asks again with the next request"
SMALLEST = 1024  # bytes that are worth compressing; server-sent events never are


def build(parts: Parts) -> Starlette:
    """Everything that is asked for on DASHBOARD_PORT."""
    routes: list[BaseRoute] = [
        *api.routes(parts),
        *access.routes(parts),
        *actions.routes(parts),
        *pages.routes(parts),
    ]
    away = partial(_away, parts)
    return Starlette(
        routes=routes,
        middleware=[
            Middleware(Measured, routes=names(routes)),
            *access.middleware(parts),
            Middleware(GZipMiddleware, minimum_size=SMALLEST),
        ],
        exception_handlers={
            HTTPException: partial(_refused, parts),
            Unavailable: away,
            redis.exceptions.ConnectionError: away,
            redis.exceptions.TimeoutError: away,
            Exception: _failed,
        },
    )


async def _refused(parts: Parts, request: Request, error: Exception) -> Response:
    """A path that is not there, or a method that it does not take."""
    code, reason = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "")
    headers = error.headers if isinstance(error, HTTPException) else None
    if _is_api(request):
        answer = fault(code, reason)
    elif code == 404:  # noqa: PLR2004 - not found
        answer = rendering.missing(request, parts)
    else:
        answer = PlainTextResponse(f"{reason}\n", status_code=code)
    answer.headers.update(headers or {})
    return answer


async def _away(parts: Parts, request: Request, _error: Exception) -> Response:
    return fault(503, AWAY) if _is_api(request) else rendering.away(request, parts)


async def _failed(request: Request, error: Exception) -> Response:
    """A bug. Whoever asks learns that it failed, the log learns how."""
    telemetry.request_failed(request.url.path, error)
    reason = "this failed in the dashboard; its log says how"
    return fault(500, reason) if _is_api(request) else PlainTextResponse(f"{reason}\n", status_code=500)


def _is_api(request: Request) -> bool:
    return request.url.path.startswith("/api/")
