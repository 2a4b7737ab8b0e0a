"""The look over all lanes, on a real server."""

from __future__ import annotations

import pytest

from builders import FakeClock
from gantry.pace import WINDOW_MS
from gantry.topology import Topology
from publisher.survey import FORGOTTEN_MS, Survey

KEYS = Topology()


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def survey(client, clock):
    return Survey(client, KEYS, clock, lambda lane: 600 if lane == "fast" else 60)


def flow(clock: FakeClock, *windows: int, ago_ms: int = 0) -> str:
    return " ".join(map(str, (clock.now_us() // 1000 - ago_ms, *windows)))


async def test_devices_that_send_more_than_may_go_out_are_told_with_their_backlog(client, clock, survey):
    busy = flow(clock, 400, 450, 0)  # 80 a minute at least
    await client.hset(KEYS.flow("evd"), mapping={"busy": busy, "fast": busy, "calm": flow(clock, 4, 4, 0)})
    await client.rpush(KEYS.lane("evd", "busy"), "a", "b")
    await survey.run_once()
    assert await client.hgetall(KEYS.over_limit("evd")) == {b"busy": b"80.0 60.0 2"}
    assert 0 < await client.ttl(KEYS.over_limit("evd")) <= 120


async def test_what_is_no_longer_so_is_no_longer_told(client, clock, survey):
    await client.hset(KEYS.flow("evd"), "busy", flow(clock, 400, 450, 0))
    await survey.run_once()
    clock.at += 3 * WINDOW_MS / 1000
    await survey.run_once()
    assert not await client.exists(KEYS.over_limit("evd"))


async def test_rows_that_are_old_or_not_ours_are_removed_and_hurt_nobody(client, clock, survey):
    old = flow(clock, 1, 1, 1, ago_ms=FORGOTTEN_MS + 1)
    rows = {"odd": "nonsense", "short": "1 2 3", "old": old, "busy": flow(clock, 400, 450, 0)}
    await client.hset(KEYS.flow("evd"), mapping=rows)
    await survey.run_once()
    assert await client.hkeys(KEYS.flow("evd")) == [b"busy"]
    assert await client.hkeys(KEYS.over_limit("evd")) == [b"busy"]


async def test_a_full_server_is_not_told_and_nothing_breaks(client, clock, survey):
    await client.hset(KEYS.flow("evd"), "busy", flow(clock, 400, 450, 0))
    before = (await client.config_get("maxmemory"))["maxmemory"]
    await client.config_set("maxmemory", 1)
    try:
        await survey.run_once()
        assert not await client.exists(KEYS.over_limit("evd"))
    finally:
        await client.config_set("maxmemory", before)
