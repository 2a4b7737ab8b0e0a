"""What is told of a recorder's connection."""

from __future__ import annotations

from typing import Any

import pytest

from builders import T0, FakeClock
from gantry.status.document import STANDBY
from ingest_dahua.link import ANOTHER, MAX_REASON, NOT_YET, Link

MS = T0 // 1000


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def link(clock: FakeClock) -> Link:
    return Link(host="rec", clock=clock, silent_s=15)


def connected(link: Link) -> Link:
    link.seek()
    link.byte_came(link.clock.now_us())
    link.alive()
    return link


def state(link: Link) -> tuple[bool, str]:
    told = link.says()
    return told["connected"], told["reason"]


def test_all_that_is_told(link: Link, clock: FakeClock) -> None:
    link.queued = lambda: 7
    clock.at = 2000
    link.seek()
    clock.at = 2001
    link.byte_came(clock.now_us())
    link.alive()
    clock.at = 2003
    link.event_came(clock.now_us())
    assert link.says() == {
        "host": "rec",
        "connected": True,
        "since_ms": MS + 2_001_000,
        "last_byte_ms": MS + 2_001_000,
        "last_event_ms": MS + 2_003_000,
        "spooled": 7,
        "reachable": True,
        "reason": "",
    }


def test_before_anything_is_known_nothing_is_claimed(link: Link) -> None:
    told = link.says()
    assert (told["connected"], told["reachable"]) == (False, None)
    assert (told["last_byte_ms"], told["last_event_ms"], told["spooled"]) == (0, 0, 0)
    assert told["reason"]


def test_attached_is_not_connected_before_a_sign_of_life(link: Link, clock: FakeClock) -> None:
    link.seek()
    link.byte_came(clock.now_us())
    assert state(link) == (False, NOT_YET)


def test_since_is_when_the_state_began_not_when_its_reason_changed(link: Link, clock: FakeClock) -> None:
    connected(link)
    clock.at = 5000
    link.lost("eof")
    clock.at = 5060
    link.lost("connect: ConnectError")
    assert state(link) == (False, "connect: ConnectError")
    assert link.says()["since_ms"] == MS + 5_000_000
    clock.at = 5100
    connected(link)
    clock.at = 5200
    link.byte_came(clock.now_us())
    link.alive()
    assert state(link) == (True, "")
    assert link.says()["since_ms"] == MS + 5_100_000


def let_go(link: Link) -> None:
    link.stand_by()
    link.byte_came(link.clock.now_us())  # what was on its way
    link.alive()
    link.lost("stopping")


def test_what_ends_after_the_recorder_was_let_go_changes_nothing(link: Link) -> None:
    let_go(connected(link))
    assert state(link) == (False, ANOTHER)


def test_readers_know_a_standby_by_the_same_words() -> None:
    assert ANOTHER == STANDBY


@pytest.mark.parametrize(
    ("after_s", "connects", "reachable"),
    [(0, None, True), (15, False, True), (15.1, None, None), (15.1, False, False), (15.1, True, True)],
)
def test_recent_bytes_say_more_than_a_probe(
    link: Link, clock: FakeClock, after_s: float, connects: Any, reachable: Any
) -> None:
    connected(link)
    if connects is not None:
        link.probed(connects=connects)
    clock.at += after_s
    assert link.reachable is reachable
    assert link.in_doubt == (after_s > 15)


def test_a_probes_answer_is_forgotten_once_the_host_was_heard(link: Link, clock: FakeClock) -> None:
    link.seek()
    link.probed(connects=False)
    assert link.reachable is False
    link.byte_came(clock.now_us())
    clock.at += 16
    assert link.reachable is None


def test_a_host_that_refuses_the_login_is_reachable(link: Link) -> None:
    link.seek()
    link.lost("401", answered=True)
    assert (link.reachable, link.in_doubt) == (True, False)


def test_a_standby_knows_nothing_and_asks_nothing(link: Link) -> None:
    connected(link)
    link.stand_by()
    assert (link.reachable, link.in_doubt) == (None, False)


def test_a_reason_is_bounded(link: Link) -> None:
    link.stand_by("x" * 1000)
    assert len(link.says()["reason"]) == MAX_REASON
