"""The spool: order, bound, and numbers that never go back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

import pytest

from gantry.event import RawEntry
from ingest_dahua.spool import _ROW_BYTES, NUMBERS_AT_ONCE, Figures, Spool, SpoolBroken, SpoolBusy

Open = Callable[..., Spool]
ALL = (10_000, 1 << 30)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Open]:
    """Open the spool, again and again."""
    opened: list[Spool] = []

    def start(max_bytes: int = 1 << 20) -> Spool:
        for each in opened:
            each.close()
        opened[:] = [Spool(tmp_path / "deep" / "spool", "10.0.0.7", max_bytes=max_bytes)]
        return opened[0]

    yield start
    for each in opened:
        each.close()


def entry(seq: int, dev: str = "r/0", body: bytes = b"Code=\xff\0") -> RawEntry:
    return RawEntry(id=f"e{seq}", src="r", dev=dev, seq=seq, t_dev="17.5", t_rx=seq * 10, body=body, enc="k")


def test_entries_come_back_as_they_were_and_in_order_after_reopening(spool: Open) -> None:
    entries = [entry(number) for number in (3, 5, 9)]
    first = spool()
    assert first.append(entries[:2]) + first.append(entries[2:]) == []
    again = spool()
    assert again.oldest(*ALL) == entries
    assert (again.id, again.figures) == (first.id, Figures(3, 0))


def test_what_is_deleted_is_gone(spool: Open) -> None:
    entries = [entry(number) for number in range(1, 6)]
    first = spool()
    first.append(entries)
    first.delete(entries[:2])
    assert (first.oldest(2, 1 << 20), first.figures.queued) == (entries[2:4], 3)
    assert spool().oldest(*ALL) == entries[2:]


def test_a_device_can_be_passed_over(spool: Open) -> None:
    entries = [entry(number, f"r/{number % 3}") for number in range(1, 10)]
    first = spool()
    first.append(entries)
    assert [each.seq for each in first.oldest(*ALL, after=3, without={"r/0", "r/1"})] == [5, 8]


@pytest.mark.parametrize(
    ("max_bytes", "expected"), [(1, 1), (100, 1), (199, 1), (200, 2), (299, 2), (300, 3), (999, 3)]
)
def test_no_more_is_read_than_may_be_but_one(spool: Open, max_bytes: int, expected: int) -> None:
    first = spool()
    first.append([entry(number, body=b"x" * 100) for number in (1, 2, 3)])
    assert [each.seq for each in first.oldest(9, max_bytes)] == [1, 2, 3][:expected]
    first.delete(first.oldest(*ALL))  # no half-read query stands in the way of the file's shrinking


def test_beyond_its_bound_it_counts_what_is_lost_for_ever(spool: Open) -> None:
    first = spool(max_bytes=1000)
    entries = [entry(number, body=b"x" * 200) for number in range(1, 5)]
    assert first.append(entries) == entries[2:]
    assert first.figures == Figures(2, 2)
    again = spool(max_bytes=1000)
    assert again.append([entry(7, body=b"x" * 200)]) == [entry(7, body=b"x" * 200)]
    again.delete(entries[:1])
    assert again.append([entry(8, body=b"x" * 200)]) == []
    assert (again.figures, spool().figures) == (Figures(2, 3), Figures(2, 3))


def test_what_could_not_be_written_reaches_the_total_with_the_next_write(spool: Open) -> None:
    first = spool()
    first.count_lost(4)
    first.append([entry(1)])
    assert spool().figures == Figures(1, 4)


class Referee:
    """The spool's lock, which compares the figures with the table each time before it is let go."""

    def __init__(self, spool: Spool) -> None:
        self._lock, self._spool = threading.Lock(), spool
        self.compared, self.wrong = 0, ""

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        spool = self._spool
        count, size = spool._db.execute("SELECT COUNT(*), TOTAL(LENGTH(body)) FROM entries").fetchone()
        table, figures = (count, size + count * _ROW_BYTES), (spool._queued, spool._bytes)
        if table != figures:
            self.wrong = self.wrong or f"table {table}, figures {figures}"
        self.compared += 1
        self._lock.release()
        os.sched_yield()  # the other one's turn


def test_the_figures_agree_with_the_table_whoever_writes(spool: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    first = spool(max_bytes=20 * (_ROW_BYTES + 50))
    referee = Referee(first)
    monkeypatch.setattr(first, "_lock", referee)
    ended, turns = threading.Event(), threading.Semaphore(9)  # the filling is at most nine turns ahead

    def fill() -> list[RawEntry]:
        lost: list[RawEntry] = []
        try:
            for number in range(3, 753, 3):
                assert turns.acquire(timeout=20)
                lost += first.append([entry(number + each, body=b"x" * (number % 90)) for each in range(3)])
        finally:
            ended.set()
        return lost

    def empty() -> int:
        deleted = 0
        while not ended.is_set() or first.figures.queued:
            entries = first.oldest(4, 1 << 20)
            first.delete(entries)
            deleted += len(entries)
            turns.release()
        return deleted

    with ThreadPoolExecutor(2) as threads:
        filling, emptying = threads.submit(fill), threads.submit(empty)
        lost = filling.result(timeout=30)
        assert emptying.result(timeout=30) + len(lost) == 750
    assert referee.compared > 500, "the two hardly met"
    assert referee.wrong == ""
    assert first.figures == Figures(0, len(lost))
    whole = [entry(number, body=b"x" * 50) for number in range(1001, 1021)]
    assert first.append(whole) == [], "all of its room is free again"


class Queue:
    """The spool's lock, with somebody else's turn before the first one's."""

    def __init__(self, before: Callable[[], None]) -> None:
        self._lock, self._before = threading.Lock(), [before]

    def __enter__(self) -> None:
        while self._before:
            self._before.pop()()
        self._lock.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._lock.release()


def test_room_made_while_an_append_waits_for_its_turn_counts(spool: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    first = spool(max_bytes=_ROW_BYTES + 50)
    first.append([entry(1)])
    monkeypatch.setattr(first, "_lock", Queue(lambda: first.delete([entry(1)])))
    assert first.append([entry(2)]) == []
    assert first.oldest(*ALL) == [entry(2)]


def test_deleting_twice_counts_once(spool: Open) -> None:
    first = spool()
    first.append([entry(1), entry(2)])
    first.delete([entry(1)])
    first.delete([entry(1)])
    assert first.figures == Figures(1, 0)


def test_a_write_that_fails_changes_nothing(spool: Open) -> None:
    first = spool(max_bytes=4 * (_ROW_BYTES + 50))
    entries = [entry(number, body=b"x" * 50) for number in (1, 2, 3, 4, 5)]
    first.append(entries[:2])
    with pytest.raises(SpoolBroken):
        first.append([entries[2], entries[1]])  # a number that is there already
    assert first.figures == Figures(2, 0)
    assert first.append(entries[2:]) == entries[4:]
    assert first.oldest(*ALL) == entries[:4]


def test_after_closing_it_is_broken_and_says_so(spool: Open) -> None:
    first = spool()
    first.close()
    with pytest.raises(SpoolBroken):
        first.delete([entry(1)])


def test_the_file_shrinks_when_it_is_empty(spool: Open, tmp_path: Path) -> None:
    first = spool(max_bytes=1 << 30)
    entries = [entry(number, body=b"x" * 10_000) for number in range(1, 301)]
    first.append(entries)
    first.delete(entries)
    spool().close()
    (path,) = (tmp_path / "deep" / "spool").glob("*.sqlite")
    assert path.stat().st_size < 300_000


def test_numbers_grow_without_gaps_while_it_lives_and_never_go_back(spool: Open) -> None:
    first = spool()
    given = [*first.numbers(3), *first.numbers(NUMBERS_AT_ONCE), *first.numbers(2)]
    assert given == list(range(1, NUMBERS_AT_ONCE + 6))
    assert spool().numbers(1)[0] > given[-1]


KILLED = """
import os, sys
from pathlib import Path
from ingest_dahua.spool import Spool
spool = Spool(Path(sys.argv[1]), "r", max_bytes=10**6)
while True:
    print(spool.numbers(700)[-1], flush=True)
"""


def test_numbers_do_not_go_back_after_kill(tmp_path: Path) -> None:
    greatest = 0
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout
        for _ in range(40):
            line = process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        rest, _ = process.communicate()
        greatest = max(int(text) for text in [line, *rest.split("\n")[:-1]])
        spool = Spool(tmp_path, "r", max_bytes=10**6)
        assert spool.numbers(1)[0] > greatest
        spool.close()


def test_one_process_at_a_time(spool: Open, tmp_path: Path) -> None:
    first = spool()
    with pytest.raises(SpoolBusy):
        Spool(tmp_path / "deep" / "spool", "10.0.0.7", max_bytes=1)
    first.close()
    Spool(tmp_path / "deep" / "spool", "10.0.0.7", max_bytes=1).close()


def test_a_folder_that_cannot_be_and_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(SpoolBroken):
        Spool(tmp_path / "file", "r", max_bytes=1)
    (tmp_path / "r.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(SpoolBroken):
        Spool(tmp_path, "r", max_bytes=1)


def test_a_strange_recorder_name_stays_in_the_folder(tmp_path: Path) -> None:
    Spool(tmp_path, "../../x", max_bytes=1).close()
    assert [path.name for path in tmp_path.glob("*.sqlite")] == [".._.._x.sqlite"]
