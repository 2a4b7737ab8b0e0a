from __future__ import annotations

import pytest

from builders import Stage
from gantry.streams.books import Books

pytestmark = pytest.mark.reads_in_lua


@pytest.fixture
def stage(client, calls, ladder):
    return Stage(client, calls, ladder)


async def test_more_lanes_than_lua_can_unpack_are_counted(client, calls, keys):
    lanes = {f"cam{number}": number for number in range(9000)}
    await client.zadd(keys.due("evd"), lanes)
    pipe = client.pipeline(transaction=False)
    for lane in lanes:
        pipe.rpush(keys.lane("evd", lane), "x")
    await pipe.execute()
    audit = await Books(client, calls, keys).audit()
    assert (audit.recount["lanes"], audit.recount["in_lanes"]) == (9000, 9000)


async def test_a_lane_without_measures_is_a_difference_and_not_an_endless_recount(stage, client, calls, keys):
    await stage.fill_lane(1)
    await client.zadd(keys.due("evd"), {"ghost": 0})
    [difference] = (await Books(client, calls, keys).audit()).differences
    assert (difference.counted, difference.found) == (2, 1)


@pytest.mark.parametrize("term", ["received", "published", "dead_out", "filtered", "measures"])
async def test_a_counter_that_is_wrong_is_named(stage, client, calls, keys, term):
    await stage.fill_lane(1)
    await client.hincrby(keys.ledger, term, 1)
    assert (await Books(client, calls, keys).audit()).differences
