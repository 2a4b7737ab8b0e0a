"""Who gets in: the host by which we are asked for, the session, the page that a form comes from, the role."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.access import judging, telemetry
from dashboard.access.gate import Access
from dashboard.access.sessions import Session
from dashboard.access.who import NOBODY, Who
from gantry.accounts import Role
from gantry.errors import Unavailable

LIVE = "/api/live"
RECHECK_S = 30.0  # whether a stream's session still stands, where reading needs one


class Hosts:
    """Answers only under names that are ours: else a foreign page, its name bent to our address, could read us."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            said = [value for name, value in scope["headers"] if name == b"host"]
            host = said[0].decode("latin-1") if len(said) == 1 else ""
            if not judging.host_allowed(host, self._access.names):
                telemetry.turned_away("host", scope["path"])
                answer = PlainTextResponse(
                    "This dashboard is not known under this host name. "
                    "Ask for it by its address, or add the name to DASHBOARD_NAMES.\n",
                    status_code=421,
                )
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)


class Door:
    """Finds out who asks, and lets through what they may ask for."""

    def __init__(self, app: ASGIApp, access: Access, *, recheck_s: float = RECHECK_S) -> None:
        self._app, self._access, self._recheck_s = app, access, recheck_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        self._introduce(request, None)
        if not judging.needs_nobody(request.url.path):
            refusal = await self._look(request)
            if refusal is not None:
                await refusal(scope, receive, send)
                return
            if self._access.closed and request.url.path == LIVE:
                receive = self._while_it_lasts(request, receive)
        await self._app(scope, receive, send)

    async def _look(self, request: Request) -> Response | None:
        """Say on the request who it is; the answer if it may not pass."""
        safe = request.method in judging.SAFE
        if not safe and not _from_our_own_page(request):
            telemetry.turned_away("origin", request.url.path)
            return PlainTextResponse("This form was not sent from a page of this dashboard.\n", status_code=403)
        try:
            self._introduce(request, await self._session(request))
        except Unavailable as error:
            telemetry.sessions_away(str(error))
            if not safe or self._closed(request):
                return _away(request)
        if self._closed(request) and request.state.who.role is Role.NOBODY:
            telemetry.turned_away("reading", request.url.path)
            return _log_in(request)
        return None if safe else _may_act(request, request.state.who)

    def _closed(self, request: Request) -> bool:
        return self._access.closed and not judging.always_open(request.url.path)

    async def _session(self, request: Request) -> Session | None:
        token = request.cookies.get(self._access.cookie, "")
        return await self._access.sessions.find(token) if token else None

    def _introduce(self, request: Request, session: Session | None) -> None:
        """`request.state`: who asks, what they are to be told on this very page, and the bulk under way."""
        said = session.said if session else None
        request.state.who = session.who if session else NOBODY
        request.state.said = said if said and said.nonce == request.query_params.get("said") else None
        request.state.bulk = self._access.bulk.progress

    def _while_it_lasts(self, request: Request, receive: Receive) -> Receive:
        """A live stream ends with its session."""

        async def receive_or_end() -> Message:
            coming = asyncio.ensure_future(receive())
            try:
                while True:
                    done, _ = await asyncio.wait({coming}, timeout=self._recheck_s)
                    if done:
                        return coming.result()
                    if not await self._still(request):
                        return {"type": "http.disconnect"}
            finally:
                coming.cancel()

        return receive_or_end

    async def _still(self, request: Request) -> bool:
        try:
            return await self._session(request) is not None
        except Unavailable:
            return True  # it was let in; whether it ended cannot be told now


def _from_our_own_page(request: Request) -> bool:
    headers = request.headers
    return judging.from_our_own_page(
        host=headers.get("host", ""), origin=headers.get("origin"), site=headers.get("sec-fetch-site")
    )


def _may_act(request: Request, who: Who) -> Response | None:
    """The answer to one who may not change anything; whoever logged in may log out."""
    path = request.url.path
    if who.operates or path == judging.LOGIN or (path == judging.LOGOUT and who.role is not Role.NOBODY):
        return None
    telemetry.turned_away("role", path)
    if who.role is Role.NOBODY:
        return _log_in(request)
    return _plain(request, "Only the operator may do this.", 403)


def _log_in(request: Request) -> Response:
    """Programs are told so, people are shown the form, and come back to the page that they asked for."""
    if judging.is_api(request.url.path):
        return _plain(request, "Log in first.", 401)
    if request.method not in judging.SAFE:
        return RedirectResponse(judging.LOGIN, status_code=303)
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    target = judging.local_path(asked)
    query = f"?{urlencode({'next': target})}" if target != "/" else ""
    return RedirectResponse(judging.LOGIN + query, status_code=303)


def _away(request: Request) -> Response:
    return _plain(request, "Redis does not answer, so nobody can be told from anybody else. Try again.", 503)


def _plain(request: Request, sentence: str, status: int) -> Response:
    if judging.is_api(request.url.path):
        body: Any = orjson.dumps({"error": sentence})
        return Response(body, status_code=status, media_type="application/json")
    return PlainTextResponse(f"{sentence}\n", status_code=status)
