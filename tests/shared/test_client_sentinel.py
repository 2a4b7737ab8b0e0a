"""A client that asks sentinels for the master, on real servers: it follows a failover, and trusts no replica."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
import redis.exceptions

from gantry.errors import Unavailable
from gantry.streams.access import LOOK, acl_file
from gantry.streams.client import Client, connect
from gantry.streams.pipelined import Pipelined
from gantry.topology import Topology
from server_groups import HOST, Watched, watched
from wait import until

pytestmark = pytest.mark.timeout(60)
KEYS = Topology()
USER, SECRET = "journal", "pa55word"


@pytest.fixture
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watched(tmp_path_factory.mktemp("s")) as made:
        yield made


async def test_a_failover_is_followed(guarded: Watched) -> None:
    """Also by a reader that waits and by pipelined calls; the sentinel that is named first is dead."""
    guarded.sentinels[0].kill()
    plain, blocking = connect(guarded.url, "tests"), connect(guarded.url, "news", block_s=20)
    calls = Pipelined(plain)
    await plain.xadd(KEYS.raw, {"n": "1"})
    await calls.once("alive", [KEYS.alive("a", "b")], [60_000, "number", "1"])
    assert await blocking.xread({KEYS.raw: "0"}, block=1000)
    guarded.servers[0].stop()
    await until(lambda: set_again(plain), "the client to find the new master", within_s=15)
    assert await until(lambda: read_again(blocking), "the reader to find the new master")
    await until(lambda: called_again(calls), "the calls to find the new master")
    master = await guarded.master(1)
    assert master != 0
    assert await guarded.servers[master].say("HGET", KEYS.alive("a", "b"), "number") == b"2"
    for each in (calls, plain, blocking):
        await each.aclose()


async def set_again(client: Client) -> bool:
    try:
        await client.hset(KEYS.ledger, "received", "1")
    except redis.exceptions.ConnectionError:
        return False
    return True


async def read_again(client: Client) -> object:
    try:
        return await client.xread({KEYS.raw: "0"}, block=1000)
    except redis.exceptions.ConnectionError:
        return None


async def called_again(calls: Pipelined) -> bool:
    try:
        await calls.once("alive", [KEYS.alive("a", "b")], [60_000, "number", "2"])
    except Unavailable:
        return False
    return True


async def test_a_replica_is_taken_for_no_master_whatever_a_sentinel_believes(guarded: Watched) -> None:
    """One sentinel is left, which cannot change anything and still names the first server."""
    client = connect(guarded.url, "tests")
    await client.hset(KEYS.ledger, "received", "1")
    for sentinel in guarded.sentinels[1:]:
        sentinel.kill()
    await guarded.servers[0].say("REPLICAOF", HOST, guarded.servers[1].port)
    with pytest.raises(redis.exceptions.ConnectionError, match="READONLY"):
        await client.hset(KEYS.ledger, "received", "2")
    with pytest.raises(redis.exceptions.ConnectionError, match="not the master"):
        await client.hget(KEYS.ledger, "received")
    await client.aclose()


@pytest.fixture(params=[True, False], ids=["sentinels ask too", "sentinels ask nobody"])
def with_users(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """The users of the server are Gantry's own, and one for the sentinels."""
    folder = tmp_path_factory.mktemp("s")
    users = acl_file({USER: hashlib.sha256(SECRET.encode()).hexdigest()}) + "user sentinels on >link ~* &* +@all\n"
    (folder / "users.acl").write_text(users)
    lines = ("sentinel auth-user mymaster sentinels", "sentinel auth-pass mymaster link")
    guards = (f"user {USER} on >{SECRET} ~* &* +@all", "user default off") if request.param else ()
    with watched(
        folder,
        replicas=0,
        sentinels=1,
        options=("--aclfile", str(folder / "users.acl")),
        lines=(*lines, *guards),
        login=(USER, SECRET) if request.param else None,
        user=LOOK,
    ) as made:
        yield made


async def test_a_services_password_opens_sentinels_that_know_it(with_users: Watched) -> None:
    for login, answers in ((f"{USER}:{SECRET}@", True), ("", False), (f"{USER}:wrong@", False)):
        client = connect(with_users.url.replace("//", f"//{login}"), "tests")
        assert await may_look(client) is answers
        await client.aclose()


async def may_look(client: Client) -> bool:
    try:
        await client.exists(KEYS.raw)
    except (redis.exceptions.ConnectionError, redis.exceptions.NoPermissionError):
        return False
    return True
