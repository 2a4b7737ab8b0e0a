"""Logging in and out, what Redis and the log know of it, and how often it may be tried."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from dataclasses import replace

import pytest
import structlog

from builders import FakeClock
from dashboard.access import gate, passwords, sessions
from dashboard.access.throttle import ONE, Throttle
from gantry import accounts
from gantry.accounts import Accounts, Origin, Role, new_password
from visitors import ORIGIN, PASSWORDS, QUICK, Visitor, field, furnished, settled
from wait import until


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
async def home(parts, clock):
    return await settled(furnished(parts, clock))


@pytest.fixture
async def listed(home):
    async def ask():
        return [line.action for line in reversed(await home.access.actions.page())]

    return ask


async def keys_of_sessions(home) -> list[str]:
    return [key.decode() async for key in home.client.scan_iter(home.keys.session("*"))]


# logging in and out


@pytest.mark.parametrize("role", ["operator", "reader"])
async def test_one_logs_in_and_out(home, listed, role):
    someone = Visitor(home)
    assert await someone.role() == "nobody"
    answer = await someone.log_in(role, next="/devices")
    assert (answer.status_code, answer.headers["location"]) == (303, "/devices")
    assert await someone.role() == role
    answer = await someone.post("/logout")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert await someone.role() == "nobody"
    assert await keys_of_sessions(home) == []
    told = [(each.who, each.role, each.origin, each.what) for each in await listed()]
    assert told == [(role, role, "10.0.0.7", "login"), (role, role, "10.0.0.7", "logout")]


async def test_an_old_cookie_is_worth_nothing_after_logging_out(home):
    someone = Visitor(home)
    await someone.log_in()
    kept = dict(someone.http.cookies)
    await someone.post("/logout")
    someone.http.cookies.update(kept)
    assert await someone.role() == "nobody"


async def test_logging_out_needs_the_token(home):
    someone = Visitor(home)
    await someone.log_in()
    answer = await someone.http.post("/logout", data={"csrf": "x"}, headers=ORIGIN)
    assert answer.status_code == 403
    assert await someone.role() == "operator"
    assert (await someone.get("/logout")).status_code == 405


async def test_logging_in_again_ends_the_session_before(home):
    someone = Visitor(home)
    await someone.log_in()
    before = someone.http.cookies[home.access.cookie]
    await someone.log_in("reader")
    assert someone.http.cookies[home.access.cookie] != before
    assert len(await keys_of_sessions(home)) == 1


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("operator", "wrong"),
        ("operator", PASSWORDS["reader"]),
        ("reader", PASSWORDS["operator"]),
        ("operator", ""),
        ("nobody", PASSWORDS["operator"]),
        ("", PASSWORDS["operator"]),
        ("root", "x"),
        ("operator", "x" * 5000),
        ("operator", PASSWORDS["operator"] + " "),
    ],
)
async def test_a_wrong_name_or_password_opens_nothing(home, listed, name, password):
    someone = Visitor(home)
    answer = await someone.http.post("/login", data={"name": name, "password": password}, headers=ORIGIN)
    assert answer.status_code == 401
    assert "Account and password do not fit" in answer.text
    assert "set-cookie" not in answer.headers
    assert await keys_of_sessions(home) == []
    (refused,) = await listed()
    known = name if name in ("operator", "reader") else "unknown"
    assert (refused.what, refused.who, refused.role, refused.count) == ("login.refused", known, "nobody", 1)


async def test_it_takes_a_verification_whether_the_name_exists_or_not(home):
    done = []

    class Counting:
        hash = QUICK.hash

        def verify(self, hashed, password):
            done.append(hashed)
            return QUICK.verify(hashed, password)

    access = home.access
    counted = replace(
        home, access=replace(access, accounts=Accounts(home.client, home.calls, home.keys, hasher=Counting()))
    )
    for name in ("operator", "reader", "root", ""):
        await Visitor(counted).log_in(name, "wrong")
    assert len(done) == 4


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "/\\evil.example", "https://evil.example/", "javascript:alert(1)", "/\t/evil.example", "/ x"],
)
async def test_nobody_is_sent_elsewhere(home, target):
    someone = Visitor(home)
    page = await someone.http.get("/login", params={"next": target})
    assert field(page.text, "next") == "/"
    answer = await someone.log_in(next=target)
    assert answer.headers["location"] == "/"
    again = await someone.http.get("/login", params={"next": target})
    assert again.headers["location"] == "/"


async def test_a_form_that_is_none_is_refused(home):
    someone = Visitor(home)
    for content, kind in [
        (b"{}", "application/json"),
        (b"name=operator&password=" + b"x" * 40_000, "application/x-www-form-urlencoded"),
        (b"&".join(b"a%d=1" % n for n in range(100)), "application/x-www-form-urlencoded"),
        (b"name=\xff\xfe", "application/x-www-form-urlencoded"),
        (b"name=%ff", "application/x-www-form-urlencoded"),
        (b"--x\r\n", "multipart/form-data; boundary=x"),
    ]:
        answer = await someone.http.post("/login", content=content, headers={**ORIGIN, "content-type": kind})
        assert answer.status_code == 400, (content[:20], kind)


# the cookie and the session


@pytest.mark.parametrize("secure", [False, True])
async def test_the_cookie_is_for_this_site_alone(parts, secure):
    home = await settled(furnished(parts, dashboard_secure_cookies=secure))
    where = "https://localhost:5000" if secure else "http://localhost:5000"
    someone = Visitor(home, home=where)
    cookie = (await someone.log_in()).headers["set-cookie"]
    name, _, rest = cookie.partition("=")
    flags = {each.strip().lower() for each in rest.split(";")[1:]}
    assert name == ("__Host-gantry_main" if secure else "gantry_main")
    assert {"httponly", "samesite=strict", "path=/"} <= flags
    assert ("secure" in flags) == secure
    assert not any(each.startswith("domain") for each in flags)
    assert await someone.role() == "operator"
    gone = (await someone.post("/logout")).headers["set-cookie"]
    assert gone.startswith(f'{name}=""') and "Max-Age=0" in gone


async def test_redis_holds_no_token_and_no_password(home):
    someone = Visitor(home)
    await someone.log_in()
    token = someone.http.cookies[home.access.cookie]
    held = []
    async for key in home.client.scan_iter("*"):
        kind = (await home.client.type(key)).decode()
        held.append(repr(key) + repr(await (home.client.hgetall(key) if kind == "hash" else home.client.dump(key))))
    whole = "\n".join(held)
    assert token not in whole
    assert not any(password in whole for password in PASSWORDS.values())
    assert hashlib.sha256(token.encode()).hexdigest() in whole
    assert "$argon2id$" in whole


async def test_a_session_lives_twelve_hours_unused_and_seven_days_at_most(home):
    made = home.access.sessions
    stamp = (await home.access.accounts.read())[Role.OPERATOR].stamp
    token = await made.open(Role.OPERATOR, stamp)
    key = home.keys.session(sessions.digest(token))
    assert 0 <= sessions.IDLE_MS - await home.client.pttl(key) < 5000

    await home.client.pexpire(key, sessions.IDLE_MS - sessions.RENEWED_EVERY_MS + 30_000)  # used just now
    assert await made.find(token)
    assert await home.client.pttl(key) < sessions.IDLE_MS - 10_000
    await home.client.pexpire(key, sessions.IDLE_MS - sessions.RENEWED_EVERY_MS - 10_000)
    assert await made.find(token)
    assert 0 <= sessions.IDLE_MS - await home.client.pttl(key) < 5000

    ends = int(await home.client.hget(key, "ends"))
    seconds, us = await home.client.time()
    now_ms = seconds * 1000 + us // 1000
    assert abs(ends - now_ms - sessions.LONGEST_MS) < 5000
    await home.client.hset(key, "ends", now_ms + 100_000)
    await home.client.pexpire(key, 20_000)
    assert await made.find(token)
    assert 90_000 < await home.client.pttl(key) <= 100_000
    await home.client.hset(key, "ends", now_ms - 1)
    assert await made.find(token) is None
    assert not await home.client.exists(key)


@pytest.mark.parametrize("token", ["", "x", "x" * 43, "../accounts", "x" * 42 + "*", "é" * 43])
async def test_a_token_that_was_made_up_is_nobodys(home, token):
    assert await home.access.sessions.find(token) is None


async def test_a_session_ends_with_its_password(home):
    operator, reader = Visitor(home), Visitor(home)
    await operator.log_in()
    await reader.log_in("reader")
    held = home.access.accounts
    assert await held.put(Role.OPERATOR, (await held.read())[Role.OPERATOR], Origin.COMMAND, "another one")
    assert [await operator.role(), await reader.role()] == ["nobody", "reader"]
    assert await held.remove(Role.READER, (await held.read())[Role.READER])
    assert await reader.role() == "nobody"
    assert await keys_of_sessions(home) == []


async def test_a_role_cannot_be_changed_in_redis_alone(home):
    """Whoever writes another account's name into a session has not its password."""
    reader = Visitor(home)
    await reader.log_in("reader")
    (key,) = await keys_of_sessions(home)
    await home.client.hset(key, "account", "operator")
    assert await reader.role() == "nobody"


async def test_tokens_are_compared_in_constant_time(home, monkeypatch):
    compared = []
    plain = secrets.compare_digest
    monkeypatch.setattr(secrets, "compare_digest", lambda a, b: compared.append(a) or plain(a, b))
    someone = Visitor(home)
    await someone.log_in()
    compared.clear()
    await someone.http.post("/actions/resume", data={"csrf": "guess", "target": "evd"}, headers=ORIGIN)
    assert b"guess" in compared


# how often it may be tried


async def test_who_tries_too_often_is_told_how_long_to_wait(home, clock, listed):
    someone, other = Visitor(home), Visitor(home, address="10.0.0.8")
    for _ in range(ONE.burst):
        assert (await someone.log_in("operator", "wrong")).status_code == 401
    answer = await someone.log_in()
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "30")
    assert "Too many attempts. Try again in 30\N{NO-BREAK SPACE}s." in answer.text
    assert (await other.log_in()).status_code == 303
    clock.at += 30
    assert (await someone.log_in()).status_code == 303
    told = [(each.what, each.who, each.count) for each in await listed()]
    assert told == [
        ("login.refused", "operator", 1),
        ("login.refused", "unknown", ONE.burst - 1),  # told together
        ("login", "operator", 1),
        ("login", "operator", 1),
    ]


async def test_somebody_who_guesses_all_night_pushes_nothing_out_of_the_list(home, clock, listed):
    for _ in range(60):
        await Visitor(home).log_in("operator", "wrong")
        clock.at += 30
    refused = [each for each in await listed() if each.what == "login.refused"]
    assert len(refused) <= 60 * 30 / gate.REFUSALS_EVERY_S + 1
    assert sum(each.count for each in refused) >= 59


async def test_the_throttle_stands_before_the_password(home, clock):
    quiet = replace(home, access=replace(home.access, throttle=Throttle(clock)))
    someone = Visitor(quiet)
    for _ in range(ONE.burst):
        await someone.log_in("operator", "wrong")
    assert (await someone.log_in()).status_code == 429  # although it is right


# passwords at start


@pytest.fixture
def bare(parts):
    return furnished(parts, dashboard_password=None, dashboard_reader_password=None)


async def test_a_password_is_made_once_and_told_once(bare):
    with structlog.testing.capture_logs() as log:
        await settled(bare)
        await settled(bare)
    (told,) = [line for line in log if line["event"] == "dashboard_password_generated"]
    assert re.fullmatch(r"([a-z2-9]{4}-){4}[a-z2-9]{4}", told["password"])
    with structlog.testing.capture_logs() as log:
        someone = Visitor(bare)
        assert (await someone.log_in("operator", told["password"])).status_code == 303
        assert (await someone.log_in("reader", told["password"])).status_code == 401
        await someone.post("/actions/resume", target="evd")
        await someone.post("/logout")
    assert log
    assert told["password"] not in repr(log)


async def test_an_operator_has_a_password_again_when_redis_lost_it(bare):
    stop = asyncio.Event()

    def told(log):
        return [line["password"] for line in log if line["event"] == "dashboard_password_generated"]

    with structlog.testing.capture_logs() as log:
        keeping = asyncio.create_task(passwords.keeper(bare.config, bare.access.accounts, look_s=0.01)(stop))
        await until(lambda: _known(told, log, 1), "the first password")
        await bare.client.delete(bare.keys.accounts)
        await until(lambda: _known(told, log, 2), "the second password")
        stop.set()
        await keeping
    first, second = told(log)
    assert (await Visitor(bare).log_in("operator", first)).status_code == 401
    assert (await Visitor(bare).log_in("operator", second)).status_code == 303


async def _known(told, log, count):
    return len(told(log)) == count


async def test_words_of_another_version_are_not_said(home):
    someone = Visitor(home)
    await someone.log_in()
    (key,) = await keys_of_sessions(home)
    for words in ("{", "[]", '{"nonce":1}'):
        await home.client.hset(key, "said", words)
        assert await someone.role() == "operator"


async def test_two_that_start_together_agree_on_one(bare):
    with structlog.testing.capture_logs() as log:
        await asyncio.gather(*(settled(bare) for _ in range(5)))
    told = [line["password"] for line in log if line["event"] == "dashboard_password_generated"]
    assert len(told) == 1
    assert (await Visitor(bare).log_in("operator", told[0])).status_code == 303


async def test_the_settings_passwords_are_in_no_log(parts):
    with structlog.testing.capture_logs() as log:
        home = await settled(furnished(parts))
        someone = Visitor(home)
        for name in PASSWORDS:
            await someone.log_in(name)
            await someone.log_in(name, "tried-in-vain")
    assert {line["event"] for line in log} == {"dashboard_password_set", "logged_in", "login_refused", "action"}
    assert not any(word in repr(log) for word in (*PASSWORDS.values(), "tried-in-vain"))


async def test_what_the_setting_says_holds(parts, bare):
    home = await settled(furnished(parts))
    someone = Visitor(home)
    await someone.log_in()
    await settled(home)  # a restart ends nobody's session
    assert await someone.role() == "operator"
    changed = await settled(furnished(parts, dashboard_password="another-one"))
    assert await someone.role() == "nobody"
    assert (await Visitor(changed).log_in("operator", "another-one")).status_code == 303
    assert (await Visitor(changed).log_in("reader")).status_code == 303
    with structlog.testing.capture_logs() as log:
        await settled(bare)  # the settings were taken away
    assert [line["event"] for line in log] == ["dashboard_password_generated", "dashboard_account_removed"]
    assert (await Visitor(bare).log_in("operator", "another-one")).status_code == 401
    assert (await Visitor(bare).log_in("reader")).status_code == 401


async def test_a_password_of_the_command_outlives_a_restart(bare):
    held = bare.access.accounts
    await held.put(Role.OPERATOR, (await held.read())[Role.OPERATOR], Origin.COMMAND, "typed by hand")
    await held.put(Role.READER, (await held.read())[Role.READER], Origin.COMMAND, "typed as well")
    with structlog.testing.capture_logs() as log:
        await settled(bare)
    assert log == []
    assert (await Visitor(bare).log_in("operator", "typed by hand")).status_code == 303
    assert (await Visitor(bare).log_in("reader", "typed as well")).status_code == 303


async def test_a_short_password_is_warned_about(parts):
    with structlog.testing.capture_logs() as log:
        await settled(furnished(parts, dashboard_password="short"))
    (line,) = [line for line in log if line["event"] == "dashboard_password_short"]
    assert (line["setting"], "short" in line.values()) == ("DASHBOARD_PASSWORD", False)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("127.0.0.9", True), ("0.0.0.0", False), ("::", False)],
)
def test_which_hosts_reach_no_further(host, loopback):
    assert passwords.is_loopback(host) is loopback


def test_generated_passwords_differ_and_are_long():
    made = {new_password() for _ in range(1000)}
    assert len(made) == 1000
    assert {len(word) for word in made} == {24}


def test_passwords_are_hashed_with_what_is_recommended():
    assert accounts.HASHER.type.name == "ID"
    assert accounts.HASHER.memory_cost >= 47_104


async def test_an_accent_typed_in_either_way_is_the_same(home):
    held = home.access.accounts
    await held.put(Role.OPERATOR, (await held.read())[Role.OPERATOR], Origin.COMMAND, "contrase\u00f1a")
    assert await held.check("operator", "contrasen\u0303a")
