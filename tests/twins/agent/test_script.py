"""Faults on demand: whom they hit, how often, and by what chance."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from gantry.errors import Malformed
from twins.agent.answers import ANSWERS
from twins.agent.handle import AgentHandle
from twins.agent.script import Script, read


def test_a_fault_hits_only_whom_it_names_and_is_used_up(send: Any, agent: AgentHandle) -> None:
    agent.script("broker_503", target="evd", device="cam1", times=2)
    agent.script("429", target="crowd")
    agent.script("html_502", match='"poison"')
    asked = ["k=evd-key&i=cam1", "k=evd-key&i=cam2", "k=crowd-key&i=cam1"]
    statuses = [[send({"v": 1}, query).status_code for query in asked] for _ in range(3)]
    assert statuses == [[503, 200, 429], [503, 200, 429], [200, 200, 429]]
    assert send([{"v": 1}, {"v": "poison"}]).status_code == 502
    agent.clear()
    assert send({"v": "poison"}, asked[2]).status_code == 200


def test_faults_come_in_the_order_in_which_they_were_given(send: Any, agent: AgentHandle) -> None:
    for name in ("broker_503", "bad_timestamp", "html_502"):
        agent.script(name, times=1)
    assert [send({"v": 1}).status_code for _ in range(4)] == [503, 400, 502, 200]


def test_a_fault_of_the_connection_adds_to_what_the_request_earns(send: Any, applied: Any, agent: AgentHandle) -> None:
    agent.script("slow", ms=20)
    assert send({"v": 1}, "k=other&i=cam1").status_code == 404
    agent.script("reset_after_apply")
    agent.clear()
    agent.script("reset_after_apply")
    with pytest.raises(httpx.ReadError):
        send({"TimeInstant": "never"})
    assert applied() == []


def test_luck_depends_on_the_seed_and_not_on_who_comes_between() -> None:
    def luck(seed: int, devices: list[str]) -> dict[str, list[bool]]:
        script, asked = Script(seed), dict[str, list[bool]]()
        script.add(read({"answer": "reset", "probability": 0.3}))
        for device in devices:
            mine = asked.setdefault(device, [])
            mine.append(script.pick("evd", device, b"", len(mine) + 1) is not None)
        return asked

    one, other = ["a"] * 500 + ["b"] * 500, ["b", "a"] * 500
    assert luck(1, one) == luck(1, other)
    assert luck(1, one) != luck(2, one)
    assert 100 < sum(luck(1, one)["a"]) < 200


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        {},
        {"answer": "nonsense"},
        {"answer": "ok", "times": 0},
        {"answer": "ok", "times": "2"},
        {"answer": "ok", "probability": 1.5},
        {"answer": "ok", "probability": True},
        {"answer": "ok", "device": 7},
        {"answer": "slow", "ms": -1},
        {"answer": "ok", "devise": "cam1"},
    ],
)
def test_a_script_that_says_nothing_sensible_is_refused(wrong: Any, agent: AgentHandle, client: httpx.Client) -> None:
    with pytest.raises(Malformed):
        read(wrong)
    answer = client.post(f"{agent.base}/twin/script", content=json.dumps(wrong))
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_pages_of_the_twin_are_not_counted(agent: AgentHandle, client: httpx.Client) -> None:
    assert agent.answers() == list(ANSWERS)
    assert client.get(f"{agent.base}/twin/nothing").status_code == 404
    assert client.get(f"{agent.base}/twin/measures?from=x").status_code == 400
    assert agent.state()["requests"] == 0
