"""Clients over TLS, on a redis-server where there is one: the embedded server speaks none."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis.exceptions

from gantry import certificates
from gantry.errors import Unavailable
from gantry.settings import Settings
from gantry.streams.client import Client, connect
from gantry.streams.pipelined import Pipelined
from gantry.topology import Topology
from server_groups import HOST, PORTS, Cluster, Server, cluster_node, running

BINARY = shutil.which("redis-server")
pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(BINARY is None, reason="no redis-server here; the embedded server speaks no TLS"),
]
KEYS = Topology()
OTHER_HOST = "127.0.0.2"


def authority(folder: Path, *names: str) -> certificates.Folder:
    return certificates.init(folder, names, now=datetime.now(UTC))


def in_tls(folder: Path, port: int, *more: str) -> tuple[str, ...]:
    """A server's options."""
    made = certificates.Folder(folder)
    files = ("--tls-cert-file", str(made.server_crt), "--tls-key-file", str(made.server_key))
    trust = ("--tls-ca-cert-file", str(made.ca_crt), "--tls-auth-clients", "no")
    return ("--tls-port", str(port), *files, *trust, *more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With our authority and a foreign one; both certificates name 127.0.0.1 and localhost."""
    made = tmp_path_factory.mktemp("t")
    authority(made / "certs")
    authority(made / "foreign")
    return made


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    """Of a server with our certificate."""
    port = PORTS.free(0)
    server = Server.made(
        folder / "redis", "--bind", HOST, OTHER_HOST, *in_tls(folder / "certs", port), binary=Path(str(BINARY))
    )
    with running([server]):
        yield port


def client(folder: Path, url: str, ca: str = "certs", block_s: float = 0) -> Client:
    given = {"redis_url": url, "redis_ca_file": folder / ca / "ca.crt" if ca else None}
    return connect(Settings.model_validate(given), "tests", block_s=block_s)


async def test_plain_calls_blocking_readers_and_pipelined_ones(folder: Path, port: int) -> None:
    url = f"rediss://{HOST}:{port}"
    plain, blocking = client(folder, url), client(folder, url, block_s=5)
    calls = Pipelined(plain)
    reading = asyncio.create_task(blocking.xread({KEYS.raw: "$"}, block=5000))
    await asyncio.gather(*(calls.once("alive", [KEYS.alive("a", str(n))], [9000, "n", str(n)]) for n in range(50)))
    while not reading.done():
        await plain.xadd(KEYS.raw, {"n": "1"})
    assert await reading
    assert await plain.hget(KEYS.alive("a", "49"), "n") == b"49"
    for each in (calls, plain, blocking):
        await each.aclose()


@pytest.mark.parametrize("ca", ["foreign", ""], ids=["another authority", "the system's"])
async def test_a_server_that_is_not_trusted_is_refused_in_words(folder: Path, port: int, ca: str) -> None:
    made = client(folder, f"rediss://{HOST}:{port}", ca=ca)
    calls = Pipelined(made)
    for attempt in (made.ping(), calls.once("alive", [KEYS.alive("a", "b")], [9000, "n", "1"])):
        with pytest.raises((redis.exceptions.ConnectionError, Unavailable), match=r"not trusted.*REDIS_CA_FILE"):
            await attempt
    await calls.aclose()
    await made.aclose()


async def test_a_certificate_of_another_host_is_refused(folder: Path, port: int) -> None:
    made = client(folder, f"rediss://{OTHER_HOST}:{port}")
    with pytest.raises(redis.exceptions.ConnectionError, match=r"not trusted.*127\.0\.0\.2"):
        await made.ping()
    await made.aclose()


async def test_a_server_without_tls_is_told_from_one_that_is_not_trusted(folder: Path, tmp_path: Path) -> None:
    server = Server.made(tmp_path / "plain")
    with running([server]):
        made = client(folder, f"rediss://{HOST}:{server.port}")
        with pytest.raises(redis.exceptions.ConnectionError, match="in TLS"):
            await made.ping()
        await made.aclose()


@pytest.fixture
def encrypted(folder: Path, tmp_path: Path) -> Iterator[tuple[Cluster, int]]:
    """A cluster of one, whose nodes and clients speak TLS; its port for them."""
    tls = PORTS.free(0)
    options = in_tls(folder / "certs", tls, "--tls-cluster", "yes", "--tls-replication", "yes")
    node = cluster_node(tmp_path / "n", *options, binary=Path(str(BINARY)))
    made = Cluster([node], 1)
    with running([node]):
        asyncio.run(made.join())
        yield made, tls


async def test_a_cluster_is_asked_and_used_in_tls(folder: Path, encrypted: tuple[Cluster, int]) -> None:
    """What it announces to those who ask in TLS is the port for TLS."""
    made = client(folder, f"rediss+cluster://localhost:{encrypted[1]}")
    await made.hset(KEYS.ledger, "received", "1")
    (connection,) = made.connection_pool._available_connections
    assert connection.port == encrypted[1]
    await made.aclose()
