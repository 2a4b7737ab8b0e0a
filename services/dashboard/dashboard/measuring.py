"""Around every request: counting it, timing it, compressing its answer."""

from __future__ import annotations

import time

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard import telemetry

UNCOMPRESSED = frozenset({"/api/live"})
SMALLEST = 1024


class Measured:
    """Counts by route; a path that no route knows is counted as one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "none")
                telemetry.answered(route, message["status"], time.perf_counter() - begun)
            await send(message)

        await self._app(scope, receive, counting)


class Zipped:
    """gzip for whoever takes it, but never for the live stream, whose lines must not wait in a compressor."""

    def __init__(self, app: ASGIApp) -> None:
        self._app, self._zipping = app, GZipMiddleware(app, minimum_size=SMALLEST, compresslevel=6)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        plain = scope["type"] != "http" or scope["path"] in UNCOMPRESSED
        await (self._app if plain else self._zipping)(scope, receive, send)
