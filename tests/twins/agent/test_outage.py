"""An outage of the agent, on and off by control, and a latency that changes under way."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import httpx
import pytest

from twins.agent.handle import AgentHandle
from wait import until


@pytest.fixture
def agent(agent: AgentHandle) -> Any:
    yield agent
    agent.outage(None)
    agent.latency(0)


def test_refused_connections(send: Any, applied: Any, agent: AgentHandle) -> None:
    assert send({"v": 1}).status_code == 200  # keeps its connection, which the outage cuts
    for _ in range(2):
        agent.outage("refuse")
        with pytest.raises((httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError)):
            send({"v": 2})
        with pytest.raises(httpx.ConnectError, match="refused"):
            httpx.post(agent.url, trust_env=False)
        assert agent.state()["outage"] == "refuse"
        agent.outage(None)
        assert send({"v": 3}).status_code == 200
    assert [one["v"] for one in applied()] == [1, 3, 3]


def test_one_answer_for_all_whatever_the_script_says(send: Any, applied: Any, agent: AgentHandle) -> None:
    agent.script("bad_timestamp", device="cam1")
    agent.outage("html_503")
    statuses = [send({"v": 1}, query).status_code for query in ("k=evd-key&i=cam1", "k=crowd-key&i=x", "k=no&i=x")]
    assert statuses == [503, 503, 503]
    agent.outage(None)
    assert send({"v": 2}).status_code == 400
    assert applied() == []


async def test_an_outage_ends_by_itself(agent: AgentHandle) -> None:
    agent.outage("refuse", seconds=0.3)
    async with httpx.AsyncClient(trust_env=False) as client:

        async def listens() -> bool:
            try:
                return (await client.get(agent.base)).status_code == 404
            except httpx.ConnectError:
                return False

        assert not await listens()
        await until(listens, "the agent to listen again")
    assert agent.state()["outage"] is None


def test_without_a_port_of_its_own_for_control_an_outage_has_an_end(client: httpx.Client) -> None:
    command = [sys.executable, "-m", "twins.agent", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        ports = json.loads(process.stdout.readline())
        page = f"{ports['listening']}/twin/outage"
        refused = client.post(page, json={"mode": "refuse"})
        assert (refused.status_code, "--control-port" in refused.text) == (400, True)
        assert client.post(page, json={"mode": "refuse", "seconds": 60}).json() == {"mode": "refuse"}
        with pytest.raises(httpx.ConnectError, match="refused"):
            client.get(page)
        process.terminate()
        assert process.wait(5) == 0
    assert set(ports) == {"listening"}


@pytest.mark.parametrize(
    "wrong", [{"mode": "nonsense"}, {"mode": "refuse", "seconds": -1}, {"seconds": "x"}, {"until": 3}, [], {"mode": 7}]
)
def test_an_outage_that_says_nothing_sensible_is_refused(wrong: Any, agent: AgentHandle, client: httpx.Client) -> None:
    assert client.post(f"{agent.base}/twin/outage", json=wrong).status_code == 400
    assert agent.state()["outage"] is None


def test_latency_at_run_time(send: Any, agent: AgentHandle, client: httpx.Client) -> None:
    agent.latency(120)
    assert int(send({"v": 1}).headers["x-processing-time"]) >= 119
    assert agent.state()["latency_ms"] == 120
    agent.latency(0)
    assert int(send({"v": 1}).headers["x-processing-time"]) < 119
    for wrong in ({"ms": -1}, {"ms": 1.5}, {}, [], {"ms": True}):
        assert client.post(f"{agent.base}/twin/latency", json=wrong).status_code == 400
