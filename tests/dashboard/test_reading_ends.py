"""What the dashboard tells before the journal has written it is the line that the journal writes."""

from __future__ import annotations

import dashboard_scene as scene
import orjson
import pytest

from builders import Stage
from dashboard.parts import Parts
from dashboard.reading import ends, tail
from dashboard.reading.tail import Tail
from gantry.eventlog.line import encode
from gantry.streams.scripts import text
from journal import lines as journal_lines


async def entries(stage: Stage) -> list[tuple[str, str, dict[bytes, bytes]]]:
    keys = {ends.RECEIPTS: stage.keys.receipts, ends.OUTCOMES: stage.keys.outcomes}
    return [(name, text(e), fields) for name, key in keys.items() for e, fields in await stage.client.xrange(key)]


async def test_both_make_the_same_lines(parts: Parts, stage: Stage):
    said = await scene.everything(stage)
    (letter,) = (await parts.reading.story(said["dead"])).letters
    await parts.letters.retry([letter], "ana")
    ours, theirs = [], []
    for name, entry, fields in await entries(stage):
        ours += [orjson.loads(encode(line)) for line in ends.of_entry(name, entry, fields)]
        written = journal_lines.lines_of(journal_lines.Entry(name, entry, fields))
        theirs += [orjson.loads(encode(line)) for line in written]
    assert ours == theirs
    outcomes = {line["outcome"] for line in ours}
    assert outcomes == {"published", "filtered", "deduplicated", "dead", "retried"}


async def test_a_newest_that_is_sent_again_is_no_end(stage: Stage):
    await scene.everything(stage)
    ((entry, fields),) = await stage.client.xrange(stage.keys.receipts)
    assert len(ends.of_entry(ends.RECEIPTS, text(entry), fields)) == 1
    assert ends.of_entry(ends.RECEIPTS, text(entry), {**fields, b"resent": b"1"}) == []


def test_what_another_version_wrote_is_shown_as_far_as_it_goes():
    (sent,) = ends.receipt("1-1", {b"ids": b"e1", b"bodies": b"\xff"})
    assert (sent.line.id, sent.line.measure, sent.line.received) == ("e1", None, None)
    assert ends.outcome("1-1", {b"seq": b"x", b"t": b"-1"}).seq is None


@pytest.fixture
async def following(stage: Stage) -> Tail:
    found = Tail(stage.client, stage.keys)
    await found.to_end()
    return found


async def test_the_tail_tells_only_what_is_new_and_once(following: Tail, stage: Stage):
    await scene.everything(stage)
    lines, more = await following.read(50)
    assert len(lines) == 5 and more == 0
    assert await following.read(50) == ([], 0)


async def test_the_tail_of_a_flood_is_bounded_and_counted(following: Tail, stage: Stage):
    await scene.everything(stage)
    ((_, fields), *_) = await stage.client.xrange(stage.keys.outcomes)
    async with stage.client.pipeline(transaction=False) as pipe:
        for _ in range(2 * tail.PAGE):
            pipe.xadd(stage.keys.outcomes, fields)
        await pipe.execute()
    lines, more = await following.read(50)
    assert len(lines) == 50 and more == 2 * tail.PAGE + 5 - 50
