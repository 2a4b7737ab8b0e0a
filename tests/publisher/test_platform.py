"""The real adapter against the agent's twin: real processes, real sockets, every answer that there is."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator

import pytest
import small_servers
from small_servers import MEASURE

from gantry.streams.lanes import Outcome
from publisher import platform
from publisher.classify import Answer, Failure, classify
from publisher.platform import Platform
from twins.agent.handle import AgentHandle, started

KEYS = {"evd": "e&k+1/§", "crowd": "crowd-key"}
DELIVERED, TRANSIENT, REFUSED = Outcome.DELIVERED, Outcome.TRANSIENT, Outcome.REFUSED
DEFERRED = Outcome.DEFERRED


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


STATUS_ALONE = {  # nothing arrived, and the status is all that the reason says
    400: "html_400 unknown_400",
    403: "html_403",
    404: "wrong_path",
    405: "html_405",
    408: "408",
    415: "unsupported_charset",
    429: "429 429_retry_after 429_retry_after_date broker_429",
    500: "broker_500 broker_html unknown_error old_syntax_error old_too_large type_error security_missing token_error "
    "authentication_error db_error type_not_found html_500",
    502: "html_502 broker_502",
    503: "broker_503 html_503 503_retry_after 503_retry_after_date",
    504: "html_504 broker_504",
}

# name → (status, or how it failed; measures that reached the broker; outcome; reason)
ROWS: dict[str, tuple[int | Failure, int, Outcome, str]] = {
    "ok": (200, 1, DELIVERED, "delivered"),
    "ok_not_applied": (200, 0, DELIVERED, "delivered"),  # nobody can tell: read back once per group
    "garbage": (200, 1, DELIVERED, "delivered"),
    "ok_blanks": (200, 1, DELIVERED, "delivered"),
    "ok_close": (200, 1, DELIVERED, "delivered"),
    "slow": (200, 1, DELIVERED, "delivered"),
    "ok_wrong_body": (200, 0, TRANSIENT, "misrouted"),
    "ok_empty": (200, 1, TRANSIENT, "misrouted"),
    "ok_huge": (200, 1, TRANSIENT, "misrouted"),
    "html_200": (200, 0, TRANSIENT, "misrouted"),
    "204": (204, 0, TRANSIENT, "misrouted"),
    "301": (301, 0, TRANSIENT, "misrouted"),
    "broker_302": (302, 0, TRANSIENT, "misrouted"),
    "bad_timestamp": (400, 0, REFUSED, "BAD_TIMESTAMP"),
    "syntax_error": (400, 0, REFUSED, "SyntaxError"),
    "too_large": (413, 0, REFUSED, "PayloadTooLargeError"),
    "broker_413": (413, 0, REFUSED, "http_413"),
    "html_413": (413, 0, REFUSED, "http_413"),
    "params_missing": (400, 0, TRANSIENT, "MANDATORY_PARAMS_NOT_FOUND"),
    "unsupported_type": (400, 0, TRANSIENT, "UNSUPPORTED_TYPE"),
    "group_not_found": (404, 0, TRANSIENT, "DEVICE_GROUP_NOT_FOUND"),
    "device_not_found": (404, 0, DEFERRED, "DEVICE_NOT_FOUND"),
    "broker_404": (404, 0, DEFERRED, "DEVICE_NOT_FOUND"),
    "broker_400": (400, 0, DEFERRED, "ENTITY_GENERIC_ERROR"),
    "broker_422": (422, 0, DEFERRED, "ENTITY_GENERIC_ERROR"),
    "broker_auth": (500, 0, TRANSIENT, "ACCESS_FORBIDDEN"),
    "broker_down": (500, 0, TRANSIENT, "RequestError"),
    "broker_reset": (500, 0, TRANSIENT, "RequestError"),
    "broker_hangup": (500, 0, TRANSIENT, "RequestError"),
    "reset": (Failure.RESET, 0, TRANSIENT, "reset"),
    "reset_after_apply": (Failure.RESET, 1, TRANSIENT, "reset"),
    "close": (Failure.RESET, 0, TRANSIENT, "reset"),
    "close_after_apply": (Failure.RESET, 1, TRANSIENT, "reset"),
    "reset_half": (Failure.RESET, 1, TRANSIENT, "reset"),
    "close_half": (Failure.RESET, 1, TRANSIENT, "reset"),
    "hang": (Failure.TIMEOUT, 1, TRANSIENT, "timeout"),
    "hang_not_applied": (Failure.TIMEOUT, 0, TRANSIENT, "timeout"),
    **{
        name: (status, 0, TRANSIENT, f"http_{status}")
        for status, names in STATUS_ALONE.items()
        for name in names.split()
    },
}
OURS = {"slow": {"ms": 50}}


def test_the_table_knows_every_answer_of_the_twin(agent: AgentHandle) -> None:
    assert set(ROWS) == set(agent.answers())


@pytest.mark.parametrize("name", ROWS)
async def test_each_answer_is_read_as_it_is(name: str, agent: AgentHandle) -> None:
    expected, applied, outcome, reason = ROWS[name]
    agent.script(name, target="evd", times=1, **OURS.get(name, {}))
    async with a_platform(agent.url, timeout_s=0.4 if name.startswith("hang") else 5.0) as opened:
        post = await opened.post("evd", "cam1", b'{"row":"%s"}' % name.encode())
        again = await opened.post("evd", "cam1", MEASURE)  # whatever it was, the next request is not touched by it
    got = post.answer.status if isinstance(post.answer, Answer) else post.answer
    verdict = classify(post.answer, 1)
    assert (got, verdict.outcome, verdict.reason) == (expected, outcome, reason)
    assert classify(again.answer, 1).outcome is DELIVERED
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
        assert classify((await opened.post("evd", "cam1", MEASURE)).answer, 1).outcome is DELIVERED


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
            shown += [repr(post), repr(post.answer), repr(classify(post.answer, 1))]
        shown += [repr(opened), repr(vars(opened))]
        with pytest.raises(KeyError) as caught:
            await opened.post("nowhere", "cam1", MEASURE)
        shown.append(repr(caught.value))
    shown += [record.getMessage() for record in caplog.records]
    assert not [text for text in shown if KEYS["crowd"] in text]
