"""A twin of the agent in a process of its own, and a client that speaks to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from twins.agent.handle import AgentHandle, started

KEYS = {"evd": "evd-key", "crowd": "crowd-key"}

Send = Callable[..., httpx.Response]
Applied = Callable[[], list[Any]]


@pytest.fixture(scope="session")
def agent_keys() -> dict[str, str]:
    return KEYS


@pytest.fixture(scope="module")
def running_twin() -> Iterator[AgentHandle]:
    with started(KEYS) as handle:
        yield handle


@pytest.fixture
def agent(running_twin: AgentHandle) -> AgentHandle:
    running_twin.clear()
    running_twin.forget()
    return running_twin


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=5) as opened:
        yield opened


@pytest.fixture
def send(client: httpx.Client, request: pytest.FixtureRequest) -> Send:
    """POST bytes, or anything else as JSON, to the twin of this test or to the one that `to` names."""

    def post(
        body: Any,
        query: str = "k=evd-key&i=cam1",
        content_type: str | None = "application/json",
        *,
        to: AgentHandle | None = None,
    ) -> httpx.Response:
        url = (to or request.getfixturevalue("agent")).url
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return client.post(f"{url}?{query}", content=content, headers={"Content-Type": content_type or ""})

    return post


@pytest.fixture
def applied(agent: AgentHandle) -> Applied:
    """What reached the broker, in order."""
    return lambda: [one["body"] for one in agent.measures() if one["applied"]]
