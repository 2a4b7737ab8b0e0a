"""From a template and its values to a page in the reader's language. Everything is escaped by Jinja."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from dashboard import texts
from dashboard.access.who import NOBODY
from dashboard.pages import figures, moments, static
from dashboard.pages.icons import icon
from dashboard.parts import Parts
from dashboard.texts import Words

LANGUAGE_COOKIE = "lang"
_YEAR_S = 365 * 86400
PAGES = (
    ("home", "/"),
    ("devices", "/devices"),
    ("events", "/events"),
    ("letters", "/letters"),
    ("streams", "/streams"),
    ("configuration", "/configuration"),
    ("actions", "/actions-log"),
)


def words(request: Request, parts: Parts) -> Words:
    """The reader's language: `?lang=`, else the cookie, else Accept-Language."""
    asked = request.query_params.get("lang", "")
    chosen = asked if asked in texts.LANGUAGES else request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen not in texts.LANGUAGES:
        chosen = texts.negotiate(request.headers.get("accept-language", ""))
    return parts.texts.of(chosen)


def page(request: Request, parts: Parts, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A whole page; `values` are the template's own. Never cached, because it says how things are now."""
    t = words(request, parts)
    now_ms = values.pop("now_ms", parts.clock.now_us() // 1000)
    given = {
        "t": t,
        "request": request,
        "who": getattr(request.state, "who", NOBODY),
        "site": parts.keys.site,
        "now_ms": now_ms,
        "m": moments.Moments(t, now_ms),
        "here": request.url.path,
        "same": lambda **changed: same(request, **changed),
        **values,
    }
    response = HTMLResponse(environment().get_template(template).render(given), status_code=status)
    response.headers["cache-control"] = "no-store"
    if request.query_params.get("lang") in texts.LANGUAGES:
        response.set_cookie(LANGUAGE_COOKIE, t.lang, max_age=_YEAR_S, samesite="lax", httponly=True)
    return response


def missing(request: Request, parts: Parts) -> HTMLResponse:
    """There is nothing of that name."""
    return page(request, parts, "missing.html", status=404)


def away(request: Request, parts: Parts) -> HTMLResponse:
    """Redis does not answer: nothing can be shown, and the page says so."""
    return page(request, parts, "away.html", status=503)


def same(request: Request, **changed: str | None) -> str:
    """The address of this page with other query values; None or "" takes one away."""
    query = {name: value for name, value in request.query_params.items() if name not in changed}
    query.update({name: value for name, value in changed.items() if value})
    return f"{request.url.path}?{urlencode(query)}" if query else request.url.path


@cache
def environment() -> Environment:
    """The templates of this package; an undefined name is an error, not a blank."""
    made = Environment(
        loader=PackageLoader("dashboard", "templates"),
        autoescape=True,
        auto_reload=False,  # a process keeps to the version that it started with
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(icon=icon, static=static.address, pages=PAGES, version=version("gantry"), query=query)
    made.globals.update(shares=figures.shares, device_address=device_address, event_address=event_address)
    made.filters.update(pretty=pretty, sentence=sentence)
    return made


def query(path: str, **values: object) -> str:
    """An address with those of its query values that are not empty."""
    given = {name: str(value) for name, value in values.items() if value not in ("", None)}
    return f"{path}?{urlencode(given)}" if given else path


def device_address(target: str, lane: str) -> str:
    """The page of one device, whatever its name holds."""
    return f"/devices/{quote(target, safe='')}/{quote(lane, safe='')}"


def event_address(event_id: str) -> str:
    """The story of one event."""
    return f"/events/{quote(event_id, safe='')}"


def sentence(said: str) -> Markup:
    """A diagnosis as a sentence: a capital, a full stop, and `commands` as code."""
    words = said[:1].upper() + said[1:]
    end = "" if words.endswith((".", "!", "?")) or not words else "."
    parts = words.split("`")
    marked = [Markup("<code>{}</code>").format(part) if n % 2 else escape(part) for n, part in enumerate(parts)]
    return Markup("").join([*marked, end])


def pretty(value: object) -> str:
    """JSON as people read it; bytes and text that are none stay as they are."""
    if isinstance(value, bytes | str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode()
