"""A client on a real cluster of three: it finds the node that its site is on, and finds it again when that changes."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import redis.exceptions

from gantry.errors import Refused, Unavailable
from gantry.settings import Settings
from gantry.streams import groups
from gantry.streams.access import acl_file
from gantry.streams.client import Client, connect
from gantry.streams.pipelined import Pipelined
from gantry.streams.scripts import Scripts
from gantry.topology import PROCESSOR_CONSUMER, PROCESSOR_GROUP, Topology
from server_groups import Cluster, Server, cluster, running
from wait import until

pytestmark = pytest.mark.timeout(60)
AWAY = (redis.exceptions.ConnectionError, Unavailable)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Shared: each test has sites of its own."""
    with cluster(tmp_path_factory.mktemp("c")) as made:
        yield made


def settings(cluster: Cluster, site: str, url: str = "") -> Settings:
    return Settings.model_validate({"redis_url": url or cluster.url, "gantry_site": site})


@asynccontextmanager
async def clients(config: Settings) -> AsyncIterator[tuple[Client, Client, Pipelined]]:
    """As a publisher has them: one for all, one that blocks, one pipelined."""
    plain, blocking = connect(config, "tests"), connect(config, "news", block_s=5)
    calls = Pipelined(plain)
    async with AsyncExitStack() as stack:
        for each in (plain, blocking, calls):
            stack.push_async_callback(each.aclose)
        yield plain, blocking, calls


def note(calls: Pipelined | Scripts, keys: Topology, value: str) -> asyncio.Future[object]:
    return asyncio.ensure_future(calls.once("alive", [keys.alive("a", "b")], [60_000, "number", value]))


async def test_each_site_is_found_whichever_node_is_named(three: Cluster) -> None:
    for number, server in enumerate(three.servers):
        site = three.site_on(number)
        for named in three.servers:
            client = connect(settings(three, site, f"redis+cluster://127.0.0.1:{named.port}"), "tests")
            await client.hset(Topology(site).ledger, "received", "1")
            await client.aclose()
        assert await server.say("HGET", Topology(site).ledger, "received") == b"1"


async def test_a_moved_slot_is_followed_by_all_kinds_of_calls(three: Cluster) -> None:
    site = three.site_on(0, "moved")
    keys = Topology(site)
    async with clients(settings(three, site)) as (plain, blocking, calls):
        await groups.prepare(plain, keys)
        await note(calls, keys, "1")
        reader = asyncio.create_task(
            blocking.xreadgroup(PROCESSOR_GROUP, PROCESSOR_CONSUMER, {keys.raw: ">"}, block=30_000)
        )
        await until(lambda: blocked(three, 0), "the reader to block")
        await three.begin_move(site, 0, 1)
        assert await three.move_keys(site, 0, 1) > 0
        await three.end_move(site, 1)
        assert await three.owner(site) == 1
        with pytest.raises(redis.exceptions.ConnectionError, match=r"ASK|MOVED|UNBLOCKED"):
            await reader
        with pytest.raises(Unavailable, match="MOVED"):
            await note(calls, keys, "2")
        with pytest.raises(redis.exceptions.ConnectionError, match="MOVED"):
            await plain.xlen(keys.raw)
        assert await plain.xlen(keys.raw) == 0
        await note(calls, keys, "3")
        await plain.xadd(keys.raw, {"a": "b"})
        assert await blocking.xreadgroup(PROCESSOR_GROUP, PROCESSOR_CONSUMER, {keys.raw: ">"}, block=1000)
        assert await three.servers[1].say("HGET", keys.alive("a", "b"), "number") == b"3"


async def blocked(three: Cluster, number: int) -> bool:
    return b"blocked_clients:1" in await three.servers[number].say("INFO", "clients")


async def test_while_a_slot_is_on_its_way_calls_wait_and_change_nothing(three: Cluster) -> None:
    """Half of the keys here and half there: nobody may write, and what has been written is whole afterwards."""
    site = three.site_on(2, "moving")
    keys = Topology(site)
    async with clients(settings(three, site)) as (plain, _, calls):
        await groups.prepare(plain, keys)
        await plain.hset(keys.ledger, "received", "7")
        await three.begin_move(site, 2, 0)
        await three.move_keys(site, 2, 0, at_most=2)
        for _ in range(3):
            with pytest.raises(AWAY, match=r"TRYAGAIN|ASK"):
                await calls.once("ledger", [keys.raw, keys.events, keys.ledger], ["publisher"])
        with pytest.raises(AWAY, match="ASK"):
            await note(calls, keys, "1")
        await three.move_keys(site, 2, 0)
        await three.end_move(site, 0)
        await until(lambda: arrives(calls, keys), "the calls to find the new node")
        await until(lambda: answers(plain, site), "the client to find the new node")
        assert await plain.hget(keys.ledger, "received") == b"7"


async def arrives(calls: Pipelined, keys: Topology) -> bool:
    try:
        await note(calls, keys, "2")
    except Unavailable:
        return False
    return True


async def test_a_node_that_is_gone_is_not_asked_twice_in_a_row(three: Cluster) -> None:
    """The site's own node lives; the one that is named first does not."""
    site = three.site_on(1)
    client = connect(settings(three, site), "tests")
    three.servers[0].stop()
    try:
        await until(lambda: answers(client, site), "the cluster to answer")
    finally:
        three.servers[0].embedded.start()
    assert client.connection_pool.connection_kwargs["route"].asked.first == 1
    await client.aclose()
    await until(three.serves, "the cluster to be whole again")


async def answers(client: Client, site: str) -> bool:
    try:
        await client.exists(Topology(site).raw)
    except redis.exceptions.ConnectionError:
        return False
    return True


async def test_a_services_own_user_may_ask_its_way(three: Cluster) -> None:
    site, user = three.site_on(1), "journal"
    rules = acl_file({user: hashlib.sha256(b"pa55word").hexdigest()}).splitlines()
    (line,) = (line for line in rules if line.startswith(f"user {user} "))
    for server in three.servers:
        await server.say("ACL", "SETUSER", *line.split()[1:])
    client = connect(settings(three, site, three.url.replace("//", f"//{user}:pa55word@")), "tests")
    await groups.prepare(client, Topology(site))
    assert await three.servers[1].say("EXISTS", Topology(site).raw) == 1
    await client.aclose()


async def test_who_is_not_let_in_is_told_so(three: Cluster) -> None:
    """And not that the cluster is away."""
    client = connect(settings(three, "main", three.url.replace("//", "//nobody:pa55word@")), "tests")
    pipelined = Pipelined(client)
    for calls in (Scripts(client), pipelined):
        with pytest.raises(Refused, match="does not take the user and password"):
            await note(calls, Topology(), "1")
    await pipelined.aclose()
    await client.aclose()


async def test_one_of_a_cluster_named_as_a_server_says_so(three: Cluster) -> None:
    client = connect(f"redis://127.0.0.1:{three.servers[0].port}", "tests")
    with pytest.raises(redis.exceptions.ConnectionError, match=r"MOVED.*redis\+cluster://"):
        await client.exists(Topology(three.site_on(1)).raw)
    await client.aclose()


async def test_a_server_that_is_no_cluster_says_so(tmp_path: Path) -> None:
    alone = Server.made(tmp_path / "alone")
    with running([alone]):
        client = connect(f"redis+cluster://127.0.0.1:{alone.port}", "tests")
        with pytest.raises(redis.exceptions.ConnectionError, match="cluster support disabled"):
            await client.ping()
        await client.aclose()
