"""Many viewers cost one read."""

from __future__ import annotations

import asyncio

import pytest

from builders import FakeClock
from dashboard.reading.sources import FRESH_S, Cache


class Source:
    """Counts how often it is read; the answer comes when it may."""

    def __init__(self) -> None:
        self.reads, self.may, self.fails = 0, asyncio.Event(), False

    async def read(self) -> int:
        self.reads += 1
        await self.may.wait()
        if self.fails:
            raise ConnectionError("away")
        return self.reads


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def test_who_asks_meanwhile_waits_for_the_same_answer(clock: FakeClock):
    cache, source = Cache(clock), Source()
    asking = [asyncio.create_task(cache.get("x", source.read)) for _ in range(10)]
    await asyncio.sleep(0)
    clock.at += 10 * FRESH_S  # a slow server is not asked twice
    asking.append(asyncio.create_task(cache.get("x", source.read)))
    await asyncio.sleep(0)
    source.may.set()
    assert await asyncio.gather(*asking) == [1] * 11


async def test_an_answer_is_kept_for_a_moment_only(clock: FakeClock):
    cache, source = Cache(clock), Source()
    source.may.set()
    assert [await cache.get("x", source.read), await cache.get("x", source.read)] == [1, 1]
    clock.at += FRESH_S
    assert await cache.get("x", source.read) == 2


async def test_a_failure_is_not_kept(clock: FakeClock):
    cache, source = Cache(clock), Source()
    source.may.set()
    source.fails = True
    with pytest.raises(ConnectionError):
        await cache.get("x", source.read)
    source.fails = False
    assert await cache.get("x", source.read) == 2


async def test_one_who_goes_away_takes_the_answer_from_nobody(clock: FakeClock):
    cache, source = Cache(clock), Source()
    first, second, staying = (asyncio.create_task(cache.get("x", source.read)) for _ in range(3))
    await asyncio.sleep(0)
    first.cancel()
    second.cancel()
    await asyncio.wait({first, second})
    source.may.set()
    assert await staying == 1


async def test_it_does_not_grow(clock: FakeClock):
    cache, source = Cache(clock, most=3), Source()
    source.may.set()
    for number in range(10):
        await cache.get(str(number), source.read)
    assert len(cache._kept) == 3
