"""Real servers for tests: TEST_REDIS_URL if set, else the embedded Valkey; never REDIS_URL."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest
import redis

sys.path.insert(0, str(Path(__file__).parent))  # tests/wait.py and friends, by plain name

from builders import patient
from gantry.embedded import Embedded
from gantry.streams import groups
from gantry.streams.client import Client, connect
from gantry.streams.scripts import Calls
from gantry.topology import Topology

hypothesis.settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
if os.environ.get("CI"):
    hypothesis.settings.load_profile("ci")  # a red run must be red again; elsewhere it explores


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    if url := os.environ.get("TEST_REDIS_URL"):
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="gantry-", dir="/tmp") as folder:
        server = Embedded(Path(folder) / "redis", maxmemory="256mb")
        server.start()
        yield server.url
        server.stop()


@pytest.fixture
def redis_url(server_url: str) -> str:
    """A real, durable server, empty."""
    with redis.from_url(server_url) as plain:
        plain.flushall()
    return server_url


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Client]:
    """A client of that server, with the groups of site `main` made."""
    connection = connect(redis_url, "tests")
    await groups.prepare(connection, Topology())
    yield connection
    await connection.aclose()


@pytest.fixture
def calls(client: Client) -> Calls:
    return patient(client)


@pytest.fixture
def keys() -> Topology:
    return Topology()


@pytest.fixture(scope="session")
def captures() -> Path:
    """Bytes of real devices, which are not part of this project: GANTRY_CAPTURES names their folder."""
    folder = os.environ.get("GANTRY_CAPTURES", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("GANTRY_CAPTURES does not name a folder of captures")
    return Path(folder)
