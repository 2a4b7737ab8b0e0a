"""The order of entries over several streams."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from journal.lines import Entry
from journal.merge import Merge, Reading

A, B = "receipts", "outcomes"


def entries(stream: str, *times: int) -> list[Entry]:
    return [Entry(stream, f"{time}-0", {b"x": b"y" * 10}) for time in times]


def merged(merge: Merge, most: int = 10**9) -> list[int]:
    return [entry.order[0] for entry in merge.take(most)]


def test_what_both_streams_gave_to_their_end_is_in_order() -> None:
    merge = Merge((A, B))
    merge.add({A: Reading(entries(A, 1, 4), ended=True), B: Reading(entries(B, 2, 3, 5), ended=True)})
    assert merged(merge) == [1, 2, 3, 4, 5]
    assert merge.caught_up


def test_what_may_be_preceded_waits() -> None:
    merge = Merge((A, B))
    merge.add({A: Reading(entries(A, 1, 4), ended=False), B: Reading(entries(B, 2, 7), ended=True)})
    assert merged(merge) == [1, 2, 4]
    assert (merge.wants, merge.empty, merge.caught_up) == ([A], False, False)
    merge.add({A: Reading(entries(A, 6, 8), ended=True)})
    assert merged(merge) == [6, 7], "B may have got something between 7 and 8 meanwhile"
    assert merge.wants == [B]
    merge.add({B: Reading([], ended=True)})
    assert merged(merge) == [8]


def test_pending_ones_wait_for_the_other_streams_first_reading() -> None:
    merge = Merge((A, B))
    merge.add({A: Reading(entries(A, 5), ended=False), B: Reading([], ended=False)})
    assert merged(merge) == []
    merge.add({B: Reading(entries(B, 1, 9), ended=True)})
    assert merged(merge) == [1, 5]


def test_a_batch_is_bounded_by_bytes_but_never_empty() -> None:
    merge = Merge((A, B))
    merge.add({A: Reading(entries(A, 1, 2, 3), ended=True), B: Reading([], ended=True)})
    assert merged(merge, 1) == [1]
    merge.add({B: Reading([], ended=True)})
    assert merged(merge, 1) == [2]


times = st.lists(st.integers(1, 60), max_size=30, unique=True)


@given(a=times, b=times, count=st.integers(1, 5), most=st.integers(1, 1000))
def test_everything_comes_out_once_and_in_order(a: list[int], b: list[int], count: int, most: int) -> None:
    left = {A: entries(A, *sorted(a)), B: entries(B, *sorted(b))}
    merge = Merge((A, B))
    got: list[Entry] = []
    for _ in range(200):
        readings = {}
        for stream in merge.wants:
            given_now, left[stream] = left[stream][:count], left[stream][count:]
            readings[stream] = Reading(given_now, ended=len(given_now) < count)
        merge.add(readings)
        got += merge.take(most)
        if merge.caught_up and not any(left.values()):
            break
    assert sorted(got, key=lambda entry: entry.order) == got
    assert sorted(entry.name for entry in got) == sorted([f"{A}/{n}-0" for n in a] + [f"{B}/{n}-0" for n in b])
