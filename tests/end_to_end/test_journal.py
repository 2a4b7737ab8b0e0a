"""The journal is killed with -9 again and again under load: no line torn, none twice, none missing against the ledger.

`make soak NAME=journal` kills it a hundred times.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pytest

from end_to_end.feed import Feed
from end_to_end.rig import Rig, rig
from gantry import topology
from gantry.event import RawEntry, new_event_id
from gantry.eventlog import EventLog, Wanted, names
from gantry.eventlog.line import Line, decode
from gantry.ledger import Ledger
from gantry.streams import letters
from gantry.streams.inlet import Inlet
from gantry.streams.letters import Letters
from gantry.streams.scripts import Scripts, text
from gantry.topology import Topology
from wait import until

KILLS = int(os.environ.get("JOURNAL_KILLS", "10"))
RATE = int(os.environ.get("JOURNAL_RATE", "120"))  # events a second
SEED = int(os.environ.get("JOURNAL_SEED", "4"))
ROTATE_BYTES = 150_000
LIVES_S = (0.05, 0.8)  # how long each process writes before it is killed

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(600)]


@dataclass
class Others:
    """Events that end without a receipt: filtered, repeated, not understood; and decisions about those letters."""

    inlet: Inlet
    letters: Letters
    numbers: Counter[str] = field(default_factory=Counter)

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.append()
            await asyncio.sleep(0.1)

    async def append(self) -> None:
        now_us = time.time_ns() // 1000
        data = orjson.dumps({"Direction": "other", "RuleID": self.numbers.total(), "UTC": now_us // 1_000_000})
        twice = b"Code=CrossLineDetection;action=Start;index=1;data=" + data
        given = (twice, twice, twice.replace(b"Start", b"Stop", 1), b"Code=Nobody;action=Pulse;index=1")
        assert not any(
            answer.refused for answer in await self.inlet.append("other", [self._entry(body) for body in given])
        )

    def _entry(self, body: bytes) -> RawEntry:
        self.numbers["other"] += 1
        now_us = time.time_ns() // 1000
        number = self.numbers["other"]
        return RawEntry(
            id=new_event_id(now_us), src="other", dev="other/0", seq=number, t_dev="", t_rx=now_us, body=body
        )

    async def decide(self) -> None:
        """Retry two letters, drop three: each decision is an end of its own in the log."""
        found = [letter.entry_id async for page in self.letters.pages(letters.Wanted()) for letter in page]
        await self.letters.retry(found[:2], "tester")
        await self.letters.drop(found[2:5], "tester")


async def test_every_end_is_written_once_whatever_is_killed(tmp_path: Path) -> None:
    settings = {"RUNTIME_DIR": str(tmp_path / "runtime"), "LOG_ROTATE_BYTES": str(ROTATE_BYTES)}
    async with rig(tmp_path, **settings, LOG_ROTATE_KEEP="10000") as whole:
        await whole.agent(record=False)
        for name in ("publisher", "processor", "journal"):
            whole.service(name)
        await whole.ready("publisher", "processor", "journal")
        scripts, stop = Scripts(whole.client), asyncio.Event()
        feed = Feed(scripts, devices=20, seed=SEED)
        others = Others(
            Inlet(scripts, Topology(), "others", quota=1_000_000), Letters(whole.client, scripts, Topology())
        )
        async with asyncio.TaskGroup() as load:
            load.create_task(feed_until(feed, stop))
            load.create_task(others.run(stop))
            await kill_again_and_again(whole)
            await others.decide()
            stop.set()
        audit = await whole.drained()
        assert audit.differences == []
        await everything_written(whole)
        compare(tmp_path / "runtime", audit.ledger)
        rotated_and_read(tmp_path / "runtime", audit.ledger)
        tell(whole, audit.ledger)
        codes = await whole.stop()
        whole.children.clear()
        assert set(codes.values()) <= {0}


async def feed_until(feed: Feed, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await feed.run(RATE, 0.5)


async def kill_again_and_again(whole: Rig) -> None:
    """Each time, the process has written something; then it dies at any moment, or just after a write."""
    chance = random.Random(SEED)
    for number in range(KILLS):
        before = size_of(whole)

        async def has_written(before: tuple[int, int] = before) -> bool:
            return size_of(whole) != before

        await until(has_written, f"the journal to write; see {whole.folder}/journal.log", within_s=40)
        await asyncio.sleep(chance.uniform(*LIVES_S))
        if number % 2:
            await next_write(whole)
        whole.kill("journal")
        whole.again("journal")


async def next_write(whole: Rig) -> None:
    """Return at once after it: what was written is most likely not acknowledged yet."""
    before, end = size_of(whole), time.monotonic() + 5
    while size_of(whole) == before and time.monotonic() < end:  # noqa: ASYNC110 - a file has no event to wait for
        await asyncio.sleep(0)


def size_of(whole: Rig) -> tuple[int, int]:
    """Of the file that is being written: which one, and how long."""
    try:
        found = (whole.folder / "runtime" / names.CURRENT).stat()
    except FileNotFoundError:  # it is being rotated, or its process died between two names
        return 0, 0
    return found.st_ino, found.st_size


async def everything_written(whole: Rig) -> None:
    async def nothing_behind() -> bool:
        keys = Topology()
        rows = [row for key in (keys.receipts, keys.outcomes) for row in await whole.client.xinfo_groups(key)]
        ours = [row for row in rows if text(row["name"]) == topology.JOURNAL_GROUP]
        return len(ours) == 2 and not any(row["lag"] or row["pending"] for row in ours)

    await until(nothing_behind, "the journal to have written everything", within_s=60)


def written(folder: Path) -> list[Line]:
    """Every line of every file; one that is torn fails here."""
    found: list[bytes] = []
    stems = names.stems(path.name for path in folder.iterdir())
    for stem in reversed(stems):
        packed = names.packed(folder, stem)
        whole = gzip.decompress(packed.read_bytes()) if packed.exists() else names.plain(folder, stem).read_bytes()
        assert whole.endswith(b"\n"), f"{stem} has a torn end"
        found += whole.splitlines()
    current = (folder / names.CURRENT).read_bytes()
    assert not current or current.endswith(b"\n"), "events.json has a torn end"
    return [decode(line) for line in [*found, *current.splitlines()]]


def compare(folder: Path, ledger: Ledger) -> None:
    lines = written(folder)
    assert [at for at, count in Counter(line.at for line in lines).items() if count > 1] == [], "written twice"
    count = Counter(line.outcome for line in lines)
    assert count["published"] == ledger.outcomes["published"]
    assert count["filtered"] == ledger.events["filtered"]
    assert count["deduplicated"] == ledger.events["deduplicated"]
    dead = ledger.events["dead_in"] + ledger.outcomes["dead_out"]
    assert count["dead"] - count["retried"] - count["dropped"] == dead
    assert (count["retried"], count["dropped"]) == (2, 3)
    assert set(count) == {"published", "filtered", "deduplicated", "dead", "retried", "dropped"}
    times = [int(line.at.split("/")[1].partition("-")[0]) for line in lines]
    assert times == sorted(times), "the log is not in the order of time"


def rotated_and_read(folder: Path, ledger: Ledger) -> None:
    """The reader finds the same, page by page, and each measure is there as it was sent."""
    assert len(names.stems(path.name for path in folder.iterdir())) >= 1, "too little was written to be rotated"
    log, cursor, found = EventLog(folder), "", 0
    while cursor is not None:
        page = log.page(Wanted(outcome="published"), limit=1000, cursor=cursor)
        assert all("TimeInstant" in line.measure for line in page.lines)
        found, cursor = found + len(page.lines), page.next
    assert found == ledger.outcomes["published"]


def tell(whole: Rig, ledger: Ledger) -> None:
    """What the kills met, for whoever watches a soak."""
    begun = [orjson.loads(line) for line in whole.log("journal").splitlines() if '"log_begun"' in line]
    told = {
        "kills": KILLS,
        "published": ledger.outcomes["published"],
        "parts": len(names.stems(path.name for path in (whole.folder / "runtime").iterdir())),
        "starts_with_pending": sum(bool(each["pending"]) for each in begun),
        "starts_with_unacknowledged_lines": sum(bool(each["lines_already_written"]) for each in begun),
        "torn_ends_cut": whole.log("journal").count("torn_end_cut_off"),
    }
    sys.stdout.write(orjson.dumps(told).decode() + "\n")
