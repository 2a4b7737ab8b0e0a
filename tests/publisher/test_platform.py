"""The real adapter against the agent's twin: real processes, real sockets, every answer that there is."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator

import pytest
import small_servers
from small_servers import MEASURE

from publisher import platform
from publisher.classify import Answer, Failure, Kind, judge
from publisher.platform import Platform
from twins.agent.handle import AgentHandle, started

KEYS = {"evd": "e&k+1/§", "crowd": "crowd-key"}


@pytest.fixture(scope="module")
def twin() -> Iterator[AgentHandle]:
    with started(KEYS) as handle:
        yield handle


@pytest.fixture
def agent(twin: AgentHandle) -> AgentHandle:
    twin.clear()
    twin.forget()
    return twin


def a_platform(base: str, **options: float) -> contextlib.AbstractAsyncContextManager[Platform]:
    return small_servers.a_platform(base, KEYS, **options)


DELIVERED, MISROUTED, TRANSIENT, TARGET = Kind.DELIVERED, Kind.MISROUTED, Kind.TRANSIENT, Kind.TARGET

# name → (status, or how it failed; measures that reached the broker; kind; reason)
ROWS: dict[str, tuple[int | Failure, int, Kind, str]] = {
    "ok": (200, 1, DELIVERED, "delivered"),
    "ok_not_applied": (200, 0, DELIVERED, "delivered"),  # nobody can tell: read back once per group
    "garbage": (200, 1, DELIVERED, "delivered"),
    "ok_blanks": (200, 1, DELIVERED, "delivered"),
    "ok_close": (200, 1, DELIVERED, "delivered"),
    "slow": (200, 1, DELIVERED, "delivered"),
    "ok_wrong_body": (200, 0, MISROUTED, "misrouted"),
    "ok_empty": (200, 1, MISROUTED, "misrouted"),
    "ok_huge": (200, 1, MISROUTED, "misrouted"),
    "html_200": (200, 0, MISROUTED, "misrouted"),
    "204": (204, 0, MISROUTED, "misrouted"),
    "301": (301, 0, MISROUTED, "misrouted"),
    "broker_302": (302, 0, MISROUTED, "misrouted"),
    "bad_timestamp": (400, 0, Kind.PERMANENT, "BAD_TIMESTAMP"),
    "syntax_error": (400, 0, Kind.PERMANENT, "SyntaxError"),
    "broker_400": (400, 0, Kind.PERMANENT, "ENTITY_GENERIC_ERROR"),
    "broker_422": (422, 0, Kind.PERMANENT, "ENTITY_GENERIC_ERROR"),
    "too_large": (413, 0, Kind.SPLIT, "http_413"),
    "broker_413": (413, 0, Kind.SPLIT, "http_413"),
    "html_413": (413, 0, Kind.SPLIT, "http_413"),
    "old_too_large": (500, 0, Kind.SPLIT, "PayloadTooLargeError"),
    "params_missing": (400, 0, TARGET, "MANDATORY_PARAMS_NOT_FOUND"),
    "unsupported_type": (400, 0, TARGET, "UNSUPPORTED_TYPE"),
    "unsupported_charset": (415, 0, TARGET, "http_415"),
    "group_not_found": (404, 0, TARGET, "DEVICE_GROUP_NOT_FOUND"),
    "wrong_path": (404, 0, TARGET, "http_404"),
    "html_403": (403, 0, TARGET, "http_403"),
    "html_405": (405, 0, TARGET, "http_405"),
    "broker_auth": (500, 0, TARGET, "ACCESS_FORBIDDEN"),
    "security_missing": (500, 0, TARGET, "SECURITY_INFORMATION_MISSING"),
    "token_error": (500, 0, TARGET, "TOKEN_RETRIEVAL_ERROR"),
    "authentication_error": (500, 0, TARGET, "AUTHENTICATION_ERROR"),
    "type_not_found": (500, 0, TARGET, "TYPE_NOT_FOUND"),
    "device_not_found": (404, 0, Kind.DEVICE, "DEVICE_NOT_FOUND"),
    "broker_404": (404, 0, Kind.DEVICE, "DEVICE_NOT_FOUND"),
    "type_error": (500, 0, Kind.UNKNOWN, "TypeError"),
    "unknown_error": (500, 0, Kind.UNKNOWN, "http_500"),
    "unknown_400": (400, 0, Kind.UNKNOWN, "http_400"),
    "html_400": (400, 0, Kind.UNKNOWN, "http_400"),
    "broker_down": (500, 0, TRANSIENT, "RequestError"),
    "broker_reset": (500, 0, TRANSIENT, "RequestError"),
    "broker_hangup": (500, 0, TRANSIENT, "RequestError"),
    "broker_500": (500, 0, TRANSIENT, "ENTITY_GENERIC_ERROR"),
    "broker_html": (500, 0, TRANSIENT, "SyntaxError"),
    "old_syntax_error": (500, 0, TRANSIENT, "SyntaxError"),
    "db_error": (500, 0, TRANSIENT, "INTERNAL_DB_ERROR"),
    "html_500": (500, 0, TRANSIENT, "http_500"),
    "408": (408, 0, TRANSIENT, "http_408"),
    "429": (429, 0, TRANSIENT, "http_429"),
    "broker_429": (429, 0, TRANSIENT, "http_429"),
    "429_retry_after": (429, 0, TRANSIENT, "http_429"),
    "429_retry_after_date": (429, 0, TRANSIENT, "http_429"),
    "broker_502": (502, 0, TRANSIENT, "http_502"),
    "html_502": (502, 0, TRANSIENT, "http_502"),
    "broker_503": (503, 0, TRANSIENT, "http_503"),
    "html_503": (503, 0, TRANSIENT, "http_503"),
    "503_retry_after": (503, 0, TRANSIENT, "http_503"),
    "503_retry_after_date": (503, 0, TRANSIENT, "http_503"),
    "broker_504": (504, 0, TRANSIENT, "http_504"),
    "html_504": (504, 0, TRANSIENT, "http_504"),
    "reset": (Failure.RESET, 0, TRANSIENT, "reset"),
    "reset_after_apply": (Failure.RESET, 1, TRANSIENT, "reset"),
    "reset_half": (Failure.RESET, 1, TRANSIENT, "reset"),
    "close": (Failure.RESET, 0, TRANSIENT, "reset"),
    "close_after_apply": (Failure.RESET, 1, TRANSIENT, "reset"),
    "close_half": (Failure.RESET, 1, TRANSIENT, "reset"),
    "hang": (Failure.TIMEOUT, 1, TRANSIENT, "timeout"),
    "hang_not_applied": (Failure.TIMEOUT, 0, TRANSIENT, "timeout"),
}
OURS = {"slow": {"ms": 50}}


def test_the_table_knows_every_answer_of_the_twin(agent: AgentHandle) -> None:
    assert set(ROWS) == set(agent.answers())


@pytest.mark.parametrize("name", ROWS)
async def test_each_answer_is_read_as_it_is(name: str, agent: AgentHandle) -> None:
    expected, applied, kind, reason = ROWS[name]
    agent.script(name, target="evd", times=1, **OURS.get(name, {}))
    async with a_platform(agent.url, timeout_s=0.4 if name.startswith("hang") else 5.0) as opened:
        post = await opened.post("evd", "cam1", b'{"row":"%s"}' % name.encode())
        again = await opened.post("evd", "cam1", MEASURE)  # whatever it was, the next request is not touched by it
    got = post.answer.status if isinstance(post.answer, Answer) else post.answer
    judgement = judge(post.answer, 2, KEYS.values())
    assert (got, judgement.kind, judgement.reason) == (expected, kind, reason)
    assert judge(again.answer, 1).kind is DELIVERED
    reached = [
        one for one in agent.measures() if one["applied"] and one["body"] in ({"row": name}, {"undefined": None})
    ]
    assert len(reached) == applied
    assert agent.state()["answers"][name] >= 1


async def test_what_is_sent_arrives_as_it_was(agent: AgentHandle) -> None:
    device, target = "a b+c&d=ñ%2B/?#[]", "crowd"
    async with a_platform(agent.url) as opened:
        await opened.post("evd", "cam1", b"[" + MEASURE + b"," + MEASURE + b"]")
        await opened.post(target, device, MEASURE)
    one, two, odd = agent.measures()[-3:]
    assert (one["target"], one["device"], two["request"]) == ("evd", "cam1", one["request"])
    assert (odd["target"], odd["device"], odd["request"]) == (target, device, one["request"] + 1)
    assert one["body"] == {"TimeInstant": "2026-01-15T10:00:00.000Z", "intensity": 1}


async def test_the_age_of_the_agent_is_told(agent: AgentHandle) -> None:
    async with a_platform(agent.url) as opened:
        assert (await opened.post("evd", "cam1", MEASURE)).arrays
        agent.script("html_502", times=1)
        assert not (await opened.post("evd", "cam1", MEASURE)).arrays
    with started(KEYS, "--old-agent") as old:
        async with a_platform(old.url) as opened:
            assert not (await opened.post("evd", "cam1", MEASURE)).arrays


async def test_an_answer_slower_than_the_timeout_is_a_timeout_and_may_have_been_applied(agent: AgentHandle) -> None:
    agent.script("slow", ms=1500)
    async with a_platform(agent.url, timeout_s=0.3) as opened:
        post = await opened.post("evd", "cam1", MEASURE)
    assert post.answer is Failure.TIMEOUT
    assert 0.2 < post.seconds < 1.0


@pytest.mark.parametrize("status", [429, 503])
async def test_a_wait_that_the_platform_asks_for_is_read(status: int, agent: AgentHandle) -> None:
    async with a_platform(agent.url) as opened:
        waits = []
        for name in (f"{status}_retry_after", f"{status}_retry_after_date", f"broker_{status}"):
            agent.script(name, times=1)
            waits.append(judge((await opened.post("evd", "cam1", MEASURE)).answer, 1).retry_after_s)
    assert waits == [7, pytest.approx(7, abs=2), None]


async def test_a_huge_answer_is_not_read_to_its_end(agent: AgentHandle) -> None:
    agent.script("ok_huge", times=1)
    async with a_platform(agent.url) as opened:
        answer = (await opened.post("evd", "cam1", MEASURE)).answer
    assert isinstance(answer, Answer)
    assert answer.cut
    assert len(answer.body) == platform.MAX_ANSWER


async def test_nobody_there(unused_tcp_port: int) -> None:
    async with a_platform(f"http://127.0.0.1:{unused_tcp_port}/iot/json") as opened:
        assert (await opened.post("evd", "cam1", MEASURE)).answer is Failure.CONNECT
    async with a_platform("http://agent.invalid/iot/json") as opened:
        assert (await opened.post("evd", "cam1", MEASURE)).answer is Failure.CONNECT


async def test_without_a_free_connection_nothing_was_sent(agent: AgentHandle) -> None:
    agent.script("hang", device="cam1")
    async with a_platform(agent.url, timeout_s=0.5, connections=1) as opened:
        first = asyncio.create_task(opened.post("evd", "cam1", MEASURE))
        await asyncio.sleep(0)  # it takes the one connection
        post = await opened.post("evd", "cam2", MEASURE)
        assert (await first).answer is Failure.TIMEOUT
    assert post.answer in (Failure.CONNECT, Failure.TIMEOUT)
    assert "evd/cam2" not in agent.state()["in_flight_max"]


async def test_the_proxy_of_the_environment_is_not_used(agent: AgentHandle, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with a_platform(agent.url) as opened:
        assert judge((await opened.post("evd", "cam1", MEASURE)).answer, 1).kind is DELIVERED


async def test_the_key_is_nowhere_to_be_seen(
    agent: AgentHandle, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("", "asyncio", *logging.root.manager.loggerDict):  # worse than logs.configure ever sets them
        monkeypatch.setattr(logging.getLogger(name), "level", logging.DEBUG)
    caplog.set_level(logging.DEBUG)
    shown = []
    async with a_platform(agent.url, timeout_s=0.3) as opened:
        for name in ("ok", "bad_timestamp", "group_not_found", "reset", "hang", "301", "ok_huge", "close_half"):
            agent.script(name, times=1)
            post = await opened.post("crowd", "cam1", MEASURE)
            shown += [repr(post), repr(post.answer), repr(judge(post.answer, 1, KEYS.values()))]
        shown += [repr(opened), repr(vars(opened))]
        with pytest.raises(KeyError) as caught:
            await opened.post("nowhere", "cam1", MEASURE)
        shown.append(repr(caught.value))
    shown += [record.getMessage() for record in caplog.records]
    assert not [text for text in shown if KEYS["crowd"] in text]
