"""What the operator may do: every action is a form, guarded, told to the person and written down."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from urllib.parse import urlencode, urlsplit

import redis.exceptions
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from dashboard.access import forms, judging, telemetry
from dashboard.access.forms import address
from dashboard.access.who import Said
from dashboard.actions import controls, letters
from dashboard.actions.deeds import Asked, Deed, Handler
from dashboard.pages.rendering import page
from dashboard.parts import Parts
from gantry.accounts import Role
from gantry.errors import Malformed, Unavailable

_FORMS: dict[str, Handler] = {
    "/actions/letters": letters.decide,
    "/actions/bulk/stop": letters.halt,
    "/actions/pause": controls.pause,
    "/actions/resume": controls.resume,
    "/actions/hold": controls.hold,
    "/actions/release": controls.release,
    "/actions/breaker": controls.breaker,
}
_AWAY = (Unavailable, redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)


def routes(parts: Parts) -> list[BaseRoute]:
    """Everything under /actions."""
    made: list[BaseRoute] = [
        Route(path, partial(_act, parts, path, handler), methods=["POST"]) for path, handler in _FORMS.items()
    ]
    shown = partial(_for_operators, parts, letters.confirm)
    return [*made, Route(letters.CONFIRM, shown), Route(letters.BULK, partial(letters.bulk, parts))]


async def _for_operators(
    parts: Parts, handler: Callable[[Parts, Request], Awaitable[Response]], request: Request
) -> Response:
    """A page that is of use to nobody else."""
    if request.state.who.operates:
        return await handler(parts, request)
    if request.state.who.role is Role.NOBODY:
        here = f"{request.url.path}?{request.url.query}"
        return RedirectResponse(f"{judging.LOGIN}?{urlencode({'next': judging.local_path(here)})}", status_code=303)
    return page(request, parts, "refused.html", status=403, reason="")


async def _act(parts: Parts, path: str, handler: Handler, request: Request) -> Response:
    """Guard, do, write down, tell, and go back to the page."""
    who = request.state.who
    if not who.operates:  # the door has looked already
        return PlainTextResponse("Only the operator may do this.\n", status_code=403)
    try:
        form = await forms.fields(request)
    except Malformed as error:
        return PlainTextResponse(f"{error}\n", status_code=400)
    if not forms.carries_token(form, who):
        telemetry.turned_away("csrf", path)
        return PlainTextResponse("This form belongs to a session that has ended: load the page again.\n", 403)
    asked = Asked(who=who, origin=address(request), form=form)
    try:
        deed = await handler(parts, asked)
        return await _tell(parts, asked, deed)
    except Malformed as error:
        return await _tell(parts, asked, Deed(code="refused", values={"reason": str(error)}, good=False))
    except _AWAY:
        await parts.access.record(asked.action(path.removeprefix("/actions/"), "", result="Redis does not answer"))
        return PlainTextResponse("Redis does not answer; whether this was done is not known. Look again.\n", 503)


async def _tell(parts: Parts, asked: Asked, deed: Deed) -> Response:
    kept = await parts.access.record(deed.action) if deed.action else True
    nonce = secrets.token_hex(4)
    more = [*deed.more, *([] if kept else ["not_recorded"])]
    said = Said(nonce=nonce, code=deed.code, good=deed.good, values=dict(deed.values), more=more)
    await parts.access.sessions.say(asked.who.digest, said)
    back = deed.back or judging.local_path(asked.form.get("back", "/"))
    return RedirectResponse(_with_said(back, nonce), status_code=303)


def _with_said(path: str, nonce: str) -> str:
    """The page's address, with the name of what it is to say."""
    parts = urlsplit(path)
    query = [pair for pair in parts.query.split("&") if pair and not pair.startswith("said=")]
    joined = "&".join([*query, f"said={nonce}"])
    return f"{parts.path}?{joined}{f'#{parts.fragment}' if parts.fragment else ''}"
