"""The journal on a real server: streams in, events.json out."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import streams
from streams import outcome, receipt

from gantry import topology
from gantry.clock import SystemClock
from gantry.errors import Fenced, Unavailable
from gantry.eventlog import names
from gantry.health import Health
from gantry.streams.client import Client, connect
from gantry.topology import Topology
from journal.intake import BLOCK_S, CONSUMER, Intake
from journal.lines import STREAMS, Entry
from journal.logfile import LogFile, Unwritable
from journal.service import Journal
from wait import until


@dataclass
class Own:
    """A duty that the test gives and takes."""

    mine: bool = True


@dataclass
class Desk:
    """A journal whose turns the test makes."""

    folder: Path
    client: Client
    intake: Intake
    duty: Own = field(default_factory=Own)
    rotate_bytes: int = 10_000_000

    def __post_init__(self) -> None:
        self.health = Health(SystemClock())
        self.journal = self.start()

    def start(self) -> Journal:
        """As a new process, which knows nothing."""
        return Journal(
            duty=self.duty,
            source=self.intake,
            log=LogFile(self.folder, sync=False),
            rotate_bytes=self.rotate_bytes,
            rotated=asyncio.Event(),
            health=self.health,
            clock=SystemClock(),
            beat=lambda: None,
        )

    async def again(self) -> None:
        self.journal.log.close()
        self.journal = self.start()
        await self.journal.begin()

    async def settle(self) -> None:
        """Turns until nothing is left to write."""
        for _ in range(1000):
            await self.journal.turn()
            if self.journal._merge.caught_up and set(self.intake._from.values()) == {">"}:
                return
        raise AssertionError("the journal does not come to an end")

    async def pending(self) -> int:
        keys = Topology()
        found = [await self.client.xpending(key, topology.JOURNAL_GROUP) for key in (keys.receipts, keys.outcomes)]
        return sum(row["pending"] for row in found)


@pytest.fixture
async def desk(redis_url: str, client: Client, keys: Topology, tmp_path: Path) -> AsyncIterator[Desk]:
    waiting = connect(redis_url, "waiting", block_s=BLOCK_S)
    made = Desk(tmp_path, client, Intake(client, waiting, keys, count=5, block_s=0.02))
    await made.journal.begin()
    yield made
    made.journal.log.close()
    await waiting.aclose()


async def test_both_streams_are_written_in_the_order_of_time_and_acknowledged(
    desk: Desk, client: Client, keys: Topology
) -> None:
    given = [receipt("a", "b"), outcome("c"), receipt("d"), outcome("e", "dead"), receipt("f", resent=1), outcome("g")]
    await streams.add(client, keys, *given)
    await desk.settle()
    found = streams.lines(desk.folder)
    assert [(line.id, line.outcome) for line in found] == [
        ("a", "published"),
        ("b", "published"),
        ("c", "filtered"),
        ("d", "published"),
        ("e", "dead"),
        ("g", "filtered"),
    ]
    assert await desk.pending() == 0
    assert await desk.intake.behind() == {"receipts": 0, "outcomes": 0}
    consumers = await client.xinfo_consumers(keys.receipts, topology.JOURNAL_GROUP)
    assert [row["name"] for row in consumers] == [CONSUMER.encode()]


async def test_a_stream_that_is_far_behind_does_not_mix_up_the_log(desk: Desk, client: Client, keys: Topology) -> None:
    given = [receipt(f"r{n}") for n in range(40)]
    given[20:20] = [outcome("o1"), outcome("o2")]
    await streams.add(client, keys, *given)
    await desk.settle()
    ids = [line.id for line in streams.lines(desk.folder)]
    assert ids == [*(f"r{n}" for n in range(20)), "o1", "o2", *(f"r{n}" for n in range(20, 40))]


async def test_what_was_read_and_not_written_is_found_again(desk: Desk, client: Client, keys: Topology) -> None:
    await streams.add(client, keys, *(receipt(f"r{n}") for n in range(12)), *(outcome(f"o{n}") for n in range(3)))
    await desk.intake.begin()
    for _ in range(4):
        await desk.intake.read(STREAMS, wait=False)
    assert await desk.pending() > 5
    await desk.again()
    await desk.settle()
    found = streams.lines(desk.folder)
    assert len(found) == 15
    assert streams.twice(found) == []


async def test_what_was_written_and_not_acknowledged_is_not_written_again(
    desk: Desk, client: Client, keys: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    await streams.add(client, keys, receipt("a", "b"), outcome("c"))

    async def cut_off(*_: object) -> None:
        raise Unavailable("the connection is gone")

    with monkeypatch.context() as patch:
        patch.setattr(Intake, "acknowledge", cut_off)
        with pytest.raises(Unavailable):
            await desk.settle()
    assert len(streams.lines(desk.folder)) == 3
    await desk.again()
    await desk.settle()
    assert [line.id for line in streams.lines(desk.folder)] == ["a", "b", "c"]
    assert await desk.pending() == 0


async def test_foreign_and_vanished_entries_are_passed_over(desk: Desk, client: Client, keys: Topology) -> None:
    await streams.add(client, keys, outcome("a"), outcome("b"))
    await streams.add(client, keys, receipt("c"))
    await client.xadd(keys.receipts, {b"\xff": b"\xff"})
    await client.xadd(keys.outcomes, {"kind": "forgotten"})
    for _ in range(2):
        await desk.intake.read(STREAMS, wait=False)
    first = (await client.xrange(keys.outcomes, count=1))[0][0]
    await client.xdel(keys.outcomes, first)
    await desk.again()
    await desk.settle()
    assert [line.id for line in streams.lines(desk.folder)] == ["b", "c"]
    assert await desk.pending() == 0


async def test_a_duty_that_went_meanwhile_writes_nothing(desk: Desk, client: Client, keys: Topology) -> None:
    await streams.add(client, keys, outcome("a"))
    desk.duty.mine = False
    with pytest.raises(Fenced):
        await desk.settle()
    assert streams.lines(desk.folder) == []
    assert await desk.pending() == 1
    desk.duty.mine = True
    async with running(desk):
        await until(has_lines(desk.folder, 1), "the line, once the duty is ours again")


async def test_the_file_is_rotated_once_everything_in_it_is_acknowledged(
    redis_url: str, client: Client, keys: Topology, tmp_path: Path
) -> None:
    waiting = connect(redis_url, "waiting", block_s=BLOCK_S)
    desk = Desk(tmp_path, client, Intake(client, waiting, keys, count=5, block_s=0.02), rotate_bytes=2000)
    await desk.journal.begin()
    for number in range(30):
        await streams.add(client, keys, outcome(f"o{number}"))
        await desk.settle()
        if desk.journal.log.size == 0:
            assert await desk.pending() == 0
    assert len(streams.files(tmp_path)) > 3
    assert [line.id for line in streams.lines(tmp_path)] == [f"o{n}" for n in range(30)]
    assert desk.journal.rotated.is_set()
    desk.journal.log.close()
    await waiting.aclose()


async def test_the_file_is_not_rotated_while_lines_in_it_wait_for_their_acknowledgement(
    redis_url: str, client: Client, keys: Topology, tmp_path: Path
) -> None:
    await streams.add(client, keys, *(outcome(f"o{n}") for n in range(12)))
    rows = (await client.xreadgroup(topology.JOURNAL_GROUP, CONSUMER, {keys.outcomes: ">"}))[0][1]
    entries = [Entry("outcomes", entry_id.decode(), fields) for entry_id, fields in rows]
    (tmp_path / names.CURRENT).write_bytes(b"".join(map(streams.text_of, entries)))
    waiting = connect(redis_url, "waiting", block_s=BLOCK_S)
    desk = Desk(tmp_path, client, Intake(client, waiting, keys, count=5), rotate_bytes=1000)
    await desk.journal.begin()
    while await desk.pending():
        assert len(streams.files(tmp_path)) == 1
        await desk.journal.turn()
    assert len(streams.files(tmp_path)) == 2
    assert len(streams.lines(tmp_path)) == 12
    desk.journal.log.close()
    await waiting.aclose()


async def test_streams_that_somebody_removed_are_made_anew(desk: Desk, client: Client, keys: Topology) -> None:
    await client.delete(keys.receipts, keys.outcomes)
    with pytest.raises(Unavailable, match="removed"):
        await desk.settle()
    await desk.again()
    await streams.add(client, keys, outcome("a"))
    await desk.settle()
    assert [line.id for line in streams.lines(desk.folder)] == ["a"]


@asynccontextmanager
async def running(desk: Desk) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(desk.journal.run(stop))
    yield
    stop.set()
    await task


def has_lines(folder: Path, count: int) -> Callable[[], Awaitable[bool]]:
    async def found() -> bool:
        return (folder / names.CURRENT).exists() and len(streams.lines(folder)) >= count

    return found


async def test_a_full_disk_acknowledges_nothing_and_goes_on_when_there_is_room(
    desk: Desk, client: Client, keys: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def full(file: int, data: bytes) -> int:
        if stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data)

    async def unready() -> bool:
        return "No space left on device" in desk.health.missing().get("log", "")

    async def ready() -> bool:
        return not desk.health.missing()

    await streams.add(client, keys, outcome("a"), receipt("b"))
    async with running(desk):
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            await until(unready, "the journal to be unready")
            assert await desk.pending() == 2
        await until(ready, "the journal to be ready again")
        await until(has_lines(desk.folder, 2), "the lines")
    assert [line.id for line in streams.lines(desk.folder)] == ["a", "b"]
    assert await desk.pending() == 0


async def test_a_log_moved_by_another_hand_is_begun_anew(desk: Desk, client: Client, keys: Topology) -> None:
    async with running(desk):
        await streams.add(client, keys, outcome("a"))
        await until(has_lines(desk.folder, 1), "the first line")
        (desk.folder / names.CURRENT).rename(desk.folder / "moved.json")
        await streams.add(client, keys, outcome("b"))
        await until(has_lines(desk.folder, 1), "the second line")
    assert [line.id for line in streams.lines(desk.folder)] == ["b"]


async def test_an_unwritable_log_is_an_error_of_its_own(desk: Desk) -> None:
    desk.journal.log.close()
    with pytest.raises(Unwritable):
        desk.journal.log.append(b"x")


async def test_a_server_that_is_away_is_unavailable() -> None:
    nobody = connect("redis://127.0.0.1:1/0", "tests")
    intake = Intake(nobody, nobody, Topology())
    for call in (intake.begin(), intake.read(STREAMS, wait=False), intake.behind()):
        with pytest.raises(Unavailable):
            await call
    with pytest.raises(Unavailable):
        await intake.acknowledge([Entry("receipts", "1-0", {})])
    await nobody.aclose()
