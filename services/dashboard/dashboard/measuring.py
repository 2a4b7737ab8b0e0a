"""Around every request: counting and timing it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard import telemetry

UNKNOWN = "none"


def names(routes: Sequence[BaseRoute]) -> dict[Any, str]:
    """What answers → its pattern."""
    found: dict[Any, str] = {each.endpoint: each.path for each in routes if isinstance(each, Route)}
    return found | {each.app: each.path for each in routes if isinstance(each, Mount)}


class Measured:
    """Counts by route; all paths that no route knows are counted as one."""

    def __init__(self, app: ASGIApp, routes: Mapping[Any, str]) -> None:
        self._app, self._routes = app, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = self._routes.get(scope.get("endpoint"), UNKNOWN)
                telemetry.answered(route, message["status"], time.perf_counter() - begun)
            await send(message)

        await self._app(scope, receive, counting)
