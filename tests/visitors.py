"""People in front of the dashboard: a door with a few rooms behind it, and who knocks."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import Any

import argon2
import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from builders import FakeClock
from dashboard import access, actions
from dashboard.access import passwords
from dashboard.access.throttle import Throttle
from dashboard.parts import Parts
from gantry.accounts import Accounts

QUICK = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORDS = {"operator": "the-operators-own", "reader": "the-readers-own"}
HOME = "http://localhost:5000"
ORIGIN = {"origin": HOME}


def furnished(parts: Parts, clock: FakeClock | None = None, **settings: Any) -> Parts:
    """The parts with access to them; `settings` are the Config's."""
    given = {"dashboard_password": PASSWORDS["operator"], "dashboard_reader_password": PASSWORDS["reader"], **settings}
    config = type(parts.config)(**{**parts.config.model_dump(), **given})
    made = access.build(config, parts.client, parts.calls, parts.keys, clock or parts.clock)
    quick = Accounts(parts.client, parts.calls, parts.keys, hasher=QUICK)
    return replace(parts, config=config, access=replace(made, accounts=quick, throttle=Throttle(clock or FakeClock())))


def house(parts: Parts) -> Starlette:
    """Login, actions and a few rooms, behind the door."""
    rooms = ["/", "/devices", "/letters", "/actions-log", "/healthz", "/static/abc/gantry.css"]
    routes = [Route(path, _room) for path in rooms]
    routes += [Route(path, _answer) for path in ("/api/status", "/api/events")]
    return Starlette(
        routes=[*access.routes(parts), *actions.routes(parts), *routes], middleware=access.middleware(parts)
    )


async def _room(request: Request) -> Response:
    who = request.state.who
    return PlainTextResponse(f"{request.url.path} {who.role} {who.csrf}")


async def _answer(_: Request) -> Response:
    return JSONResponse({"is": "here"})


class Visitor:
    """A browser that keeps cookies, and says where its forms come from."""

    def __init__(self, parts: Parts, *, address: str = "10.0.0.7", home: str = HOME) -> None:
        self.parts, self.home = parts, home
        transport = httpx.ASGITransport(house(parts), client=(address, 40000))
        self.http = httpx.AsyncClient(transport=transport, base_url=home)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.http.get(path, headers=headers)

    async def post(self, path: str, /, **fields: object) -> httpx.Response:
        """A form of our own page, with the session's token."""
        form = {"csrf": await self.csrf(), **{name.rstrip("_"): str(value) for name, value in fields.items()}}
        return await self.http.post(path, data=form, headers={"origin": self.home})

    async def csrf(self) -> str:
        return (await self.get("/")).text.rpartition(" ")[2]

    async def role(self) -> str:
        return (await self.get("/")).text.split(" ")[1]

    async def log_in(self, name: str = "operator", password: str = "", **fields: str) -> httpx.Response:
        form = {"name": name, "password": password or PASSWORDS[name], **fields}
        return await self.http.post("/login", data=form, headers={"origin": self.home})

    async def said(self, answer: httpx.Response) -> str:
        """The sentences on the page that an action leads to."""
        assert answer.status_code == 303, answer.text
        query = answer.headers["location"].partition("?")[2].split("&")[-1]
        page = (await self.get(f"/actions/bulk?{query}")).text
        found = re.search(r'<div class="message (\w+)" id="said".*?</div>', page, re.DOTALL)
        assert found, f"nothing is said: {answer.headers['location']}"
        words = html.unescape(re.sub(r"<[^>]*>", "", found[0]))
        return f"{found[1]}: {' '.join(words.split())}"


async def settled(parts: Parts) -> Parts:
    """With the passwords of the settings in force."""
    await passwords.settle(parts.config, parts.access.accounts)
    return parts


def field(page: str, name: str) -> str:
    """The value of a form's hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, f"no field {name} in the page"
    return found[1]
