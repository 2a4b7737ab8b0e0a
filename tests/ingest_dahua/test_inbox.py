"""The inbox: order, bounds, and back-pressure."""

from __future__ import annotations

import pytest

from ingest_dahua.events import RecorderEvent
from ingest_dahua.inbox import Inbox, Received


def received(size: int) -> Received:
    return Received(RecorderEvent(code="A", action="Start", index=0, t_dev="", body=b"x" * size), 1)


@pytest.mark.parametrize(
    ("count", "max_bytes", "expected"),
    [(9, 999, [100, 50, 70]), (2, 999, [100, 50]), (9, 150, [100, 50]), (9, 149, [100]), (9, 1, [100]), (0, 999, [])],
)
def test_no_more_is_taken_than_may_be_but_one(count: int, max_bytes: int, expected: list[int]) -> None:
    inbox = Inbox()
    for size in (100, 50, 70):
        inbox.put(received(size))
    assert [len(each.event.body) for each in inbox.take(count, max_bytes)] == expected
    assert len(inbox) == 3 - len(expected)


async def test_reading_waits_until_there_is_room_by_bytes_again() -> None:
    inbox = Inbox(max_bytes=200)
    for size in (100, 100, 100):
        inbox.put(received(size))
    inbox.take(9, 100)
    assert not inbox._room.is_set()
    inbox.take(9, 100)
    await inbox.room()
    assert inbox._some.is_set()
    inbox.take(9, 100)
    assert not inbox._some.is_set()
