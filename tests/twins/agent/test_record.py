"""What the twin remembers: measures in the order of application, and counts."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from twins.agent.handle import AgentHandle, started
from wait import until


def test_measures_are_numbered_and_read_in_parts(send: Any, agent: AgentHandle) -> None:
    for n in range(5):
        send({"v": n})
    first = agent.measures()[0]["n"]
    assert [one["body"]["v"] for one in agent.measures(first + 2, 2)] == [2, 3]
    assert agent.measures(first + 5) == []
    agent.forget()
    assert agent.measures() == []
    send({"v": 5})
    assert agent.measures()[0]["n"] == first + 5


def test_counts(send: Any, agent: AgentHandle) -> None:
    agent.script("html_502", times=1)
    for body in ({"v": 1}, [{"v": 2}, {"v": 3}], {"TimeInstant": "never"}):
        send(body)
    state = agent.state()
    assert (state["requests"], state["measures_applied"], state["in_flight"]) == (3, 2, 0)
    assert state["answers"] == {"html_502": 1, "ok": 1, "bad_timestamp": 1}
    assert state["in_flight_max"] == {"evd/cam1": 1}


async def test_requests_of_one_device_at_the_same_time_are_noticed(agent: AgentHandle) -> None:
    agent.script("slow", ms=300)
    async with httpx.AsyncClient(trust_env=False) as client:
        queries = ["k=evd-key&i=cam1", "k=evd-key&i=cam1", "k=evd-key&i=cam2"]
        await asyncio.gather(*(client.post(f"{agent.url}?{query}", json={"v": 1}) for query in queries))
    state = agent.state()
    assert state["in_flight_max"] == {"evd/cam1": 2, "evd/cam2": 1}
    assert (state["in_flight_max_per_device"], state["devices_in_flight_max"], state["in_flight"]) == (2, 2, 0)


async def test_the_order_is_that_of_application_and_who_gives_up_is_applied_all_the_same(
    agent: AgentHandle,
) -> None:
    agent.script("slow", ms=400, times=1)
    async with httpx.AsyncClient(trust_env=False, timeout=0.1) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post(f"{agent.url}?k=evd-key&i=cam1", json={"v": "earlier"})
        await client.post(f"{agent.url}?k=evd-key&i=cam1", json={"v": "later"})

    async def both() -> bool:
        return len(agent.measures()) == 2

    await until(both, "the slow one is applied")
    later, earlier = agent.measures()
    assert (later["body"]["v"], earlier["body"]["v"]) == ("later", "earlier")
    assert (later["request"], later["applied"], earlier["applied"]) == (earlier["request"] + 1, True, True)
    assert later["t"] <= earlier["t"]
    assert agent.state()["in_flight_max"] == {"evd/cam1": 1}  # who gave up is not in flight any more


def test_everything_is_recorded(agent_keys: dict[str, str], tmp_path: Path, send: Any) -> None:
    path = tmp_path / "record.ndjson"
    with started(agent_keys, "--record", str(path)) as agent:
        send(b'{"v":\n 1}', to=agent)
        send({"TimeInstant": "never"}, to=agent)
        agent.forget()
        send({"v": 2}, "k=crowd-key&i=zone", to=agent)
        kept = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(one["n"], one["applied"], one["target"]) for one in kept] == [
        (1, True, "evd"),
        (2, False, "evd"),
        (3, True, "crowd"),
    ]
    assert "-key" not in path.read_text()


def test_latency(agent_keys: dict[str, str], send: Any) -> None:
    with started(agent_keys, "--latency-ms", "80") as agent:
        answer = send({"v": 1}, to=agent)
    assert int(answer.headers["x-processing-time"]) >= 79
    assert answer.elapsed.total_seconds() >= 0.079
