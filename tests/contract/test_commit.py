from __future__ import annotations

import pytest

from builders import T0, Stage, a_letter, a_measure, a_raw
from gantry.errors import Fenced
from gantry.event import Accept, Decided, Filter, LetterClass
from gantry.streams.books import Books
from gantry.streams.processing import Processing


@pytest.fixture
async def stage(client, calls, ladder):
    made = Stage(client, calls, ladder)
    await made.lead()
    return made


@pytest.fixture
async def balanced(client, calls, keys):
    async def ask():
        audit = await Books(client, calls, keys).audit()
        assert audit.differences == []
        return audit.ledger

    return ask


async def test_each_decision_moves_its_term(stage, client, keys, balanced):
    await stage.entries(4)
    decisions = (
        Accept("f1", (a_measure("a"), a_measure("b", "crowd"))),
        Filter("stop"),
        a_letter(),
        a_letter(LetterClass.QUARANTINE, "unknown_code:X"),
    )
    done = await stage.decide(*decisions)
    ledger = await balanced()
    assert done.finished == 4
    assert ledger.events == {
        "in_raw": 0,
        "deduplicated": 0,
        "filtered": 1,
        "dead_in": 2,
        "dropped_in": 0,
        "accepted": 1,
    }
    assert (ledger.measures, ledger.outcomes["waiting"]) == (2, 2)
    assert ledger.beside["filtered:stop"] == 1
    assert await client.xlen(keys.raw) == 0
    assert await client.hget(keys.inside, "r/0") == b"4"  # two measures and two letters


async def test_events_carry_lane_number_and_measure(stage, client, keys):
    await stage.entries(2)
    await stage.decide(Accept("", (a_measure("a", body=b'{"x":1}'),)), Accept("", (a_measure("a"),)))
    (_, first), (_, second) = await client.xrange(keys.events)
    assert (first[b"target"], first[b"lane"], first[b"seq"], first[b"body"]) == (b"evd", b"a", b"1", b'{"x":1}')
    assert second[b"seq"] == b"2"
    assert int(first[b"t_rx"]) == T0


async def test_a_duplicate_within_the_window_names_its_original(stage, balanced):
    await stage.receive(a_raw(1, t_rx=T0), a_raw(2, t_rx=T0 + 10_000_000), a_raw(3, t_rx=T0 + 10_000_001))
    same = [Accept("same", (a_measure(),)) for _ in range(3)]
    done = await stage.decide(*same)
    assert done.duplicates == {"er/0-2": "er/0-1"}
    ledger = await balanced()
    assert (ledger.events["deduplicated"], ledger.events["accepted"]) == (1, 2)


@pytest.mark.parametrize(("before_us", "duplicates"), [(10_000_000, {"er/0-2": "er/0-1"}), (10_000_001, {})])
async def test_the_window_reaches_back_too(stage, before_us, duplicates):
    """The second connection's event was received first and arrives here second."""
    await stage.receive(a_raw(1, t_rx=T0), a_raw(2, t_rx=T0 - before_us))
    done = await stage.decide(*[Accept("same", (a_measure(),))] * 2)
    assert done.duplicates == duplicates


async def test_the_window_runs_between_receive_times_not_by_our_clock(stage):
    await stage.receive(a_raw(1), a_raw(2))
    await stage.decide(Accept("same", (a_measure(),)))
    stage.tick(3000)  # a long pause of ours
    done = await stage.decide(Accept("same", (a_measure(),)))
    assert done.duplicates == {"er/0-2": "er/0-1"}


async def test_fingerprints_are_forgotten_after_an_hour(stage, client, keys):
    await stage.entries(2)
    await stage.decide(Accept("old", (a_measure(),)))
    stage.tick(3601)
    await stage.decide(Accept("new", (a_measure(),)))
    assert await client.zrange(keys.dedup, 0, -1) == [b"new"]
    assert await client.hkeys(keys.dedup_of) == [b"new"]


async def test_of_too_many_fingerprints_the_oldest_go(stage, client, keys):
    stage.processing = Processing(stage.calls, keys, dedup_ttl_s=10, ladder=stage.ladder, most_fingerprints=3)
    await stage.entries(5)
    for name in ("e", "d", "c", "b", "a"):  # not in the order of their names
        stage.tick(1)
        await stage.decide(Accept(name, (a_measure(),)))
    assert await client.zrange(keys.dedup, 0, -1) == [b"c", b"b", b"a"]
    assert sorted(await client.hkeys(keys.dedup_of)) == [b"a", b"b", b"c"]


async def test_a_commit_drops_a_bounded_number_of_fingerprints(stage, client, keys):
    stage.processing = Processing(stage.calls, keys, dedup_ttl_s=10, ladder=stage.ladder, most_fingerprints=100)
    stage.tick(0)
    await client.zadd(keys.dedup, {f"f{number}": stage.now for number in range(1000)})
    await stage.entries(1)
    await stage.decide(Filter("stop"))
    assert await client.zcard(keys.dedup) == 600


async def test_a_repeated_commit_names_the_same_duplicates(stage, balanced):
    await stage.entries(3)
    decided = [
        Decided(entry_id, raw, Accept(name, (a_measure(),)))
        for (entry_id, raw), name in zip(await stage.take(3), ("f", "f", ""), strict=True)
    ]
    first = await stage.processing.commit(stage.token, decided)
    again = await stage.processing.commit(stage.token, decided)
    assert (first.finished, again.finished) == (3, 0)
    assert first.duplicates == again.duplicates == {"er/0-2": "er/0-1"}
    assert (await balanced()).events["deduplicated"] == 1


@pytest.mark.reads_in_lua
async def test_a_pending_entry_that_was_deleted_is_acknowledged_and_left_out(stage, client, keys):
    await stage.entries(3)
    [(gone, _), *others] = await stage.processing.read(stage.token)
    await client.xdel(keys.raw, gone)
    assert await stage.processing.read(stage.token) == others
    assert (await client.xpending(keys.raw, "processor"))["pending"] == 2
    assert await client.hget(keys.inside, "r/0") == b"3"  # whose it was, nobody can tell any more


async def test_a_repeated_commit_finishes_nothing_twice(stage, client, keys, balanced):
    await stage.entries(1)
    [(entry_id, raw)] = await stage.take(1)
    decided = [Decided(entry_id, raw, Accept("f", (a_measure(),)))]
    assert (await stage.processing.commit(stage.token, decided)).finished == 1
    assert (await stage.processing.commit(stage.token, decided)).finished == 0
    assert await client.xlen(keys.events) == 1
    await balanced()


@pytest.mark.reads_in_lua
async def test_what_was_read_and_not_finished_is_read_again_first(stage):
    await stage.entries(3)
    first = await stage.processing.read(stage.token, 2)
    assert await stage.processing.read(stage.token, 2) == first


@pytest.mark.reads_in_lua
async def test_without_the_lease_nothing_is_read_or_finished(stage, client, keys):
    await stage.entries(1)
    [(entry_id, raw)] = await stage.processing.read(stage.token)
    with pytest.raises(Fenced):
        await stage.processing.read("another")
    with pytest.raises(Fenced):
        await stage.processing.commit("another", [Decided(entry_id, raw, Filter("stop"))])
    assert await client.xlen(keys.raw) == 1


async def test_letters_hold_what_a_person_needs(stage, client, keys):
    await stage.entries(1)
    await stage.decide(a_letter(reason="broken"))
    [(_, letter)] = await client.xrange(keys.dead)
    assert (letter[b"class"], letter[b"reason"], letter[b"id"]) == (b"in", b"broken", b"er/0-1")
    assert (letter[b"src"], letter[b"dev"], int(letter[b"t_rx"])) == (b"r", b"r/0", T0)
    assert letter[b"body"] == b'{"redacted":true}'


@pytest.mark.reads_in_lua
async def test_a_batch_is_bounded_by_its_bytes(stage, client, keys):
    await stage.receive(*(a_raw(number, body=b"x" * 300_000) for number in range(1, 41)))
    first = await stage.processing.read(stage.token)
    assert len(first) == 20
    assert await stage.processing.read(stage.token) == first  # pending, and bounded alike
    assert (await client.xpending(keys.raw, "processor"))["pending"] == 20
