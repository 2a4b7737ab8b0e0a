"""What the real agent does with a request: taken, taken and lost, or refused by name."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from twins.agent.grammar import time_of
from twins.agent.handle import AgentHandle, started

GARBAGE = {"undefined": None}


def test_success_looks_as_it_does_at_the_real_one(send: Any, agent: AgentHandle) -> None:
    answer = send({"intensity": 120}, content_type="application/json; charset=utf-8")
    assert (answer.status_code, answer.content) == (200, b"{}")
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["x-processing-time"].isdecimal()
    assert answer.headers["keep-alive"] == "timeout=5"
    (measure,) = agent.measures()
    assert (measure["target"], measure["device"], measure["body"]) == ("evd", "cam1", {"intensity": 120})
    assert send({"a": 1}, query="k=crowd-key&i=cam1").status_code == 200
    assert agent.measures()[-1]["target"] == "crowd"


@pytest.mark.parametrize(
    ("body", "reaches"),
    [
        (b"", [GARBAGE]),
        (b"{}", [GARBAGE]),
        (b"42", [GARBAGE]),
        (b"[1, 2]", [GARBAGE]),
        (b'[{}, {"v": 1}]', [GARBAGE]),
        (b'[{"v": 1}, {}, {"v": 2}]', [{"v": 1}, GARBAGE]),
        (b'"hello"', [{"0": None}]),
        (b'[["a"]]', [{"0": None}]),
        (b"[]", []),
        (b"null", []),
        (b'[{"v": 1}]', [{"v": 1}]),
        (b'{"v":\n1}', [{"v": 1}]),
        (b'{"v": null, "id": [1, {"a": true}]}', [{"v": None, "id": [1, {"a": True}]}]),
    ],
)
def test_any_json_is_taken_with_200(body: bytes, reaches: list[Any], send: Any, applied: Any) -> None:
    answer = send(body)
    assert (answer.status_code, answer.content) == (200, b"{}")
    assert applied() == reaches


def test_plain_text_is_taken_and_lost(send: Any, applied: Any) -> None:
    assert send({"v": 1}, content_type="text/plain").content == b"{}"
    assert applied() == [GARBAGE]


STAMP = "2026-01-15T10:0{}:00.000Z"


def test_an_array_is_applied_in_the_order_of_its_times(send: Any, applied: Any, agent: AgentHandle) -> None:
    send([{"v": n, "TimeInstant": STAMP.format(n)} for n in (3, 1, 2)])
    assert [one["v"] for one in applied()] == [1, 2, 3]
    assert len({one["request"] for one in agent.measures()}) == 1


def test_an_array_with_a_time_missing_stays_as_sent(send: Any, applied: Any) -> None:
    send([{"v": 3, "TimeInstant": STAMP.format(3)}, {"v": 1, "TimeInstant": STAMP.format(1)}, {"v": 2}])
    assert [one["v"] for one in applied()] == [3, 1, 2]


def test_t_in_the_query_overwrites_every_time(send: Any, applied: Any) -> None:
    time = STAMP.format(7)
    send([{"v": 1, "TimeInstant": STAMP.format(1)}, {"v": 2}], query=f"k=evd-key&i=cam1&t={time}")
    assert [one["TimeInstant"] for one in applied()] == [time, time]
    plus = send({"v": 1}, query="k=evd-key&i=cam1&t=2026-01-15T10:00:00+01:00")
    assert (plus.status_code, plus.json()["name"]) == (400, "BAD_TIMESTAMP")


def test_one_bad_time_refuses_the_whole_array(send: Any, agent: AgentHandle) -> None:
    answer = send([{"v": 1, "TimeInstant": STAMP.format(1)}, {"v": 2, "TimeInstant": "15/01/2026"}])
    assert (answer.status_code, answer.json()["name"]) == (400, "BAD_TIMESTAMP")
    assert "evd-key" in answer.json()["message"]  # as the real one: never log a body
    assert [one["applied"] for one in agent.measures()] == [False, False]


@pytest.mark.parametrize(
    ("query", "body", "content_type", "wrong"),
    [
        ("k=other&i=cam1", b'{"v":1}', "application/json", (404, "DEVICE_GROUP_NOT_FOUND")),
        ("k=evd-key&k=evd-key&i=cam1", b'{"v":1}', "application/json", (404, "DEVICE_GROUP_NOT_FOUND")),
        ("i=cam1", b'{"v":1}', "application/json", (400, "MANDATORY_PARAMS_NOT_FOUND")),
        ("k=evd-key", b'{"v":1}', "application/json", (400, "MANDATORY_PARAMS_NOT_FOUND")),
        ("", b'{"v":1}', "application/json", (400, "MANDATORY_PARAMS_NOT_FOUND")),
        ("k=evd-key&i=cam1", b'{"v":', "application/json", (400, "SyntaxError")),
        ("k=evd-key&i=cam1", b'{"v":1}', None, (400, "UNSUPPORTED_TYPE")),
        ("k=evd-key&i=cam1", b"v=1", "application/x-www-form-urlencoded", (400, "UNSUPPORTED_TYPE")),
        ("k=evd-key&i=cam1", b'{"v":1}', "application/ld+json", (400, "UNSUPPORTED_TYPE")),
        ("k=evd-key&i=cam1", b'{"v":1}', "application/json; charset=latin1", (415, "UnsupportedMediaTypeError")),
        ("k=evd-key&i=cam1", b'{"v":"%s"}' % (b"x" * (1 << 20)), "application/json", (413, "PayloadTooLargeError")),
        ("k=evd-key&i=cam%281%29", b'{"v":1}', "application/json", (400, "ENTITY_GENERIC_ERROR")),
        ("k=evd-key&i=cam1", b'{"v":"a<b"}', "application/json", (400, "ENTITY_GENERIC_ERROR")),
        ("k=evd-key&i=cam1", b'{"v":[{"a=":1}]}', "application/json", (400, "ENTITY_GENERIC_ERROR")),
        ("k=evd-key&i=cam1", b'{"v":"\\"quoted\\""}', "application/json", (400, "ENTITY_GENERIC_ERROR")),
        ("k=evd-key&i=cam1", b'{"v":1,"TimeInstant":"2026-W03"}', "application/json", (400, "ENTITY_GENERIC_ERROR")),
    ],
)
def test_what_is_wrong_is_said_by_name_and_nothing_arrives(
    query: str, body: bytes, content_type: str | None, wrong: tuple[int, str], send: Any, applied: Any
) -> None:
    answer = send(body, query, content_type)
    assert (answer.status_code, answer.json()["name"]) == wrong
    assert set(answer.json()) == {"name", "message"}
    assert applied() == []
    assert send({"v": 1}).content == b"{}"  # the connection goes on


def test_a_body_just_within_the_limit_is_taken(send: Any) -> None:
    body = b'{"v":"%s"}' % (b"x" * ((1 << 20) - 8))
    assert len(body) == 1 << 20
    assert send(body).status_code == 200


def test_a_wrong_path_or_method_is_a_page(agent: AgentHandle, client: httpx.Client) -> None:
    for answer in (client.put(agent.url), client.post(f"{agent.base}/iot/d"), client.get(agent.base)):
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("text/html")
    assert "Cannot GET /" in answer.text
    assert client.post(f"{agent.url}/?k=evd-key&i=cam1", json={"v": 1}).status_code == 200


def test_an_old_agent(agent_keys: dict[str, str], send: Any) -> None:
    with started(agent_keys, "--old-agent") as agent:
        assert "x-processing-time" not in send({"v": 1}, to=agent).headers
        assert send(b"{", to=agent).status_code == 500
        assert send(b'{"v":"%s"}' % (b"x" * 110_000), to=agent).json()["name"] == "PayloadTooLargeError"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-15T10:00:00Z", 1768471200),
        ("2026-01-15T10:00:00.123Z", 1768471200.123),
        ("2026-01-15T10:00:00.123456Z", 1768471200.123456),
        ("2026-01-15T11:00:00+01:00", 1768471200),
        ("2026-01-15T11:00:00+0100", 1768471200),
        ("2026-01-15T10:00:00", 1768471200),
        ("2026-01-15T10:00Z", 1768471200),
        ("2026-01-15 10:00:00", 1768471200),
        ("20260115T100000Z", 1768471200),
        ("2026-01-15", 1768435200),
        ("2026-015", 1768435200),
        ("2026-W03-4", 1768435200),
        ("2026-W03", 1768176000),
        ("2026-01", 1767225600),
        ("2026", 1767225600),
        ("2026-01-15T24:00:00Z", 1768521600),
        (1768471200, None),
        ("1768471200", None),
        ("1768471200000", None),
        (None, None),
        ("15/01/2026 10:00:00", None),
        ("2026-01-15t10:00:00z", None),
        ("2026-01-15T10:00:60Z", None),
        ("2026-01-15T25:00:00Z", None),
        ("2026-02-30T10:00:00Z", None),
        ("2026-366", None),
        (" 2026-01-15T10:00:00Z", None),
        ("2026-01-15T10:00:00Z ", None),
        ("2026-01-15T10:00:00Z\n", None),
        ("", None),
    ],
)
def test_times_that_the_agent_takes(text: Any, seconds: float | None) -> None:
    assert time_of(text) == (None if seconds is None else pytest.approx(seconds, abs=1e-6))
