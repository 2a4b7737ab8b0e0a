"""Every route, role, token, origin of a form and host: who is let through, and with what answer."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace

import httpx
import pytest

from dashboard.access import headers
from dashboard.access.door import Door
from dashboard.access.sessions import digest
from gantry.accounts import Role
from gantry.streams.client import connect
from gantry.streams.scripts import Scripts
from visitors import ORIGIN, Visitor, field, furnished, house, settled

READ = ["/", "/devices", "/letters", "/actions-log", "/actions/bulk", "/api/status", "/api/events"]
OPEN = ["/healthz", "/login", "/static/abc/gantry.css"]
ACTIONS = [
    "/actions/letters",
    "/actions/bulk/stop",
    "/actions/pause",
    "/actions/resume",
    "/actions/hold",
    "/actions/release",
    "/actions/breaker",
]
ROLES = ["nobody", "reader", "operator"]


@pytest.fixture(params=["open", "login"])
async def home(parts, request):
    return await settled(furnished(parts, dashboard_reading=request.param))


@pytest.fixture
async def open_home(parts):
    return await settled(furnished(parts))


async def visitor(home, role: str) -> Visitor:
    made = Visitor(home)
    if role != "nobody":
        assert (await made.log_in(role)).status_code == 303
    return made


@pytest.mark.parametrize("role", ROLES)
async def test_who_may_read_what(home, role):
    someone = await visitor(home, role)
    allowed = role != "nobody" or not home.access.closed
    for path in READ:
        answer = await someone.get(path)
        if allowed:
            assert answer.status_code == 200, path
        elif path.startswith("/api"):
            assert (answer.status_code, answer.json()) == (401, {"error": "Log in first."})
        else:
            assert answer.status_code == 303, path
            assert httpx.URL(answer.headers["location"]).path == "/login"
    for path in OPEN:
        answer = await someone.get(path)
        assert answer.status_code == (303 if path == "/login" and role != "nobody" else 200), path


async def test_one_comes_back_to_the_page_that_one_asked_for(parts):
    someone = Visitor(await settled(furnished(parts, dashboard_reading="login")))
    answer = await someone.get("/devices?state=held&q=a%20b")
    form = await someone.get(answer.headers["location"])
    assert field(form.text, "next") == "/devices?state=held&amp;q=a%20b"
    answer = await someone.log_in(next="/devices?state=held&q=a%20b")
    assert answer.headers["location"] == "/devices?state=held&q=a%20b"


async def test_a_path_that_is_not_there_is_closed_as_well(parts):
    someone = Visitor(await settled(furnished(parts, dashboard_reading="login")))
    for path in ("/api/secret", "/docs", "/static", "/statics/x", "/healthz/", "/API/status", "//api/status"):
        answer = await someone.get(path)
        assert answer.status_code in (303, 401), path


@pytest.mark.parametrize(
    ("role", "token", "sent"),
    [*itertools.product(ROLES, ["right", "none", "wrong", "another's"], ["ours", "foreign", "nowhere", "cross-site"])],
)
async def test_who_may_act(home, role, token, sent):
    someone, other = await visitor(home, role), await visitor(home, "operator")
    csrf = {"right": await someone.csrf(), "none": None, "wrong": "x" * 43, "another's": await other.csrf()}[token]
    where = {
        "ours": ORIGIN,
        "foreign": {"origin": "http://evil.example"},
        "nowhere": {},
        "cross-site": {**ORIGIN, "sec-fetch-site": "cross-site"},
    }[sent]
    for path in ACTIONS:
        form = {"target": "evd", "verb": "reset"} | ({} if csrf is None else {"csrf": csrf})
        answer = await someone.http.post(path, data=form, headers=where)
        if sent != "ours":
            assert (answer.status_code, "not sent from a page" in answer.text) == (403, True), path
        elif role == "nobody":
            assert (answer.status_code, answer.headers.get("location")) == (303, "/login"), path
        elif role == "reader":
            assert (answer.status_code, answer.text) == (403, "Only the operator may do this.\n"), path
        elif token != "right":
            assert (answer.status_code, "session that has ended" in answer.text) == (403, True), path
        else:
            assert answer.status_code == 303, path
    done = role == "operator" and token == "right" and sent == "ours"
    names = [line.action.what for line in await home.access.actions.page() if not line.action.what.startswith("log")]
    assert bool(names) == done


@pytest.mark.parametrize("role", ROLES)
async def test_the_page_that_confirms_is_for_operators(open_home, role):
    answer = await (await visitor(open_home, role)).get("/actions/letters?verb=retry&kind=out")
    assert answer.status_code == {"nobody": 303, "reader": 403, "operator": 200}[role]
    if role == "nobody":
        assert answer.headers["location"] == "/login?next=%2Factions%2Fletters%3Fverb%3Dretry%26kind%3Dout"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE"])
@pytest.mark.parametrize("path", ["/", "/devices", "/api/status", "/nowhere", "/healthz"])
async def test_what_is_not_foreseen_may_nobody(open_home, method, path):
    answer = await Visitor(open_home).http.request(method, path, headers=ORIGIN)
    assert answer.status_code in (303, 401, 405)
    assert "is here" not in answer.text


@pytest.mark.parametrize("path", [*READ, *OPEN, "/nowhere"])
async def test_under_another_host_nothing_is_told(open_home, path):
    answer = await Visitor(open_home).get(path, host="evil.example")
    assert answer.status_code == 421
    assert "DASHBOARD_NAMES" in answer.text
    assert "evil" not in answer.text


@pytest.mark.parametrize("hosts", [[], ["localhost:5000", "evil.example"], ["evil.example", "localhost:5000"]])
async def test_a_host_must_be_named_once(open_home, hosts):
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"", "http_version": "1.1"}
    scope |= {"headers": [(b"host", host.encode()) for host in hosts], "client": ("10.0.0.7", 1), "scheme": "http"}
    await house(open_home)(scope, receive, send)
    assert sent[0]["status"] == 421


async def test_a_name_that_the_setting_gives_is_ours(parts):
    home = await settled(furnished(parts, dashboard_names="gantry.example.org, Other.example"))
    for host, status in [("gantry.example.org", 200), ("other.example:81", 200), ("third.example", 421)]:
        assert (await Visitor(home).get("/", host=host)).status_code == status


@pytest.mark.parametrize("path", ["/", "/login", "/api/status", "/actions/letters", "/nowhere"])
async def test_every_answer_forbids_what_it_can(home, path):
    answer = await Visitor(home).get(path)
    assert {name: answer.headers[name] for name in headers.ALWAYS} == headers.ALWAYS
    assert answer.headers["cache-control"] == "no-store"
    assert "unsafe" not in answer.headers["content-security-policy"]
    refused = await Visitor(home).get(path, host="evil.example")
    assert refused.headers["content-security-policy"] == headers.CSP


@pytest.mark.parametrize("reading", ["open", "login"])
async def test_without_redis_nobody_is_taken_for_somebody(parts, tmp_path, reading):
    """An operator's cookie opens nothing that is closed, and acts on nothing, while it cannot be looked up."""
    someone = await visitor(await settled(furnished(parts)), "operator")
    away = connect(f"unix://{tmp_path}/none.sock", "tests")
    lost = Visitor(furnished(replace(parts, client=away, calls=Scripts(away)), dashboard_reading=reading))
    lost.http.cookies = someone.http.cookies
    answer = await lost.get("/devices")
    assert answer.status_code == (503 if reading == "login" else 200)
    assert " operator " not in answer.text
    answer = await lost.http.post("/actions/pause", data={"csrf": await someone.csrf()}, headers=ORIGIN)
    assert answer.status_code == 503
    assert (await lost.get("/healthz")).status_code == 200
    assert (await lost.log_in()).status_code == 503
    await away.aclose()


async def test_a_live_stream_ends_with_its_session(parts):
    home = await settled(furnished(parts, dashboard_reading="login"))
    token = await home.access.sessions.open(Role.READER, (await home.access.accounts.read())[Role.READER].stamp)
    ended, began = asyncio.Event(), asyncio.Event()

    async def stream(_scope, receive, _send):
        began.set()
        assert (await receive())["type"] == "http.disconnect"
        ended.set()

    async def never():
        await asyncio.Event().wait()

    door = Door(stream, home.access, recheck_s=0.01)
    scope = {"type": "http", "method": "GET", "path": "/api/live", "raw_path": b"/api/live", "query_string": b""}
    scope |= {"headers": [(b"host", b"localhost"), (b"cookie", f"{home.access.cookie}={token}".encode())]}
    watching = asyncio.create_task(door(scope, never, never))
    await began.wait()
    assert not ended.is_set()
    await home.client.delete(home.keys.session(digest(token)))
    await asyncio.wait_for(ended.wait(), 10)
    await watching
