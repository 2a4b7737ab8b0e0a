from __future__ import annotations

import pytest

from builders import Stage, a_measure
from gantry import topology
from gantry.event import Accept
from gantry.streams import groups
from gantry.streams.books import Books
from gantry.streams.lanes import Lanes

pytestmark = pytest.mark.reads_in_lua


@pytest.fixture
async def stage(client, calls, ladder):
    made = Stage(client, calls, ladder)
    await made.lead()
    return made


async def publisher_group(client, keys):
    rows = await client.xinfo_groups(keys.events)
    return next(row for row in rows if row["name"] == b"publisher")


async def test_entries_go_to_their_lanes_in_stream_order(stage, client, keys):
    await stage.entries(3)
    decisions = [Accept("", (a_measure(lane, body=b'{"n":%d}' % n),)) for n, lane in enumerate(("a", "b", "a"))]
    await stage.decide(*decisions)
    pulled = await stage.lanes.pull()
    assert (pulled.moved, pulled.lanes) == (3, {"evd": ["a", "b"]})
    bodies = [item.split(b"\n")[-1] for item in await client.lrange(keys.lane("evd", "a"), 0, -1)]
    assert bodies == [b'{"n":0}', b'{"n":2}']
    assert await client.zrange(keys.due("evd"), 0, -1) == [b"a", b"b"]


async def test_lag_and_pending_say_what_waits(stage, client, keys):
    await stage.entries(3)
    await stage.decide(*(Accept("", (a_measure(),)) for _ in range(3)))
    await stage.lanes.pull(2)
    group = await publisher_group(client, keys)
    assert (group["lag"], group["pending"]) == (1, 2)


async def test_a_pull_ends_before_what_a_later_version_wrote(stage, client, keys):
    await stage.entries(2)
    await stage.decide(*(Accept("", (a_measure(),)) for _ in range(2)))
    fields = (await client.xrevrange(keys.events, count=1))[0][1]
    await client.xadd(keys.events, {**fields, b"v": b"2"})
    await client.xadd(keys.events, fields)
    first, second = await stage.lanes.pull(), await stage.lanes.pull()
    assert (first.moved, first.newer, second.moved, second.newer) == (2, "", 0, "2")
    group = await publisher_group(client, keys)
    assert (group["lag"], group["pending"]) == (2, 2)


async def test_what_somebody_else_pulled_is_not_pulled_again(stage, client, keys):
    class Slow:
        """Between its peek and its pull another publisher pulls."""

        async def sure(self, name, keys, arguments):
            reply = await stage.calls.sure(name, keys, arguments)
            if name == "peek":
                assert (await stage.lanes.pull()).moved == 1
            return reply

    await stage.entries(1)
    await stage.decide(Accept("", (a_measure(),)))
    pulled = await Lanes(Slow(), keys, ladder=0).pull()
    assert (pulled.moved, pulled.raced) == (0, True)
    assert await client.llen(keys.lane("evd", "cam")) == 1


async def test_a_repeated_pull_moves_nothing_twice(stage, client, keys):
    """Its reply was lost: the group has moved on, which the repeat sees."""

    class Forgetful:
        async def sure(self, name, keys, arguments):
            await stage.calls.sure(name, keys, arguments)
            return await stage.calls.sure(name, keys, arguments)

    await stage.entries(1)
    await stage.decide(Accept("", (a_measure(),)))
    pulled = await Lanes(Forgetful(), keys, ladder=0).pull()
    assert pulled.raced
    assert await client.llen(keys.lane("evd", "cam")) == 1


async def test_trimming_keeps_what_nobody_has_pulled(stage, client, keys):
    await stage.entries(3)
    await stage.decide(*(Accept("", (a_measure(),)) for _ in range(3)))
    await stage.lanes.pull(2)
    assert await groups.trim(stage.calls, keys) == 2
    assert await client.xlen(keys.events) == 1
    group = await publisher_group(client, keys)
    assert (group["lag"], group["pending"]) == (1, 2)  # trimmed rows still count, and can still be acknowledged


async def test_without_the_group_nothing_is_trimmed(stage, client, keys):
    await stage.entries(1)
    await stage.decide(Accept("", (a_measure(),)))
    await stage.lanes.pull()
    await client.xgroup_destroy(keys.events, topology.PUBLISHER_GROUP)
    assert await groups.trim(stage.calls, keys) == 0


async def test_publishers_that_died_are_struck_off(stage, client, keys):
    for name in ("gone", "alive"):
        await groups.enlist(stage.calls, keys, name)
    await client.hset(keys.alive("publisher", "alive"), "state", "ready")
    await stage.fill_lane(1)
    assert await groups.reap(client, stage.calls, keys) == ["gone"]
    names = {row["name"] for row in await client.xinfo_consumers(keys.events, "publisher")}
    assert names == {b"alive", b"lanes"}


async def test_a_publisher_that_holds_entries_is_not_struck_off(stage, client, keys):
    """None should; whoever read by hand under its own name keeps what it holds."""
    await stage.entries(1)
    await stage.decide(Accept("", (a_measure(),)))
    await client.xreadgroup("publisher", "by-hand", {keys.events: ">"})
    assert await groups.reap(client, stage.calls, keys) == []


async def test_a_lag_that_the_server_does_not_know_is_counted(stage, client, keys):
    await stage.entries(5)
    await stage.decide(*(Accept("", (a_measure(),)) for _ in range(5)))
    await client.xgroup_setid(keys.events, "publisher", "0-1")
    ids = [entry_id for entry_id, _ in await client.xrange(keys.events)]
    await client.xdel(keys.events, ids[2])
    assert (await publisher_group(client, keys))["lag"] is None
    ledger = await Books(client, stage.calls, keys).read()
    assert ledger.outcomes["waiting"] == 4
