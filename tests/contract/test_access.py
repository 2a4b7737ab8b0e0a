"""What each user may not do, on each server; what they may is shown by all other tests, which run as these users."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import redis

from contract.servers import At
from gantry.clock import SystemClock
from gantry.errors import Refused
from gantry.health import Health
from gantry.streams import groups
from gantry.streams.access import LOOK, USERS, commands_of
from gantry.streams.client import connect
from gantry.streams.pipelined import Pipelined
from gantry.streams.scripts import Scripts, source
from gantry.topology import Topology
from wait import until

pytestmark = pytest.mark.reads_in_lua  # the fake has no users

K = Topology()
SERVICES = [user for user, each in USERS.items() if each.scripts]
FOREIGN = (
    *("FLUSHALL", "FLUSHDB", "KEYS *", "CONFIG SET maxmemory 1", "CONFIG REWRITE", "SCRIPT FLUSH"),
    *("SHUTDOWN NOSAVE", "MODULE LIST", "REPLICAOF NO ONE", "MONITOR", "CLIENT LIST", "CLIENT KILL TYPE normal"),
    *("ACL LIST", "ACL SETUSER publisher allcommands", "ACL GETUSER admin", "FUNCTION FLUSH", "FAILOVER", "SAVE"),
    *("RENAME gantry:{main}:raw gantry:{main}:x", "DUMP gantry:{main}:raw", "SWAPDB 0 1", "PUBLISH a b", "SELECT 1"),
    *("GET other", "SET other 1", "BGREWRITEAOF", "CLUSTER RESET", "SLOWLOG RESET"),
)
# Which commands that the server itself calls dangerous somebody has all the same.
LOOKS = {"info", "role"}
DANGEROUS = {user: {"config|get", *LOOKS} for user in SERVICES} | {
    "journal": LOOKS,
    "gantry": {*LOOKS, "config|get", "acl|log", "bgsave", "lastsave", "psync", "replconf", "sync"},
    "admin": {"acl|load"},
    LOOK: set[str](),
}
_BEHIND = [K.events, K.dead, K.outcomes, K.receipts, K.accounts, K.lane("evd", "a"), K.lane_state("evd")]
HIDDEN = {  # what a user can neither read nor write
    "ingest-dahua": [*_BEHIND, K.seen],
    "ingest-axis": [*_BEHIND, K.lease("x")],
    "processor": [K.accounts, K.session("x"), K.lane("evd", "a"), K.due("evd"), K.breaker("evd"), K.lease("journal")],
    "publisher": [K.raw, K.accounts, K.session("x"), K.dedup, K.seen, K.last, K.producer("x"), K.lease("processor")],
    "journal": [K.raw, K.accounts, K.session("x"), K.dead, K.inside, K.lane("evd", "a"), K.lease("processor")],
    "dashboard": ["other", "gantry:other"],
    "gantry": ["other", "gantry:other"],
}


@pytest.fixture
def at(server: At) -> At:
    return server


@pytest.fixture
def owner(at: At) -> Iterator[redis.Redis]:
    with redis.from_url(at.url()) as plain:
        yield plain


@pytest.mark.parametrize("user", USERS)
def test_foreign_commands_are_refused(at: At, user: str) -> None:
    with redis.from_url(at.url(user)) as client:
        for line in FOREIGN:
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*line.split())
        if USERS[user].scripts:
            with pytest.raises(redis.exceptions.ResponseError, match=r"ACL failure|can't run"):
                client.eval("return redis.call('FLUSHALL')", 0)


@pytest.mark.parametrize("user", USERS)
def test_what_the_server_calls_dangerous_is_granted_by_name_only(owner: redis.Redis, user: str) -> None:
    categories = [owner.execute_command("ACL", "CAT", word) for word in ("dangerous", "admin", "scripting")]
    named = {word.decode() for words in categories for word in words}
    assert {each for each in commands_of(USERS[user]) if each in named} <= DANGEROUS[user] | {"script|load"}


@pytest.mark.parametrize(("user", "key"), [(user, key) for user, keys in HIDDEN.items() for key in keys])
def test_keys_of_others_are_neither_read_nor_written(at: At, user: str, key: str) -> None:
    with redis.from_url(at.url(user)) as client:
        for words in (("HGET", "KEYS[1]", "'a'"), ("HSET", "KEYS[1]", "'a'", "'b'")):
            script = f"return redis.call('{words[0]}', {', '.join(words[1:])})"
            with pytest.raises(redis.exceptions.ResponseError, match=r"(?i)permissions to access|can't access"):
                client.eval(script, 1, key)


@pytest.mark.usefixtures("client")
def test_the_journal_takes_no_measure_from_the_publishers(at: At, owner: redis.Redis) -> None:
    owner.xadd(K.events, {"a": "b"})
    with redis.from_url(at.url("journal")) as client:
        for line in (
            *(f"XREADGROUP GROUP publisher lanes STREAMS {K.events} >", f"XACK {K.events} publisher 1-1"),
            *(f"XGROUP DESTROY {K.events} publisher", f"XREAD STREAMS {K.events} 0"),
        ):
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*line.split())


LANE = (K.lane("evd", "a"), K.limit("evd", "a"))
MOVING = {  # what moves units from one place of the books to another, with keys as its callers name them
    "append": [K.raw, K.ledger, K.inside, K.producer("p"), K.rollup("minutes"), K.rollup("hours")],
    "commit": [K.raw, K.events, K.dead, K.ledger, K.inside, K.lease("processor"), K.dedup, K.outcomes, K.last, K.seen],
    "pull": [K.events, K.due("evd"), K.flow("evd"), K.lane("evd", "a")],
    "turn": [K.events, K.due("evd"), K.lane_state("evd"), K.breaker("evd"), K.ledger, K.dead, K.receipts, *LANE],
}


@pytest.mark.parametrize(("user", "script"), [(u, s) for u in SERVICES for s in MOVING if s not in USERS[u].scripts])
def test_a_script_of_another_user_is_refused_before_it_begins(at: At, user: str, script: str) -> None:
    """As happens with a wrong REDIS_URL. In the middle of the script the books would be wrong for ever."""
    with redis.from_url(at.url(user)) as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.eval(source(script), len(MOVING[script]), *MOVING[script])


@pytest.mark.parametrize(
    ("user", "stream"),
    [("processor", K.dead), ("publisher", K.dead), ("ingest-dahua", K.raw), ("ingest-axis", K.raw)],
)
def test_what_is_only_added_to_cannot_be_read(at: At, user: str, stream: str) -> None:
    with redis.from_url(at.url(user)) as client:
        client.eval("return redis.call('XADD', KEYS[1], '*', 'a', 'b')", 1, stream)
        with pytest.raises(redis.exceptions.ResponseError, match=r"ACL failure|can't (run|access)"):
            client.eval("return redis.call('XRANGE', KEYS[1], '-', '+')", 1, stream)


@pytest.mark.usefixtures("client")
def test_without_a_name_one_sees_nothing_and_with_any_password_counts_and_no_data(at: At) -> None:
    with redis.from_url(at.nobodys) as nobody, pytest.raises(redis.exceptions.AuthenticationError):
        nobody.ping()
    with redis.from_url(at.url(LOOK)) as nobody:
        assert nobody.ping()
        assert [row["name"] for row in nobody.xinfo_groups(K.raw)] == [b"processor"]
        assert nobody.xinfo_consumers(K.events, "publisher") == []
        assert nobody.xlen(K.dead) == 0
        assert nobody.xpending(K.raw, "processor")["pending"] == 0
        for line in (f"XRANGE {K.raw} - +", f"XINFO STREAM {K.raw}", f"HGETALL {K.ledger}", "INFO", "SCAN 0"):
            with pytest.raises(redis.exceptions.NoPermissionError):
                nobody.execute_command(*line.split())


@pytest.mark.parametrize("kind", [Scripts, Pipelined])
@pytest.mark.parametrize(
    ("user", "word", "why"),
    [("journal", "wrong", "does not take the user and password"), ("admin", "", "does not let the user")],
)
async def test_who_is_not_let_in_waits_and_can_say_why(
    at: At, kind: type[Scripts | Pipelined], user: str, word: str, why: str
) -> None:
    client = connect(at.url(user).replace("password", word or "password"), "refused")
    calls = kind(client)
    for _ in range(2):  # the second finds no connection left that is half made
        with pytest.raises(Refused, match=why):
            await calls.once("alive", [K.alive("x", "y")], [1000, "state", "ready"])
    if isinstance(calls, Pipelined):
        await calls.aclose()
    await client.aclose()


@pytest.mark.parametrize("kind", [Scripts, Pipelined])
async def test_a_command_that_is_refused_inside_a_script_may_be_allowed_later(
    at: At, kind: type[Scripts | Pipelined]
) -> None:
    client = connect(at.url("journal"), "refused")
    calls = kind(client)
    with pytest.raises(Refused, match="does not let the user in REDIS_URL do this"):
        await calls.once("note", [K.ledger], ["lost", 1])
    if isinstance(calls, Pipelined):
        await calls.aclose()
    await client.aclose()


async def test_groups_are_waited_for_and_the_reason_is_a_sentence(at: At) -> None:
    for url in (at.url("journal").replace("password", "wrong"), at.url("look")):
        client, health, stop = connect(url, "refused"), Health(SystemClock()), asyncio.Event()
        waiting = asyncio.create_task(groups.prepare_once_reachable(client, K, health, stop))

        async def said(health: Health = health) -> str:
            return health.missing().get("redis", "")

        assert (await until(said, "a reason")).startswith("Redis does not")
        stop.set()
        await waiting
        await client.aclose()
