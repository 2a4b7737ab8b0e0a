from __future__ import annotations

import pytest

from builders import Stage, a_raw
from gantry.streams.inlet import Answer, Inlet

TAKEN, BEFORE, FULL = Answer.TAKEN, Answer.TAKEN_BEFORE, Answer.DEVICE_FULL


@pytest.fixture
def stage(client, calls, ladder):
    return Stage(client, calls, ladder)


async def test_an_entry_stands_in_raw_with_all_its_fields(stage, client, keys):
    raw = a_raw(1, body=b"line\n\x00\xff")
    assert await stage.receive(raw) == [TAKEN]
    [(_, fields)] = await client.xrange(keys.raw)
    assert list(fields) == [b"v", b"id", b"src", b"dev", b"seq", b"t_dev", b"t_rx", b"enc", b"body"]
    assert fields[b"body"] == raw.body
    assert await client.hget(keys.ledger, "received") == b"1"
    assert await client.hget(keys.inside, "r/0") == b"1"


async def test_a_repeated_call_appends_nothing(stage, client, keys):
    raws = [a_raw(1), a_raw(2)]
    assert await stage.receive(*raws) == [TAKEN, TAKEN]
    assert await stage.receive(*raws, a_raw(3)) == [BEFORE, BEFORE, TAKEN]
    assert await client.xlen(keys.raw) == 3
    assert await client.hget(keys.ledger, "received") == b"3"


async def test_numbers_belong_to_the_spool_and_the_device(calls, keys, client, ladder):
    for spool in ("one", "two"):
        inlet = Inlet(calls, keys, spool, quota=10, ladder=ladder)
        assert await inlet.append("r", [a_raw(1), a_raw(1, "r/1")]) == [TAKEN, TAKEN]
    assert await client.hgetall(keys.producer("one")) == {b"r/0": b"1", b"r/1": b"1"}


async def test_a_full_device_does_not_stop_the_others(stage):
    answers = await stage.receive(a_raw(1), a_raw(2), a_raw(1, "r/1"), a_raw(3), quota=1)
    assert answers == [TAKEN, FULL, TAKEN, FULL]


async def test_after_a_refusal_nothing_later_of_that_device_is_taken(stage, client, keys):
    """Number 3 must not hide that 2 is missing, though a place came free in between."""
    await stage.receive(a_raw(1), quota=1)
    await client.hset(keys.inside, "r/0", 0)
    assert await stage.receive(a_raw(2), a_raw(3), quota=1) == [TAKEN, FULL]
    await client.hset(keys.inside, "r/0", 0)
    assert await stage.receive(a_raw(3), quota=1) == [TAKEN]


async def test_a_push_leaves_no_number_series_behind(calls, keys, client, ladder):
    inlet = Inlet(calls, keys, "push", quota=10, ttl_s=60, ladder=ladder)
    await inlet.append("axis", [a_raw(1)])
    assert 0 < await client.ttl(keys.producer("push")) <= 60


async def test_large_numbers_stay_exact(stage, client, keys):
    number = 9_007_199_254_740_000
    assert await stage.receive(a_raw(number)) == [TAKEN]
    assert await client.hget(keys.producer("spool"), "r/0") == str(number).encode()
    assert await stage.receive(a_raw(number), a_raw(number + 1)) == [BEFORE, TAKEN]


async def test_long_and_large_batches_take_several_calls_and_leave_no_hole(client, calls, keys, ladder):
    made = []

    class Counting:
        async def once(self, name, keys, arguments):
            made.append(len(arguments))
            if len(made) == 2:
                await client.hset("gantry:{main}:inside", "r/0", 0)  # room comes free between two calls
            return await calls.once(name, keys, arguments)

    raws = [a_raw(1, body=b"x" * 900_000), a_raw(2, body=b"x" * 900_000), *(a_raw(n) for n in range(3, 303))]
    inlet = Inlet(Counting(), keys, "spool", quota=2, ladder=ladder)
    answers = await inlet.append("r", raws)
    assert answers == [TAKEN, TAKEN] + [TAKEN] + [FULL] * 299
    assert len(made) == 2  # the third part is all of a refused device
    assert await client.xlen(keys.raw) == 3
