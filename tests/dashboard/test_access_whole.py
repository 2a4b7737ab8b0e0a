"""The whole application behind its door: a path that somebody adds is closed until it is opened on purpose."""

from __future__ import annotations

import re

import httpx
import pytest
from starlette.routing import Route

from dashboard import app
from dashboard.access import headers
from visitors import HOME, ORIGIN, furnished, settled

OPEN = {"/healthz", "/login", "/static/{version}/{name}"}
FOR_NOBODY = {"/login"}


@pytest.fixture
async def closed(parts):
    home = await settled(furnished(parts, dashboard_reading="login"))
    built = app.build(home)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(built), base_url=HOME) as asking:
        yield built, asking


def every_route(built) -> list[tuple[str, str, str]]:
    """Method, pattern and a path that it matches."""
    assert all(isinstance(route, Route) for route in built.routes), "a route of a kind that this test does not know"
    found = [
        (method, route.path, re.sub(r"{[^}]*}", "x", route.path))
        for route in built.routes
        for method in sorted(route.methods or ())
    ]
    assert len(found) > 40
    return found


async def test_everything_is_closed_that_is_not_open_on_purpose(closed):
    built, asking = closed
    for method, pattern, path in every_route(built):
        if method not in ("GET", "HEAD") or pattern in OPEN:
            continue
        answer = await asking.request(method, path)
        expected = 401 if path.startswith("/api") else 303
        assert answer.status_code == expected, (method, pattern)
        assert answer.headers["content-security-policy"] == headers.CSP


async def test_nothing_is_changed_by_nobody(closed):
    built, asking = closed
    changing = [
        (method, pattern, path) for method, pattern, path in every_route(built) if method not in ("GET", "HEAD")
    ]
    assert {pattern for _, pattern, _ in changing} >= {"/login", "/logout", "/actions/letters", "/actions/pause"}
    for method, pattern, path in changing:
        assert (await asking.request(method, path)).status_code == 403, pattern  # from nowhere
        if pattern not in FOR_NOBODY:
            answer = await asking.request(method, path, headers=ORIGIN)
            assert answer.headers.get("location") == "/login", pattern


async def test_what_is_open_on_purpose_tells_nothing(closed):
    _, asking = closed
    assert (await asking.get("/healthz")).text == "OK\n"
    page = (await asking.get("/login")).text
    assert "live.js" not in page
    assert "/static/" in page
