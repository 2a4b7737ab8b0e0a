"""Reading events.json and its older parts."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis.strategies as st
import logs
import pytest
from hypothesis import HealthCheck, given, settings
from logs import T0_MS, a_line

from gantry.errors import Malformed
from gantry.event import new_event_id
from gantry.eventlog import EventLog, Page, Wanted, names, parts, reading
from gantry.eventlog.line import Line


def numbers(page: Page) -> list[int]:
    return [int(line.id.removeprefix("e")) for line in page.lines]


def walk(log: EventLog, wanted: Wanted, limit: int) -> Iterator[Page]:
    cursor: str | None = ""
    while cursor is not None:
        page = log.page(wanted, limit=limit, cursor=cursor)
        yield page
        assert page.next != cursor, "a page that leads nowhere"
        cursor = page.next


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    """Lines 0 to 8: the oldest packed, the next not packed yet, the newest in events.json with an unfinished one."""
    logs.write_packed(tmp_path, *map(a_line, range(3)), at=3)
    logs.write_plain(tmp_path, *map(a_line, range(3, 6)), at=6)
    logs.write_current(tmp_path, *map(a_line, range(6, 9)), tail=b'{"at":"outcomes/')
    return EventLog(tmp_path)


def test_lines_come_newest_first_over_all_parts(log: EventLog) -> None:
    page = log.page()
    assert numbers(page) == [8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert page.lines[0] == a_line(8)
    assert (page.next, page.cut, page.missing, page.damaged) == (None, False, False, 0)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 8, 9, 10])
def test_pages_fit_together(log: EventLog, limit: int) -> None:
    pages = [numbers(page) for page in walk(log, Wanted(), limit)]
    assert [*itertools.chain.from_iterable(pages)] == [8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert all(len(page) == limit for page in pages[:-1])


def test_a_cursor_stays_good_when_parts_are_rotated_and_packed(log: EventLog) -> None:
    first = log.page(limit=2)
    (log.folder / names.CURRENT).rename(names.plain(log.folder, logs.stem_of(9)))
    logs.write_current(log.folder, a_line(9))
    assert numbers(log.page(limit=2, cursor=first.next or "")) == [6, 5]
    rotated = names.plain(log.folder, logs.stem_of(9))
    logs.write_packed(log.folder, *map(a_line, range(6, 9)), at=9)
    assert numbers(log.page(limit=20)) == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0], "one part twice there, while it is packed"
    rotated.unlink()
    assert numbers(log.page(limit=2, cursor=first.next or "")) == [6, 5]


def test_a_part_removed_by_age_ends_the_pages(log: EventLog) -> None:
    cursor = log.page(limit=7).next or ""
    names.packed(log.folder, logs.stem_of(3)).unlink()
    page = log.page(cursor=cursor)
    assert (numbers(page), page.next) == ([], None)


def test_a_rotation_between_opening_and_listing_gives_nothing_twice(log: EventLog) -> None:
    class Rotating(type(log.folder)):  # type: ignore[misc]
        def iterdir(self) -> Iterator[Path]:
            if (log.folder / names.CURRENT).exists():
                (log.folder / names.CURRENT).rename(names.plain(log.folder, logs.stem_of(9)))
            return super().iterdir()

    assert numbers(EventLog(Rotating(log.folder)).page()) == [8, 7, 6, 5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(outcome="dead"), [7]),
        (Wanted(family="EVD"), [5]),
        (Wanted(device="cam"), [5]),
        (Wanted(device="r/9"), [4]),
        (Wanted(what="CrossLineDetection"), [2]),
        (Wanted(text="PUERTA"), [1]),
        (Wanted(text="puerta de españa"), [1]),
        (Wanted(id="e3"), [3]),
        (Wanted(id="nobody"), []),
        (Wanted(outcome="dead", device="cam"), []),
        (Wanted(since_ms=T0_MS + 6_500), [8, 7]),
        (Wanted(since_ms=T0_MS + 2_000, outcome="filtered"), [8, 6, 4, 3, 2]),
        (Wanted(since_ms=T0_MS + 100_000), []),
    ],
)
def test_filters(tmp_path: Path, wanted: Wanted, found: list[int]) -> None:
    lines = [a_line(number) for number in range(9)]
    changed = {
        1: a_line(1, measure={"name": "Puerta de España"}),
        2: a_line(2, what="CrossLineDetection"),
        4: a_line(4, dev="r/9"),
        5: a_line(5, family="EVD", device="cam", outcome="published", measure={"outcome": "dead", "id": "e3"}),
        7: a_line(7, outcome="dead"),
    }
    mixed = [changed.get(number, line) for number, line in enumerate(lines)]
    logs.write_packed(tmp_path, *mixed[:3], at=3)
    logs.write_current(tmp_path, *mixed[3:])
    log = EventLog(tmp_path)
    assert numbers(log.page(wanted)) == found
    assert [n for page in walk(log, wanted, 1) for n in numbers(page)] == found


def test_seconds_do_not_read_what_is_much_older(tmp_path: Path) -> None:
    logs.write_packed(tmp_path, *map(a_line, range(10)), at=10)
    logs.write_current(tmp_path, *map(a_line, range(10_000, 20_000)))
    page = EventLog(tmp_path).page(Wanted(since_ms=T0_MS + 19_998_000), limit=10)
    assert numbers(page) == [19_999, 19_998]
    assert page.next is None
    assert page.bytes_read <= 8 * parts.BLOCK


def test_an_event_is_found_in_all_parts_but_not_in_those_before_its_receipt(tmp_path: Path) -> None:
    event = new_event_id((T0_MS + 5_000_000) * 1000)
    logs.write_packed(tmp_path, *map(a_line, range(200)), a_line(200, id=event), at=1)
    logs.write_packed(tmp_path, a_line(5001, id=event), *map(a_line, range(5002, 5100)), at=5100)
    logs.write_current(tmp_path, a_line(6000), a_line(6001, id=event, outcome="retried"), a_line(6002))
    page = EventLog(tmp_path).find(event)
    assert [line.at for line in page.lines] == [a_line(6001).at, a_line(5001).at], "the first part ended before"
    assert not page.cut


def test_the_search_for_an_event_begins_where_it_was_received(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "FIND_BYTES", 200_000)
    event = new_event_id((T0_MS + 5_000_000) * 1000)
    logs.write_packed(tmp_path, a_line(5001, id=event), a_line(5002), at=5100)
    for number in range(6000, 10_000, 1000):
        logs.write_packed(tmp_path, *map(a_line, range(number, number + 500)), at=number + 500)
    logs.write_current(tmp_path, a_line(11_000, id=event))
    page = EventLog(tmp_path).find(event)
    assert [line.at for line in page.lines] == [a_line(5001).at]
    assert page.cut, "the newest parts have not been looked at"
    assert page.bytes_read < 500_000


def test_bytes_are_bounded_and_the_next_page_goes_on(tmp_path: Path) -> None:
    logs.write_packed(tmp_path, *map(a_line, range(1000)), at=1000)
    logs.write_packed(tmp_path, *map(a_line, range(1000, 2000)), at=2000)
    logs.write_current(tmp_path, *map(a_line, range(2000, 4000)))
    log = EventLog(tmp_path, most_bytes=2 * parts.BLOCK)
    first = log.page(Wanted(id="e1"))
    assert (numbers(first), first.cut) == ([], True)
    assert first.bytes_read == 2 * parts.BLOCK
    pages = list(walk(log, Wanted(id="e1"), 10))
    assert [n for page in pages for n in numbers(page)] == [1]
    assert len(pages) > 5
    assert [page.cut for page in pages] == [True] * (len(pages) - 1) + [False]


def test_no_folder_and_no_file_are_told_apart_from_no_lines(tmp_path: Path) -> None:
    assert EventLog(tmp_path / "nowhere").page().missing
    assert EventLog(tmp_path).page().missing
    logs.write_current(tmp_path)
    assert not EventLog(tmp_path).page().missing


def test_what_no_journal_wrote_is_left_out(tmp_path: Path) -> None:
    foreign = b'{"event":"of another system"}\nnot JSON\n\n' + b"x" * (parts.LONGEST_LINE + 2 * parts.BLOCK) + b"\n"
    (tmp_path / names.CURRENT).write_bytes(logs.text_of(a_line(1)) + foreign + logs.text_of(a_line(2)))
    names.plain(tmp_path, logs.stem_of(1)).write_bytes(foreign + logs.text_of(a_line(0)))
    (tmp_path / "events-99999999T999999.000000Z.json").write_bytes(logs.text_of(a_line(7)))
    (tmp_path / "notes.json").write_bytes(b"")
    pages = walk(EventLog(tmp_path), Wanted(), 1)
    assert [n for page in pages for n in numbers(page)] == [2, 1, 0]


def test_a_damaged_part_gives_what_can_be_read(tmp_path: Path) -> None:
    lines = [a_line(number, detail=os.urandom(300).hex()) for number in range(400)]
    path = logs.write_packed(tmp_path, *lines, at=400)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    logs.write_current(tmp_path, a_line(400))
    pages = list(walk(EventLog(tmp_path), Wanted(), 1000))  # its last bytes, which tell its size, are gone as well
    assert sum(page.damaged for page in pages) == 1
    assert numbers(pages[0])[0] == 400
    assert 100 < sum(len(page.lines) for page in pages) < 400
    path.write_bytes(b"\x1f\x8b")
    assert numbers(EventLog(tmp_path).page()) == [400]


@pytest.mark.parametrize("cursor", ["x", "1@", "1@outcomes/1-0", "-1@0123456789abcdef", "9" * 13 + "@0123456789abcdef"])
def test_a_cursor_that_is_none_is_refused(tmp_path: Path, cursor: str) -> None:
    with pytest.raises(Malformed):
        EventLog(tmp_path).page(cursor=cursor)


def test_a_filter_that_is_too_long_is_refused() -> None:
    with pytest.raises(Malformed):
        Wanted(text="x" * 201)


def test_a_clock_that_stepped_back_gives_a_later_name() -> None:
    newest, older = logs.stem_of(10), logs.stem_of(5)
    at = names.rotated_at(older)
    assert at is not None
    assert names.stem_after(newest, at) > newest
    assert names.stem_after(None, at) == older


lengths = st.lists(st.integers(0, 300), min_size=1, max_size=30)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(lengths=lengths, packed=st.integers(0, 30), limit=st.integers(1, 12), block=st.integers(1, 400))
def test_any_blocks_give_the_same_lines(
    tmp_path: Path, lengths: list[int], packed: int, limit: int, block: int
) -> None:
    lines: list[Line] = [a_line(number, detail="d" * length) for number, length in enumerate(lengths)]
    for path in tmp_path.iterdir():
        path.unlink()
    if lines[:packed]:
        logs.write_packed(tmp_path, *lines[:packed], at=packed)
    logs.write_current(tmp_path, *lines[packed:], tail=b"{" * (block % 7))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "BLOCK", block)
        pages = list(walk(EventLog(tmp_path, most_bytes=4000), Wanted(), limit))
    assert [line for page in pages for line in page.lines] == lines[::-1]
