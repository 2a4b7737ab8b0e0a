"""What a client makes of a server that will not take a write now; settings that a connection has."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import redis.exceptions

from gantry.clock import SystemClock
from gantry.errors import Unavailable
from gantry.health import Health
from gantry.streams import durability, groups
from gantry.streams.address import Node
from gantry.streams.client import Client, connect
from gantry.streams.pipelined import Pipelined
from gantry.streams.scripts import Scripts
from gantry.topology import Topology
from server_groups import HOST, PORTS, Server, running
from wait import until

pytestmark = pytest.mark.timeout(30)
KEYS = Topology()


@pytest.fixture
def lonely(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """It wants a replica before it takes anything, and has none."""
    server = Server.made(tmp_path_factory.mktemp("r") / "alone", "--min-replicas-to-write", "1")
    with running([server]):
        yield server


@pytest.mark.parametrize("kind", ["port", "socket"])
async def test_a_server_without_its_replicas_is_away_for_all_kinds_of_calls(lonely: Server, kind: str) -> None:
    client = connect(f"redis://{HOST}:{lonely.port}" if kind == "port" else lonely.embedded.url, "tests")
    for calls in (Scripts(client), Pipelined(client)):
        with pytest.raises(Unavailable, match="NOREPLICAS"):
            await calls.once("alive", [KEYS.alive("a", "b")], [9000, "n", "1"])
    with pytest.raises(redis.exceptions.ConnectionError, match="NOREPLICAS"):
        await client.hset(KEYS.ledger, "received", "1")
    transaction = client.pipeline(transaction=True).hset(KEYS.ledger, "received", "1")
    with pytest.raises(redis.exceptions.ConnectionError, match="NOREPLICAS"):
        await transaction.execute()
    assert await client.exists(KEYS.ledger) == 0
    await calls.aclose()
    await client.aclose()


async def test_a_connection_that_was_told_so_is_dropped(lonely: Server) -> None:
    client = connect(f"redis://{HOST}:{lonely.port}", "tests")
    connection = client.connection_pool.make_connection()
    await connection.send_command("SET", "a", "b")
    with pytest.raises(redis.exceptions.ConnectionError, match="NOREPLICAS"):
        await connection.read_response()
    assert not connection.is_connected
    await client.aclose()


async def test_a_service_waits_for_the_replicas(lonely: Server) -> None:
    client, health, stop = connect(lonely.embedded.url, "tests"), Health(SystemClock()), asyncio.Event()
    waiting = asyncio.create_task(groups.prepare_once_reachable(client, KEYS, health, stop))
    await until(lambda: says(health, "NOREPLICAS"), "the service to say what it waits for")
    await client.config_set("min-replicas-to-write", "0")
    await asyncio.wait_for(waiting, 10)
    assert health.state() == ("ready", "")
    await client.aclose()


async def says(health: Health, word: str) -> bool:
    return word in health.state()[1]


async def test_a_master_that_would_go_on_alone_is_told_where_another_may_replace_it(lonely: Server) -> None:
    """Of a server that has an address nobody knows a second."""
    alone, in_a_cluster = connect(lonely.embedded.url, "tests"), connect(f"redis+cluster://{HOST}:1", "tests")
    in_a_cluster.connection_pool.connection_kwargs["route"].find = lambda: here(lonely)
    for value, alone_too in (("1", False), ("0", True)):
        await alone.config_set("min-replicas-to-write", value)
        assert await durability.goes_on_alone(in_a_cluster) is alone_too
        assert not await durability.goes_on_alone(alone)
    await alone.aclose()
    await in_a_cluster.aclose()


async def here(server: Server) -> Node:
    return Node(HOST, server.port)


async def test_an_address_where_nobody_listens_is_away_at_once() -> None:
    port = PORTS.free(0)
    for url in (f"redis://{HOST}:{port}", f"redis+cluster://{HOST}:{port}", f"redis+sentinel://{HOST}:{port}/m"):
        client: Client = connect(url, "tests")
        with pytest.raises(redis.exceptions.ConnectionError, match=str(port)):
            await client.ping()
        await client.aclose()
