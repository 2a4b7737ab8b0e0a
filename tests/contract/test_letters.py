from __future__ import annotations

import pytest

from builders import T0, Stage, a_letter, a_measure
from gantry.codec import Letter
from gantry.event import Accept, LetterClass
from gantry.streams import groups, letters
from gantry.streams.books import Books
from gantry.streams.letters import Done, Letters, Wanted

DONE, GONE, UNFIT = Done.DONE, Done.GONE, Done.UNFIT


@pytest.fixture
async def stage(client, calls, ladder):
    made = Stage(client, calls, ladder)
    await made.lead()
    return made


@pytest.fixture
def dead(client, calls, keys):
    return Letters(client, calls, keys)


@pytest.fixture
async def balanced(client, calls, keys):
    async def ask():
        audit = await Books(client, calls, keys).audit()
        assert audit.differences == []
        return audit.ledger

    return ask


async def all_of(dead: Letters, wanted: Wanted | None = None, **order) -> list[Letter]:
    return [letter async for page in dead.pages(wanted or Wanted(), **order) for letter in page]


async def a_dead_measure(stage: Stage, body: bytes = b'{"v":1}', *, lane: str = "cam", target: str = "evd") -> str:
    """An accepted measure that is pulled, leaves its lane and becomes a letter, as settling does it."""
    [raw] = await stage.entries(1, dev=lane)
    await stage.decide(Accept("", (a_measure(lane, target, body),)))
    [(entry_id, fields)] = await stage.client.xrevrange(stage.keys.events, count=1)
    await stage.client.xreadgroup("publisher", "lanes", {stage.keys.events: ">"})
    await stage.client.xack(stage.keys.events, "publisher", entry_id)
    await stage.client.hincrby(stage.keys.ledger, "dead_out", 1)
    letter = {"v": 1, "class": "out", "id": raw.id, "src": "", "dev": lane, "target": target, "lane": lane}
    letter |= {"seq": fields[b"seq"], "t_dev": "", "t_rx": raw.t_rx, "attempts": 3, "reason": "BAD_TIMESTAMP"}
    return (await stage.client.xadd(stage.keys.dead, {**letter, "body": body, "answer": "said so"})).decode()


async def a_dead_event(stage: Stage, decision=None, dev: str = "r/0") -> str:
    await stage.entries(1, dev)
    await stage.decide(decision or a_letter())
    return (await stage.client.xrevrange(stage.keys.dead, count=1))[0][0].decode()


@pytest.mark.parametrize("kind", [LetterClass.IN, LetterClass.QUARANTINE])
async def test_an_event_that_is_retried_is_the_raw_entry_that_it_was(stage, dead, client, keys, balanced, kind):
    letter = await a_dead_event(stage, a_letter(kind))
    assert await dead.retry([letter], "ana") == [DONE]
    [(_, raw)] = await stage.take(1)
    assert (raw.id, raw.src, raw.dev, raw.t_dev, raw.t_rx) == ("er/0-1", "r", "r/0", "", T0)
    assert (raw.body, raw.enc, raw.v) == (b'{"redacted":true}', "", 1)
    ledger = await balanced()
    assert (ledger.received, ledger.events["in_raw"], ledger.events["dead_in"]) == (1, 1, 0)
    assert ledger.beside == {"retried_in": 1, "retried:ana": 1}
    assert await client.xlen(keys.dead) == 0
    assert await client.hget(keys.inside, "r/0") == b"1"


async def test_an_event_that_is_retried_is_no_duplicate_of_itself(stage, dead, balanced):
    letter = await a_dead_event(stage)
    for attempt in range(2):  # it dies again, and then there is a version that understands it
        await dead.retry([letter], "ana")
        done = await stage.decide(a_letter() if attempt == 0 else Accept("print", (a_measure(),)))
        assert (done.finished, done.duplicates) == (1, {})
        letter = await dead.newest()
    ledger = await balanced()
    assert (ledger.events["accepted"], ledger.events["deduplicated"]) == (1, 0)


async def test_a_second_telling_of_what_was_accepted_is_one_though_it_comes_from_a_letter(stage, dead):
    letter = await a_dead_event(stage)
    await stage.entries(1)
    await stage.decide(Accept("print", (a_measure(),)))
    await dead.retry([letter], "ana")
    assert (await stage.decide(Accept("print", (a_measure(),)))).duplicates == {"er/0-1": "er/0-2"}


async def test_a_measure_that_is_retried_comes_behind_its_lane_under_a_new_number(stage, dead, client, keys, balanced):
    letter = await a_dead_measure(stage, b'{"old":1}')
    await stage.entries(1, "cam")
    await stage.decide(Accept("", (a_measure(body=b'{"new":1}'),)))
    assert await dead.retry([letter], "ana") == [DONE]
    ledger = await balanced()
    assert (ledger.measures, ledger.outcomes["waiting"], ledger.outcomes["dead_out"]) == (2, 2, 0)
    assert ledger.beside == {"retried": 1, "retried:ana": 1, "measures:evd": 2}
    assert await client.hget(keys.inside, "cam") == b"2"
    [*_, (_, after)] = await client.xrange(keys.events)
    assert {k.decode(): v.decode() for k, v in after.items()} == {
        "v": "1",
        "id": "ecam-1",
        "dev": "cam",
        "target": "evd",
        "lane": "cam",
        "seq": "3",
        "t_rx": str(T0),
        "flags": "retried",
        "body": '{"old":1}',
    }


@pytest.mark.reads_in_lua
async def test_a_measure_that_is_retried_is_pulled_trimmed_and_counted_like_any_other(
    stage, dead, client, keys, balanced
):
    letter = await a_dead_measure(stage)
    assert await groups.trim(stage.calls, keys) == 1
    await dead.retry([letter], "ana")
    assert await groups.trim(stage.calls, keys) == 0  # nobody has taken it
    row = next(r for r in await client.xinfo_groups(keys.events) if r["name"] == b"publisher")
    assert (row["entries-read"], row["lag"]) == (1, 1)
    assert (await stage.lanes.pull()).moved == 1
    row = next(r for r in await client.xinfo_groups(keys.events) if r["name"] == b"publisher")
    assert (row["entries-read"], row["lag"], row["pending"]) == (2, 0, 1)
    [item] = await client.lrange(keys.lane("evd", "cam"), 0, -1)
    assert item.split(b"\n")[1:4] == [b"ecam-1", b"cam", b"2"]
    await balanced()


async def test_dropped_letters_move_to_their_own_terms_and_leave_the_quota(stage, dead, client, keys, balanced):
    dropped = [await a_dead_event(stage), await a_dead_measure(stage, lane="cam"), await a_dead_measure(stage)]
    kept = await a_dead_event(stage)
    assert await dead.drop(dropped, "ana") == [DONE, DONE, DONE]
    ledger = await balanced()
    assert (ledger.events["dead_in"], ledger.events["dropped_in"]) == (1, 1)
    assert (ledger.outcomes["dead_out"], ledger.outcomes["dropped"]) == (0, 2)
    assert ledger.beside == {"dropped:ana": 3, "measures:evd": 2}
    assert await client.hgetall(keys.inside) == {b"r/0": b"1"}  # a device that holds nothing is not listed
    assert await dead.newest() == kept


@pytest.mark.parametrize("verb", ["retry", "drop"])
async def test_a_repeat_finds_nothing_and_changes_nothing(stage, dead, client, keys, balanced, verb):
    both = [await a_dead_event(stage), await a_dead_measure(stage)]
    decide = getattr(dead, verb)
    assert await decide(both, "ana") == [DONE, DONE]
    before = [await client.xlen(keys.raw), await client.xlen(keys.events), await client.hgetall(keys.ledger)]
    assert await decide(both, "ana") == [GONE, GONE]
    assert await dead.drop(both, "ana") == [GONE, GONE]
    assert [await client.xlen(keys.raw), await client.xlen(keys.events), await client.hgetall(keys.ledger)] == before
    await balanced()


@pytest.mark.parametrize(
    "damage", [{"target": "elsewhere"}, {"v": "2"}, {"class": "odd"}, {"body": None}, {"dev": None}]
)
async def test_a_letter_that_cannot_go_back_stays_and_can_be_dropped(stage, dead, client, keys, damage):
    first = await a_dead_measure(stage)
    [(_, fields)] = await client.xrange(keys.dead)
    given = {k.decode(): v for k, v in fields.items()} | damage
    bad = (await client.xadd(keys.dead, {k: v for k, v in given.items() if v is not None})).decode()
    assert await dead.retry([bad, first], "ana") == [UNFIT, DONE]
    assert [letter.entry_id for letter in await all_of(dead)] == [bad]
    assert await dead.drop([bad], "ana") == [DONE]


async def test_many_letters_take_several_calls(stage, dead, balanced, monkeypatch):
    monkeypatch.setattr(letters, "BATCH", 3)
    many = [await a_dead_event(stage) for _ in range(7)]
    assert await dead.retry(many, "ana") == [DONE] * 7
    assert [raw.id for _, raw in await stage.take(7)] == [f"er/0-{n}" for n in range(1, 8)]
    await balanced()


async def test_names_that_are_none_are_refused_before_anything_is_done(stage, dead, balanced):
    letter = await a_dead_event(stage)
    for entry_ids, owner in (([letter, "no-id"], "ana"), ([letter], "a\nb"), ([letter], "")):
        with pytest.raises(ValueError, match="named by its entry id"):
            await dead.retry(entry_ids, owner)
    assert (await balanced()).events["dead_in"] == 1


async def test_a_full_server_refuses_neither(stage, dead, client, server, balanced):
    if server == "fakeredis":
        pytest.skip("the fake has no maxmemory")
    some = [await a_dead_event(stage), await a_dead_measure(stage), await a_dead_event(stage)]
    before = (await client.config_get("maxmemory"))["maxmemory"]
    await client.config_set("maxmemory", 1)
    try:
        with pytest.raises(Exception, match="maxmemory"):
            await client.set("anything", "more")
        assert await dead.retry(some[:2], "ana") == [DONE, DONE]
        assert await dead.drop(some[2:], "ana") == [DONE]
    finally:
        await client.config_set("maxmemory", before)
    await balanced()


async def test_pages_go_both_ways_and_end_at_the_newest_that_was_there(stage, dead, monkeypatch):
    monkeypatch.setattr(letters, "PAGE", 2)
    ids = [await a_dead_event(stage) for _ in range(7)]
    assert [letter.entry_id for letter in await all_of(dead)] == ids
    assert [letter.entry_id for letter in await all_of(dead, newest_first=True)] == ids[::-1]
    assert [letter.entry_id for letter in await all_of(dead, last=ids[4])] == ids[:5]
    assert [letter.entry_id for letter in await all_of(dead, behind=ids[4])] == ids[5:]
    assert [letter.entry_id for letter in await all_of(dead, newest_first=True, behind=ids[2])] == ids[1::-1]
    assert [letter.entry_id for letter in await all_of(dead, newest_first=True, last=ids[2], behind=ids[4])] == ids[
        2::-1
    ]
    assert [len(page) async for page in dead.pages(Wanted())] == [2, 2, 2, 1]
    assert await dead.count() == 7


async def test_times_are_those_of_the_letters(dead, client, keys):
    for ms in (1000, 2000, 2000, 3000):
        await client.xadd(keys.dead, {"class": "in", "dev": str(ms)}, id=f"{ms}-*")

    async def found(**times):
        return [letter.died_ms for letter in await all_of(dead, Wanted(**times))]

    assert await found(since_ms=2000) == [2000, 2000, 3000]
    assert await found(until_ms=2000) == [1000, 2000, 2000]
    assert await found(since_ms=1001, until_ms=2999) == [2000, 2000]
    assert [x.entry_id for x in await all_of(dead, Wanted(until_ms=3000), last="2000-0")] == ["1000-0", "2000-0"]


async def test_an_empty_site_has_no_letters(dead):
    assert (await dead.count(), await dead.newest(), await all_of(dead)) == (0, "", [])
    assert await dead.get("1-1") is None
    assert await dead.drop(["1-1"], "ana") == [GONE]


def a_read_letter(**changed) -> Letter:
    given = {"entry_id": "5-1", "kind": "out", "event_id": "e1", "src": "", "dev": "ivss/3", "target": "evd"}
    given |= {"lane": "cam.1", "seq": "7", "t_dev": "", "t_rx": T0, "attempts": 3, "reason": "BAD_TIMESTAMP"}
    return Letter(**{**given, "answer": '{"name":"BAD_TIMESTAMP"}', "body": b'{"plateless":1}', **changed})


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [
        ({}, True),
        ({"kind": "out"}, True),
        ({"kind": "in"}, False),
        ({"target": "evd"}, True),
        ({"target": "crowd"}, False),
        ({"device": "cam.1"}, True),
        ({"device": "ivss/3"}, True),
        ({"device": "ivss/*"}, True),
        ({"device": "*"}, True),
        ({"device": "cam"}, False),
        ({"device": "cam?1"}, False),
        ({"device": "camx1"}, False),
        ({"reason": "bad_time"}, True),
        ({"reason": "http_4"}, False),
        ({"text": "Plateless"}, True),
        ({"text": '"name":"BAD'}, True),
        ({"text": "elsewhere"}, False),
        ({"events": frozenset({"e1", "e2"})}, True),
        ({"events": frozenset({"e2"})}, False),
        ({"kind": "out", "reason": "bad", "target": "crowd"}, False),
    ],
)
def test_which_letters_are_meant(wanted, meant):
    assert Wanted(**wanted).matches(a_read_letter()) is meant


def test_a_device_that_has_no_name_is_matched_by_none():
    assert not Wanted(device="*").matches(a_read_letter(dev="", lane=""))


@pytest.mark.parametrize(
    ("kind", "reason", "body", "final"),
    [
        ("out", "http_413", b"length=7", False),
        ("quarantine", "unknown_code:X", b"Code=X;action=Start;index=1;data={}", False),
        ("quarantine", "unknown_code:X", b"Code=X;action=Start;index=1", False),
        ("in", "data_not_json", b"Code=X;action=Start;index=1;length=900", True),
        ("in", "no_code", b"length=2", True),
        ("quarantine", "sealed", b"length=20", True),
        ("quarantine", "unreadable", b'{"sensor":{}}', True),
        ("in", "utc_from", b'{"length":7}', False),
    ],
)
def test_letters_whose_content_was_not_kept_are_final(kind, reason, body, final):
    assert bool(a_read_letter(kind=kind, reason=reason, body=body).final) is final


async def test_a_letter_in_any_state_can_be_read(client, keys, dead):
    await client.xadd(keys.dead, {"class": b"\xff", "t_rx": "soon", "attempts": "-1", "odd": "x"})
    [letter] = await all_of(dead)
    assert (letter.kind, letter.t_rx, letter.attempts, letter.reason, letter.body) == ("�", 0, 0, "", b"")
