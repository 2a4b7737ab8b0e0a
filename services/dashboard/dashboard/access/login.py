"""The form to log in, logging in and out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from dashboard.access import forms, judging, telemetry
from dashboard.access.forms import address
from dashboard.access.gate import Access
from dashboard.pages.rendering import page
from dashboard.parts import Parts
from gantry.accounts import ACCOUNTS, LONGEST, Role
from gantry.errors import Malformed, Unavailable
from gantry.streams.actions import Action

UNKNOWN = "unknown"  # a name that is no account is not repeated: it may be a password in the wrong field


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the form says when it is shown again."""

    code: str  # of a text: login.<code>
    status: int
    wait_s: int = 0


async def form(parts: Parts, request: Request) -> Response:
    """The page with the form; whoever is logged in goes on at once."""
    target = judging.local_path(request.query_params.get("next", "/"))
    if request.state.who.role is not Role.NOBODY:
        return RedirectResponse(target, status_code=303)
    return _page(parts, request, target, Role.OPERATOR, None)


async def log_in(parts: Parts, request: Request) -> Response:
    """Name and password → a new session; the one before, if there was one, ends."""
    access: Access = parts.access
    try:
        given = await forms.fields(request)
    except Malformed as error:
        return PlainTextResponse(f"{error}\n", status_code=400)
    target, name = judging.local_path(given.get("next", "/")), given.get("name", "").strip().lower()
    wait = access.throttle.attempt(address(request))
    if wait:
        telemetry.login_throttled(address(request), math.ceil(wait))
        return _page(parts, request, target, name, Refusal("throttled", 429, math.ceil(wait)))
    try:
        found = await _checked(access, given, name)
        if found is None:
            await _refused(access, request, name)
            return _page(parts, request, target, name, Refusal("refused", 401))
        return await _accepted(access, request, found, target)
    except Unavailable:
        return _page(parts, request, target, name, Refusal("away", 503))


async def log_out(parts: Parts, request: Request) -> Response:
    """End the session."""
    access, who = parts.access, request.state.who
    try:
        given = await forms.fields(request)
    except Malformed as error:
        return PlainTextResponse(f"{error}\n", status_code=400)
    if not forms.carries_token(given, who):
        telemetry.turned_away("csrf", judging.LOGOUT)
        return PlainTextResponse("This form belongs to a session that has ended: load the page again.\n", 403)
    await access.sessions.close(who.digest)
    await access.record(Action(who=who.name, role=who.role, origin=address(request), what="logout"))
    response = RedirectResponse("/", status_code=303)
    response.delete_cookie(access.cookie, path="/", secure=access.secure, httponly=True, samesite="strict")
    return response


async def _checked(access: Access, given: Mapping[str, str], name: str) -> tuple[Role, str] | None:
    password = given.get("password", "")
    return await access.accounts.check(name, password if len(password) <= LONGEST else "")


async def _refused(access: Access, request: Request, name: str) -> None:
    account = name if name in ACCOUNTS else UNKNOWN
    telemetry.login_refused(account, address(request))
    count = access.refusals.told()
    if count:
        await access.record(_refusals(account, address(request), count))


async def _accepted(access: Access, request: Request, found: tuple[Role, str], target: str) -> Response:
    role, stamp = found
    origin = address(request)
    token = await access.sessions.open(role, stamp)
    if request.state.who.digest:
        await access.sessions.close(request.state.who.digest)
    access.throttle.succeeded(origin)
    telemetry.login_accepted(role, origin)
    if untold := access.refusals.rest():
        await access.record(_refusals(UNKNOWN, "several", untold))
    await access.record(Action(who=role, role=role, origin=origin, what="login"))
    response = RedirectResponse(target, status_code=303)
    response.set_cookie(access.cookie, token, path="/", secure=access.secure, httponly=True, samesite="strict")
    return response


def _refusals(account: str, origin: str, count: int) -> Action:
    return Action(
        who=account, role=Role.NOBODY, origin=origin, what="login.refused", count=count, result="name or password wrong"
    )


def _page(parts: Parts, request: Request, target: str, name: str, refusal: Refusal | None) -> Response:
    response = page(
        request,
        parts,
        "login.html",
        status=refusal.status if refusal else 200,
        next=target,
        name=name if name in ACCOUNTS else Role.OPERATOR,
        refusal=refusal,
        closed=parts.access.closed,  # then nothing comes live to somebody who is not logged in
    )
    if refusal and refusal.wait_s:
        response.headers["retry-after"] = str(refusal.wait_s)
    return response
