from __future__ import annotations

import pytest

from builders import FakeClock
from gantry.errors import Unavailable
from gantry.streams.leases import SILENT_S, Lease


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def claim(calls, keys, clock):
    return lambda name: Lease(calls, keys, "duty", name, clock)


async def test_the_first_has_it_and_the_second_stands_by(claim):
    first, second = claim("one"), claim("two")
    assert await first.hold()
    assert not await second.hold()
    assert second.holder == "one"


async def test_a_renewing_holder_is_never_replaced(claim, clock):
    first, second = claim("one"), claim("two")
    for _ in range(10):
        assert await first.hold()
        clock.at += SILENT_S - 0.1
        assert not await second.hold()


async def test_a_silent_holder_is_replaced_and_notices(claim, clock):
    first, second = claim("one"), claim("two")
    await first.hold()
    await second.hold()
    clock.at += SILENT_S
    assert await second.hold()
    assert not await first.hold()
    assert first.holder == "two"


async def test_of_two_standbys_one_wins(claim, clock):
    first, second, third = claim("one"), claim("two"), claim("three")
    await first.hold()
    await second.hold()
    await third.hold()
    clock.at += SILENT_S
    assert [await second.hold(), await third.hold()] == [True, False]


async def test_what_is_left_can_be_taken_at_once(claim):
    first, second = claim("one"), claim("two")
    await first.hold()
    await second.hold()
    await first.leave()
    await second.hold()
    assert await second.hold()


async def test_leaving_what_another_holds_changes_nothing(claim, clock):
    first, second = claim("one"), claim("two")
    await first.hold()
    await second.hold()
    clock.at += SILENT_S
    await second.hold()
    await first.leave()
    assert await second.hold()


async def test_a_holder_that_renewed_after_it_was_watched_keeps_it(claim, clock):
    first, second = claim("one"), claim("two")
    await first.hold()
    await second.hold()
    clock.at += SILENT_S
    await first.hold()
    assert not await second.hold()
    assert await first.hold()


async def test_a_standby_cut_off_with_the_holder_waits_anew(calls, keys, clock):
    class Cut:
        away = False

        async def once(self, name, keys, arguments):
            if self.away:
                raise Unavailable("cut")
            return await calls.once(name, keys, arguments)

    line = Cut()
    first, second = (Lease(line, keys, "duty", name, clock) for name in ("one", "two"))
    await first.hold()
    await second.hold()
    line.away = True
    clock.at += SILENT_S
    for lease in (first, second):
        with pytest.raises(Unavailable):
            await lease.hold()
    line.away = False
    assert not await second.hold()
    assert await first.hold()
