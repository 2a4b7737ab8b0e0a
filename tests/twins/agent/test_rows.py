"""Every answer that a publisher must tell apart, as it looks on the wire, and what is recorded of it."""

from __future__ import annotations

import email.utils
import time
from typing import Any

import httpx
import pytest

from twins.agent.answers import ANSWERS, CLASSES, FAULTS
from twins.agent.handle import AgentHandle

HTML = "text/html"

# name → (status, error's name or content type, measures that reached the broker)
SPOKEN: dict[str, tuple[int, str, int]] = {
    "ok": (200, "", 1),
    "ok_blanks": (200, "", 1),
    "ok_close": (200, "", 1),
    "ok_wrong_body": (200, "ENTITY_GENERIC_ERROR", 0),
    "html_200": (200, HTML, 0),
    "301": (301, HTML, 0),
    "broker_302": (302, "ENTITY_GENERIC_ERROR", 0),
    "broker_down": (500, "RequestError", 0),
    "broker_reset": (500, "RequestError", 0),
    "broker_hangup": (500, "RequestError", 0),
    **{f"broker_{status}": (status, "ENTITY_GENERIC_ERROR", 0) for status in (500, 502, 503, 504)},
    **{f"html_{status}": (status, HTML, 0) for status in (502, 503, 504)},
    "408": (408, HTML, 0),
    "broker_html": (500, "SyntaxError", 0),
    "db_error": (500, "INTERNAL_DB_ERROR", 0),
    "429": (429, HTML, 0),
    "429_retry_after": (429, HTML, 0),
    "429_retry_after_date": (429, HTML, 0),
    "broker_429": (429, "ENTITY_GENERIC_ERROR", 0),
    "503_retry_after": (503, HTML, 0),
    "503_retry_after_date": (503, HTML, 0),
    "broker_auth": (500, "ACCESS_FORBIDDEN", 0),
    "security_missing": (500, "SECURITY_INFORMATION_MISSING", 0),
    "token_error": (500, "TOKEN_RETRIEVAL_ERROR", 0),
    "authentication_error": (500, "AUTHENTICATION_ERROR", 0),
    "type_not_found": (500, "TYPE_NOT_FOUND", 0),
    "group_not_found": (404, "DEVICE_GROUP_NOT_FOUND", 0),
    "device_not_found": (404, "DEVICE_NOT_FOUND", 0),
    "broker_404": (404, "DEVICE_NOT_FOUND", 0),
    "wrong_path": (404, HTML, 0),
    "html_405": (405, HTML, 0),
    "params_missing": (400, "MANDATORY_PARAMS_NOT_FOUND", 0),
    "unsupported_type": (400, "UNSUPPORTED_TYPE", 0),
    "unsupported_charset": (415, "UnsupportedMediaTypeError", 0),
    "bad_timestamp": (400, "BAD_TIMESTAMP", 0),
    "broker_400": (400, "ENTITY_GENERIC_ERROR", 0),
    "broker_422": (422, "ENTITY_GENERIC_ERROR", 0),
    "syntax_error": (400, "SyntaxError", 0),
    "too_large": (413, "PayloadTooLargeError", 0),
    "broker_413": (413, "ENTITY_GENERIC_ERROR", 0),
    "html_413": (413, HTML, 0),
    "old_too_large": (500, "PayloadTooLargeError", 0),
    "old_syntax_error": (500, "SyntaxError", 0),
    "type_error": (500, "TypeError", 0),
    "unknown_error": (500, "SomethingNew", 0),
    "unknown_400": (400, "SomethingNew", 0),
}

# name → (what httpx makes of it, measures that reached the broker)
BROKEN: dict[str, tuple[type[Exception], int]] = {
    "reset": (httpx.ReadError, 0),
    "reset_after_apply": (httpx.ReadError, 1),
    "close": (httpx.RemoteProtocolError, 0),
    "close_after_apply": (httpx.RemoteProtocolError, 1),
    "close_half": (httpx.RemoteProtocolError, 1),
    "reset_half": (httpx.ReadError, 1),
    "hang": (httpx.ReadTimeout, 1),
    "hang_not_applied": (httpx.ReadTimeout, 0),
}


@pytest.mark.parametrize("name", SPOKEN)
def test_each_row_looks_as_it_should(name: str, send: Any, agent: AgentHandle) -> None:
    status, said, reached = SPOKEN[name]
    agent.script(name, times=1)
    answer = send({"v": 1})
    assert answer.status_code == status
    if said == HTML:
        assert answer.headers["content-type"].startswith(HTML) and answer.text.startswith("<")
    elif said:
        assert list(answer.json()) == ["name", "message"] and answer.json()["name"] == said
    else:
        assert answer.text.strip() == "{}"
    (measure,) = agent.measures()
    assert (measure["applied"], measure["answer"], measure["receipt"]) == (bool(reached), name, reached == 1)
    assert agent.state()["applied_without_receipt"] == 0


@pytest.mark.parametrize("name", BROKEN)
def test_each_way_to_break_off(name: str, agent: AgentHandle) -> None:
    error, reached = BROKEN[name]
    agent.script(name, times=1)
    with httpx.Client(trust_env=False, timeout=0.3) as client, pytest.raises(error):
        client.post(f"{agent.url}?k=evd-key&i=cam1", json={"v": 1})
    (measure,) = agent.measures()
    assert (measure["applied"], measure["answer"], measure["receipt"]) == (bool(reached), name, False)
    assert agent.state()["applied_without_receipt"] == reached


@pytest.mark.parametrize("name", ["429_retry_after", "503_retry_after", "429_retry_after_date", "503_retry_after_date"])
def test_retry_after_is_what_was_asked_for(name: str, send: Any, agent: AgentHandle) -> None:
    agent.script(name, retry_after_s=40)
    before = time.time()
    said = send({"v": 1}).headers["retry-after"]
    if name.endswith("date"):
        ahead = email.utils.parsedate_to_datetime(said).timestamp() - before
        assert 40 <= ahead < 43
    else:
        assert said == "40"
    agent.clear()
    agent.script("429")
    assert "retry-after" not in send({"v": 1}).headers


def test_every_answer_belongs_to_one_class() -> None:
    named = [name for answers in CLASSES.values() for name in answers.split()]
    assert sorted(named) == sorted(ANSWERS)
    assert {"silent", "huge", "delivered"}.isdisjoint(FAULTS)
    covered = {*SPOKEN, *BROKEN}
    left_out = {"ok_not_applied", "garbage", "ok_huge", "ok_empty", "slow", "204", "html_400", "html_403", "html_500"}
    assert set(ANSWERS) - covered == left_out


def chaos(send: Any, agent: AgentHandle, *, devices: list[str], requests: int) -> list[tuple[str, str]]:
    agent.forget()
    for n in range(requests):
        for device in devices:
            send({"v": n}, f"k=evd-key&i={device}")
    return [(one["device"], one["answer"]) for one in agent.measures()]


def test_faults_at_random_in_every_class(send: Any, agent: AgentHandle) -> None:
    classes = [name for name in FAULTS if name not in ("connection", "timeout")]
    agent.script("any", probability=0.5, seed=7, classes=classes)
    first = chaos(send, agent, devices=["cam1", "cam2"], requests=100)
    agent.clear()
    agent.script("any", probability=0.5, seed=7, classes=classes)
    again = chaos(send, agent, devices=["cam2", "cam1"], requests=100)
    assert sorted(first) == sorted(again)  # the order in which devices come changes nobody's luck
    faults = [answer for _, answer in first if answer != "ok"]
    assert 60 <= len(faults) <= 140
    drawn = {name for name in CLASSES if set(CLASSES[name].split()) & set(faults)}
    assert drawn == set(classes)
    agent.clear()
    agent.script("any", probability=0.5, seed=8, classes=classes)
    assert sorted(chaos(send, agent, devices=["cam1", "cam2"], requests=100)) != sorted(first)


def test_of_each_faulted_request_it_is_known_what_became_of_its_measures(agent: AgentHandle) -> None:
    agent.script("any", probability=0.7, seed=3, classes=["connection", "transient", "permanent"])
    heard = set()
    with httpx.Client(trust_env=False, timeout=5) as client:
        for n in range(60):
            try:
                answer = client.post(f"{agent.url}?k=evd-key&i=cam1", json=[{"v": n}, {"v": n + 0.5}])
            except httpx.TransportError:
                continue
            if (answer.status_code, answer.content) == (200, b"{}"):
                heard.add(n)
    measures = agent.measures()
    assert len(measures) == 120
    receipts = {int(one["body"]["v"]) for one in measures if one["receipt"]}
    unsaid = [one for one in measures if one["applied"] and not one["receipt"]]
    assert receipts == heard
    assert {one["answer"] for one in unsaid} <= {"reset_after_apply", "reset_half", "close_after_apply", "close_half"}
    assert agent.state()["applied_without_receipt"] == len(unsaid) > 0
