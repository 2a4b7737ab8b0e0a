"""A crash at any byte and between any two steps: every line stands in the log once, whole, and in order."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import hypothesis.strategies as st
import pytest
import streams
from hypothesis import given, settings
from streams import outcome, receipt

from gantry.clock import SystemClock
from gantry.eventlog import names
from gantry.health import Health
from journal import archive
from journal.lines import STREAMS, Entry, lines_of, order_of
from journal.logfile import LogFile
from journal.merge import Reading
from journal.service import Journal

COUNT = 3
ROTATE_BYTES = 1500
POINTS = ("append", "acknowledge", "acknowledged", "renamed", "rotated", "packing")


class Crash(BaseException):
    """The process is gone."""


@dataclass
class Group:
    """Both streams and the journal's group, as a server keeps them through the journal's crashes."""

    entries: dict[str, list[Entry]] = field(default_factory=lambda: {stream: [] for stream in STREAMS})
    given: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STREAMS, 0))
    pending: dict[str, list[Entry]] = field(default_factory=lambda: {stream: [] for stream in STREAMS})
    at: dict[str, str | None] = field(default_factory=dict)  # stream → where in what is pending; None: read what is new
    crash: str = ""
    number: int = 0

    def add(self, fields: dict[str, str]) -> None:
        self.number += 1
        stream = "outcomes" if "kind" in fields else "receipts"
        self.entries[stream].append(streams.entry(stream, fields, f"{1_760_000_000_000 + self.number}-0"))

    async def begin(self) -> set[str]:
        self.at = dict.fromkeys(STREAMS, "0-0")
        return {entry.name for stream in STREAMS for entry in self.pending[stream]}

    async def read(self, of: Sequence[str], *, wait: bool) -> dict[str, Reading]:
        assert of or not wait
        return {stream: self._read(stream) for stream in of}

    def _read(self, stream: str) -> Reading:
        if (last := self.at[stream]) is not None:
            page = [entry for entry in self.pending[stream] if entry.order > order_of(last)][:COUNT]
            self.at[stream] = page[-1].id if page else None
            return Reading(page, ended=False)
        page = self.entries[stream][self.given[stream] :][:COUNT]
        self.given[stream] += len(page)
        self.pending[stream] += page
        return Reading(page, ended=len(page) < COUNT)

    async def acknowledge(self, entries: Sequence[Entry]) -> None:
        self._crashes("acknowledge")
        done = {entry.name for entry in entries}
        for stream in STREAMS:
            self.pending[stream] = [entry for entry in self.pending[stream] if entry.name not in done]
        self._crashes("acknowledged")

    def _crashes(self, point: str) -> None:
        if self.crash == point:
            raise Crash


@dataclass
class Fragile(LogFile):
    """A log whose process dies while it writes or rotates."""

    def __init__(self, folder: Path, crash: str, cut: float) -> None:
        super().__init__(folder, sync=False)
        self.crash, self.cut = crash, cut

    def append(self, data: bytes) -> None:
        if self.crash == "append":
            super().append(data[: round(self.cut * len(data))])
            raise Crash
        super().append(data)

    def rotate(self, now: datetime) -> str:
        if self.crash == "renamed":
            self._put_away(now)
            raise Crash
        part = super().rotate(now)
        if self.crash == "rotated":
            raise Crash
        if self.crash == "packing":
            packed = names.packed(self._folder, part)
            packed.with_suffix(".gz.tmp").write_bytes(b"\x1f\x8b"[: round(self.cut * 2)])
            raise Crash
        archive.pack_all(self._folder)
        return part

    def _of_older(self, _: Container[str]) -> set[str]:
        """The current file is enough: it is rotated only once everything in it has been acknowledged."""
        return set()


class Always:
    mine = True


@dataclass
class Life:
    """The journal's processes, one after the other."""

    folder: Path
    group: Group = field(default_factory=Group)

    async def live(self, crash: str = "", cut: float = 0.0, turns: int = 1000) -> bool:
        """Start, and work until everything is written or for so many turns; whether the crash came before."""
        self.group.crash = crash
        log = Fragile(self.folder, crash, cut)
        journal = Journal(
            duty=Always(),
            source=self.group,
            log=log,
            rotate_bytes=ROTATE_BYTES,
            rotated=asyncio.Event(),
            health=Health(SystemClock()),
            clock=SystemClock(),
            beat=lambda: None,
        )
        try:
            await journal.begin()
            archive.pack_all(self.folder)
            for _ in range(turns):
                await journal.turn()
                if journal._merge.caught_up and not any(self.group.at.values()):
                    break
        except Crash:
            return True
        finally:
            log.close()
        return False

    def check(self) -> None:
        wanted = sorted(
            (entry for entries in self.group.entries.values() for entry in entries), key=lambda entry: entry.order
        )
        found = [line.at for line in streams.lines(self.folder)]
        assert found == [line.at for entry in wanted for line in lines_of(entry)]
        assert not any(self.group.pending.values())


def an_entry(number: int, measures: int) -> dict[str, str]:
    """A receipt of so many measures; of none: an outcome."""
    return receipt(*(f"e{number}-{n}" for n in range(measures))) if measures else outcome(f"e{number}")


def test_a_batch_cut_at_every_byte_is_completed(tmp_path: Path) -> None:
    async def at_every_byte() -> None:
        size, cut, number = 1, 0, 0
        while cut <= size:
            life = Life(tmp_path / str(number))
            life.group.add(outcome("before"))
            await life.live()
            for measures in (2, 0, 1):
                life.group.add(an_entry(number, measures))
            before = (life.folder / names.CURRENT).stat().st_size
            size = sum(len(streams.text_of(entry)) for entry in life.group.entries["receipts"])
            size += len(streams.text_of(life.group.entries["outcomes"][-1]))
            await life.live("append", cut / size)
            assert (life.folder / names.CURRENT).stat().st_size == before + cut
            await life.live()
            life.check()
            cut, number = cut + 1, number + 1

    asyncio.run(at_every_byte())


@pytest.mark.parametrize("point", POINTS)
def test_a_crash_between_any_two_steps_costs_nothing(tmp_path: Path, point: str) -> None:
    async def crash_and_go_on() -> None:
        life = Life(tmp_path)
        for number in range(20):
            life.group.add(an_entry(number, number % 3))
        assert await life.live(point, 0.5), "the crash did not come"
        await life.live()
        life.check()

    asyncio.run(crash_and_go_on())


lives = st.tuples(
    st.lists(st.integers(0, 3), max_size=8),  # what comes before it
    st.sampled_from(["", *POINTS]),
    st.floats(0, 1),
    st.integers(1, 6),
)


@settings(max_examples=150, deadline=None)
@given(several=st.lists(lives, max_size=8))
def test_any_lives_give_every_line_once_and_in_order(several: list[tuple[list[int], str, float, int]]) -> None:
    async def all_of_them(life: Life) -> None:
        for arrivals, point, cut, turns in several:
            for measures in arrivals:
                life.group.add(an_entry(life.group.number, measures))
            await life.live(point, cut, turns)
        await life.live()
        life.check()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(all_of_them(Life(Path(folder))))
