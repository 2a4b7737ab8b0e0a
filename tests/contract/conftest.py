"""The same tests on every server that can be had (servers.py), as Gantry's users; and on fakeredis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import fakeredis
import pytest

from builders import patient
from contract import servers
from contract.servers import AsUsers, At
from gantry.streams import groups
from gantry.streams.client import Client, connect
from gantry.streams.patience import Patience
from gantry.streams.scripts import Calls
from gantry.topology import Topology

FOUND = servers.find()
BINARIES = servers.binaries()
FAKE = "fakeredis"


def pytest_report_collectionfinish() -> list[str]:
    """Which servers these tests run on, and why not on others."""
    return [f"contract: {', '.join(FOUND.servers)}", *(f"contract: skipped {line}" for line in FOUND.missing)]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What the fake cannot do is one strict xfail (test_fake.py); tests that need it run on real servers only."""
    unfit = [i for i in items if i.get_closest_marker("reads_in_lua") and f"[{FAKE}" in i.name]
    config.hook.pytest_deselected(items=unfit)
    items[:] = [item for item in items if item not in unfit]


@pytest.fixture(scope="session", params=[*FOUND.servers, FAKE])
def server(request: pytest.FixtureRequest) -> Iterator[At | str]:
    if request.param == FAKE:
        yield FAKE
        return
    with servers.started(FOUND.servers[request.param]) as where:
        yield where


@pytest.fixture
async def client(server: At | str) -> AsyncIterator[Client]:
    """As a user who may do everything."""
    fake = isinstance(server, str)
    connection = fakeredis.FakeAsyncRedis(server_type="valkey") if fake else connect(server.url(), "contract")
    await connection.flushall()
    await groups.prepare(connection, Topology())
    yield connection
    await connection.aclose()


@pytest.fixture
async def calls(client: Client, server: At | str) -> AsyncIterator[Calls]:
    """As the users whose scripts they are: none may lack a command or a key of its scripts, in no branch."""
    if isinstance(server, str):
        yield patient(client)
        return
    users = AsUsers(server)
    yield Patience(users, asyncio.Event(), lambda: None)
    await users.aclose()


@pytest.fixture
def ladder(server: At | str) -> int:
    """fakeredis has no INFO, so the ladder is off there."""
    return 0 if server == FAKE else 60
