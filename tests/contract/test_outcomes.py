"""Every unit's end is told once, with what a person needs to find it again; counts by time agree with the ledger."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builders import T0, Stage, a_letter, a_measure, a_raw, some_limits
from gantry import topology
from gantry.codec import Unreadable
from gantry.event import Accept, Decided, Filter, LetterClass
from gantry.streams import groups, rollups, standing
from gantry.streams.books import Books
from gantry.streams.lanes import Outcome, Settlement
from gantry.streams.letters import Letters
from told import expected, rolled_up, tally


@pytest.fixture
async def stage(client, calls):
    made = Stage(client, calls, ladder=0)
    await made.lead()
    return made


async def commit(stage: Stage, *pairs):
    batch = await stage.take(len(pairs))
    decided = [Decided(i, raw, each, what) for (i, raw), (each, what) in zip(batch, pairs, strict=True)]
    assert await stage.processing.commit(stage.token, decided)


async def deliver(stage: Stage, outcome: Outcome = Outcome.DELIVERED, lane: str = "cam"):
    limits = some_limits()
    turn = await stage.lanes.turn(topology.EVD, limits, [lane])
    settle = Settlement(grant=turn.grants[0], outcome=outcome, reason="http_400", answer="no")
    await stage.lanes.turn(topology.EVD, limits, [], settle=settle)
    return turn.grants[0]


async def fields(client, stream):
    rows = await client.xrange(stream)
    return [{k.decode(): v.decode() for k, v in row.items()} for _, row in rows]


async def test_a_filtered_event_a_duplicate_and_a_letter_are_told_with_their_code_and_cause(stage, client, keys):
    await stage.entries(4)
    twin = Accept("same", (a_measure(),))
    bury = a_letter(LetterClass.QUARANTINE, "unknown_code:New")
    await commit(stage, (Filter("stop"), "TrafficJunction"), (twin, "Crowd"), (twin, "Crowd"), (bury, "New"))
    filtered, duplicate, dead = await fields(client, keys.outcomes)
    assert (filtered["kind"], filtered["detail"], filtered["what"]) == ("filtered", "stop", "TrafficJunction")
    assert (duplicate["kind"], duplicate["detail"], duplicate["id"]) == ("deduplicated", "er/0-2", "er/0-3")
    letter = (await client.xrange(keys.dead))[0][0].decode()
    assert (dead["kind"], dead["class"], dead["letter"]) == ("dead", "quarantine", letter)
    assert {row["t_rx"] for row in (filtered, duplicate, dead)} == {str(T0)}
    assert {row["t"] for row in (filtered, duplicate, dead)} == {str(stage.now)}


async def test_a_commit_that_is_repeated_tells_nothing_twice(stage, client, keys):
    await stage.entries(1)
    batch = await stage.take(1)
    decided = [Decided(i, raw, Filter("stop")) for i, raw in batch]
    for _ in range(2):
        await stage.processing.commit(stage.token, decided)
    assert len(await client.xrange(keys.outcomes)) == 1
    assert (await rolled_up(client, keys, "minutes"))["filtered"] == 1


@pytest.mark.reads_in_lua
async def test_a_receipt_carries_what_was_sent(stage, client, keys):
    await stage.fill_lane(3)
    await deliver(stage)
    (receipt,) = await fields(client, keys.receipts)
    assert receipt["bodies"].split("\n") == ['{"v":0}', '{"v":1}', '{"v":2}']
    assert receipt["devs"].split("\n") == ["cam"] * 3
    assert receipt["seqs"] == "1 2 3" and receipt["ids"] == "ecam-1 ecam-2 ecam-3"


@pytest.mark.reads_in_lua
async def test_a_refused_measure_and_what_a_person_decides_about_letters_are_told(stage, client, keys):
    await stage.entries(1)
    await commit(stage, (Accept("", (a_measure("cam", body=b'{"event":"Crowd","count":1}'),)), "Crowd"))
    await stage.lanes.pull()
    await deliver(stage, Outcome.REFUSED)
    await stage.entries(1)
    await commit(stage, (a_letter(), ""))
    letters = Letters(client, stage.calls, keys)
    ids = [entry_id.decode() for entry_id, _ in await client.xrange(keys.dead)]
    await letters.retry(ids[:1], "ana")
    await letters.drop(ids[1:], "eva")
    rows = await fields(client, keys.outcomes)
    assert [(row["kind"], row["class"], row["detail"]) for row in rows] == [
        ("dead", "out", "http_400"),
        ("dead", "in", "broken"),
        ("retried", "out", "ana"),
        ("dropped", "in", "eva"),
    ]
    assert [row["letter"] for row in rows] == [*ids, *ids]
    assert [row["what"] for row in rows] == ["Crowd", "", "Crowd", ""]  # a letter of an event does not keep its code
    assert await tally(client, keys) == expected(await Books(client, stage.calls, keys).read())


async def test_rollups_count_what_the_ledger_counts_when_it_happened(stage, client, keys):
    await stage.entries(2)
    await commit(stage, (Accept("", (a_measure(),)), ""), (Accept("", (a_measure("shop", "crowd"),)), ""))
    stage.tick(3600)
    await stage.entries(2)
    await commit(stage, (Filter("stop"), ""), (a_letter(), ""))
    for period in ("minutes", "hours"):
        total = await rolled_up(client, keys, period)
        assert {name: total[name] for name in ("evd", "crowd", "filtered", "dead")} == {
            "evd": 1, "crowd": 1, "filtered": 1, "dead": 1,
        }  # fmt: skip
    start = T0 // 1_000_000
    read = await rollups.series(client, keys, "hours", ["evd", "filtered"], since_s=start, until_s=start + 3601)
    assert read.counts == {"evd": (1, 0), "filtered": (0, 1)}
    assert all(at % 3600 == 0 for at in read.starts)


async def test_what_is_received_is_counted_by_the_servers_own_clock(stage, client, keys):
    await stage.entries(3)
    now = (await client.time())[0]
    read = await rollups.series(client, keys, "minutes", ["received"], since_s=now - 60, until_s=now + 60)
    assert sum(read.counts["received"]) == 3


async def test_old_buckets_go_and_those_of_a_clock_that_stepped_back_too(stage, client, keys):
    seconds = T0 // 1_000_000
    old, ahead, kept = seconds - 3 * 86400, seconds + 10 * 86400, seconds - 60
    await client.hset(keys.rollup("minutes"), mapping={f"{at}:evd": 1 for at in (old, ahead, kept)})
    await stage.entries(1)
    await commit(stage, (Filter("stop"), ""))
    names = {name.decode() for name in await client.hkeys(keys.rollup("minutes"))}
    assert f"{kept}:evd" in names and not names & {f"{old}:evd", f"{ahead}:evd"}


async def test_devices_and_families_are_remembered_by_their_newest(stage, client, keys):
    raws = [a_raw(1, t_rx=T0 + 5), a_raw(2, t_rx=T0), a_raw(1, "r/1")]
    await stage.receive(*raws)
    unknown = a_letter(LetterClass.QUARANTINE, "unknown_code:\nNew")
    await commit(
        stage,
        (Accept("", (a_measure("cam"), a_measure("shop", "crowd"))), "TrafficJunction"),
        (Filter("stop"), "Old"),
        (unknown, "New"),
    )
    first, second = await standing.seen(client, keys)
    assert (first.dev, first.units, first.t_rx, first.what) == ("r/0", 2, T0 + 5, "TrafficJunction")
    assert first.lanes == (("crowd", "shop"), ("evd", "cam"))
    assert (second.dev, second.lanes) == ("r/1", ())
    last = await standing.last_measure(client, keys, "evd")
    assert (last.event_id, last.lane, last.body, last.t_ms) == ("er/0-1", "cam", b'{"v":1}', stage.now // 1000)
    odd = await standing.last_unknown(client, keys)
    assert (odd.reason, odd.body, odd.src) == ("unknown_code: New", b'{"redacted":true}', "r")


async def test_a_device_is_remembered_across_batches(stage, client, keys):
    await stage.entries(1)
    await commit(stage, (Accept("", (a_measure("cam"),)), "A"))
    await stage.entries(1)
    await commit(stage, (Filter("stop"), "B"))
    (row,) = await standing.seen(client, keys)
    assert (row.units, row.what, row.lanes) == (2, "B", (("evd", "cam"),))


async def some_outcomes(stage, count: int) -> None:
    await stage.entries(count)
    await commit(stage, *((Filter("stop"), "") for _ in range(count)))


async def trim(stage, **given):
    await groups.trim(stage.calls, stage.keys, **{"keep": 5, "ladder": 0, **given})
    return await stage.client.xlen(stage.keys.outcomes)


async def test_without_a_journal_only_the_newest_outcomes_stay(stage):
    await some_outcomes(stage, 30)
    assert await trim(stage) == 5


async def test_what_a_journal_has_not_written_stays(stage, client, keys):
    await client.xgroup_createconsumer(keys.outcomes, "journal", "journal")
    await some_outcomes(stage, 30)
    assert await trim(stage) == 30
    taken = (await client.xreadgroup("journal", "journal", {keys.outcomes: ">"}, count=10))[0][1]
    assert await trim(stage) == 30  # in hand, and not written yet
    await client.xack(keys.outcomes, "journal", *[entry_id for entry_id, _ in taken])
    assert await trim(stage) == 20
    rest = (await client.xreadgroup("journal", "journal", {keys.outcomes: ">"}))[0][1]
    await client.xack(keys.outcomes, "journal", *[entry_id for entry_id, _ in rest])
    assert await trim(stage) == 5


async def test_one_entry_that_a_journal_still_has_in_hand_stays(stage, client, keys):
    await some_outcomes(stage, 30)
    taken = (await client.xreadgroup("journal", "journal", {keys.outcomes: ">"}))[0][1]
    await client.xack(keys.outcomes, "journal", *[entry_id for entry_id, _ in taken if entry_id != taken[10][0]])
    assert await trim(stage) == 20
    assert (await client.xrange(keys.outcomes, count=1))[0][0] == taken[10][0]


@pytest.fixture
async def short(client, server):
    """A server of which a part is used that `ladder=1` calls short."""
    if server == "fakeredis":
        pytest.skip("the fake has no maxmemory")
    before = (await client.config_get("maxmemory"))["maxmemory"]
    await client.config_set("maxmemory", (await client.info("memory"))["used_memory"] * 10)
    yield {"ladder": 1, "share": 0}
    await client.config_set("maxmemory", before)


async def test_a_journal_that_is_far_behind_is_skipped_forward_when_memory_is_short(stage, client, keys, short):
    await client.xgroup_createconsumer(keys.outcomes, "journal", "journal")
    await some_outcomes(stage, 30)
    assert await trim(stage, **short) == 1  # what tells of the skipping
    assert await trim(stage, **short) == 1
    (told,) = await fields(client, keys.outcomes)
    assert (told["kind"], told["detail"]) == ("skipped", "outcomes 30")
    assert int(await client.hget(keys.ledger, "journal_skipped")) == 30
    (group,) = await client.xinfo_groups(keys.outcomes)
    assert group["lag"] == 1


async def test_a_journal_whose_backlog_is_not_what_fills_the_memory_is_not_skipped(stage, client, keys, short):
    await client.xgroup_createconsumer(keys.outcomes, "journal", "journal")
    await some_outcomes(stage, 30)
    assert await trim(stage, **short | {"share": 5}) == 30


async def test_what_a_journal_has_in_hand_holds_nothing_back_once_it_is_gone(stage, client, keys, short):
    await some_outcomes(stage, 30)
    await client.xreadgroup("journal", "journal", {keys.outcomes: ">"}, count=10)
    assert await trim(stage, **short) == 31  # it may still write those ten, and then all goes
    assert await trim(stage, **short, gone_s=0) == 1
    (told,) = await fields(client, keys.outcomes)
    assert told["detail"] == "outcomes 11"  # with the line that told of the twenty
    assert int(await client.hget(keys.ledger, "journal_skipped")) == 31


async def test_what_was_dropped_before_a_journal_first_read_is_not_taken_for_its_backlog(stage, client, keys, server):
    if server == "fakeredis":
        pytest.skip("the fake does not count what a group has read")
    await some_outcomes(stage, 30)
    assert await trim(stage) == 5
    rows = (await client.xreadgroup("journal", "journal", {keys.outcomes: ">"}))[0][1]
    await client.xack(keys.outcomes, "journal", *[entry_id for entry_id, _ in rows])
    (group,) = await client.xinfo_groups(keys.outcomes)
    assert (len(rows), group["lag"]) == (5, 0)


async def test_receipts_that_are_older_than_the_group_do_not_spoil_its_lag(client, keys, server):
    if server == "fakeredis":
        pytest.skip("the fake does not count what a group has read")
    await client.delete(keys.receipts)
    for _ in range(30):
        await client.xadd(keys.receipts, {"v": 1})
    await client.xtrim(keys.receipts, maxlen=10, approximate=False)
    await groups.prepare(client, keys)
    rows = (await client.xreadgroup("journal", "journal", {keys.receipts: ">"}))[0][1]
    await client.xack(keys.receipts, "journal", *[entry_id for entry_id, _ in rows])
    (group,) = await client.xinfo_groups(keys.receipts)
    assert (len(rows), group["lag"]) == (10, 0)


@pytest.mark.reads_in_lua
@pytest.mark.parametrize(
    "odd",
    [
        {"dev": "r/0\n5"},
        {"dev": b"\xff\n"},
        {"id": "e\n1"},
        {"t_rx": -5},
        {"t_rx": 10**30},
        {"t_rx": "\u0661"},
        {"src": "\x00"},
    ],
    ids=str,
)
async def test_names_and_times_that_no_service_wrote_are_letters_that_everybody_can_read(stage, client, keys, odd):
    told = {"v": 1, "id": "e1", "src": "r", "dev": "r/0", "seq": 1, "t_dev": "", "t_rx": T0, "enc": "", "body": "b"}
    await client.xadd(keys.raw, told | odd)
    ((entry_id, unread),) = await stage.processing.read(stage.token)
    raw = unread.raw if isinstance(unread, Unreadable) else unread
    bury = a_letter(LetterClass.QUARANTINE, "unreadable")
    assert (await stage.processing.commit(stage.token, [Decided(entry_id, raw, bury, "")])).finished == 1
    last = await standing.last_unknown(client, keys)
    assert last.reason == "unreadable" and 0 <= last.t_rx < 10**17
    assert isinstance(unread, Unreadable) or odd == {"t_rx": "\u0661"}  # which is a 1
    assert len(await standing.seen(client, keys)) == 1


async def test_a_unit_from_before_the_epoch_is_counted_like_any_other(stage, client, keys):
    await stage.entries(1)
    ((entry_id, raw),) = await stage.take(1)
    await stage.processing.commit(stage.token, [Decided(entry_id, replace(raw, t_rx=-5), Filter("stop"), "")])
    (row,) = await standing.seen(client, keys)
    assert (row.units, row.t_rx) == (1, 0)


@pytest.mark.parametrize("value", ["", "x", "1\ne\nr/0\n5\nr\n7", "1\ne\nr/0\nr\nx\ny\nz\nb"])
async def test_a_newest_that_no_service_wrote_is_none(client, keys, value):
    await client.hset(keys.last, mapping={"evd": value, "unknown": value})
    assert await standing.last_measure(client, keys, "evd") is None
    assert await standing.last_unknown(client, keys) is None
