"""What a publisher does about answers: a real process between a real server and the agent's twin."""

from __future__ import annotations

import json
import time

import pytest

from builders import Stage, a_measure
from end_to_end.rig import rig
from gantry.event import Accept
from gantry.streams import groups
from gantry.topology import Topology
from wait import until

pytestmark = pytest.mark.timeout(120)

KEYS = Topology()


@pytest.fixture
async def whole(tmp_path):
    async with rig(tmp_path, IOTA_TIMEOUT_S="1", IOTA_CB_COOLDOWN_SEC="0.5") as made:
        await groups.prepare(made.client, KEYS)
        await made.agent()
        yield made


async def accept(stage: Stage, lane: str, *minutes: int) -> None:
    """At once: one that came a moment later could find the newest sent again already."""
    bodies = [b'{"TimeInstant":"2025-09-15T10:%02d:00.000Z","n":%d}' % (minute, minute) for minute in minutes]
    await stage.entries(len(minutes), dev=lane)
    await stage.decide(*(Accept("", (a_measure(lane, "evd", body),)) for body in bodies))


def minutes(whole, device: str) -> list[int]:
    return [row["body"]["n"] for row in whole.measures() if row["device"] == device]


async def field(whole, key: str, name: str) -> str:
    return (await whole.client.hget(key, name) or b"").decode()


async def test_a_wrong_key_costs_one_request_opens_the_breaker_and_loses_nothing(whole, stage):
    whole.settings["IOTA_CB_COOLDOWN_SEC"] = "2"
    await whole.tell("twin-agent", "/twin/script", {"answer": "group_not_found", "target": "evd"})
    for lane in ("cam1", "cam2", "cam3"):
        await accept(stage, lane, 1, 2)
    name = whole.service("publisher")

    async def opened():
        return await field(whole, KEYS.breaker("evd"), "state") == "open"

    await until(opened, "the breaker to open")
    assert await field(whole, KEYS.breaker("evd"), "reason") == "DEVICE_GROUP_NOT_FOUND"
    assert (await whole.ask("twin-agent", "/twin/state"))["requests"] <= 3  # those that were under way together
    await whole.tell("twin-agent", "/twin/clear")
    audit = await whole.drained(within_s=40)
    assert (audit.ledger.outcomes["published"], audit.ledger.outcomes["dead_out"]) == (6, 0)
    assert "target_misconfigured" in whole.log(name)


async def test_a_device_that_is_unknown_there_is_held_alone(whole, stage):
    await whole.tell("twin-agent", "/twin/script", {"answer": "device_not_found", "device": "cam1"})
    await accept(stage, "cam1", 1, 2)
    await accept(stage, "cam2", 1, 2)
    name = whole.service("publisher")
    await whole.reaches("published", 2)
    assert (await field(whole, KEYS.holds("evd"), "cam1")).startswith("platform\n")
    assert await field(whole, KEYS.breaker("evd"), "state") in ("", "closed")
    ahead_s = await whole.client.zscore(KEYS.due("evd"), "cam1") / 1000 - time.time()
    assert 30 < ahead_s <= 60

    async def shown():
        metrics = (await whole.http.get(f"{whole.urls[name]}/metrics")).text
        return 'gantry_publisher_held_devices{target="evd"} 1.0' in metrics

    await until(shown, "the hold to be in the metrics", within_s=20)
    await whole.tell("twin-agent", "/twin/clear")
    await whole.client.zadd(KEYS.due("evd"), {"cam1": 0})  # its next try, sooner
    await whole.drained()
    assert await whole.client.exists(KEYS.holds("evd")) == 0


async def test_an_unknown_error_gets_a_few_tries_and_then_costs_one_measure_only(whole, stage):
    await whole.tell("twin-agent", "/twin/script", {"answer": "type_error", "match": '"n":3}'})
    await accept(stage, "cam1", 1, 2, 3, 4, 5)
    whole.service("publisher")
    audit = await whole.drained(within_s=60)
    assert (audit.ledger.outcomes["published"], audit.ledger.outcomes["dead_out"]) == (4, 1)
    [(_, letter)] = await whole.client.xrange(KEYS.dead)
    assert letter[b"reason"] == b"TypeError"
    assert int(letter[b"attempts"]) >= 4
    assert letter[b"answer"].startswith(b"500 TypeError")


async def test_what_went_out_late_is_followed_by_the_newest(whole, stage):
    await accept(stage, "cam1", 10)
    whole.service("publisher")
    await whole.reaches("published", 1)
    await accept(stage, "cam1", 4, 5)

    async def mended():
        return minutes(whole, "cam1")[-1:] == [10] and len(minutes(whole, "cam1")) == 4

    await until(mended, "the newest to be sent again")
    assert minutes(whole, "cam1") == [10, 4, 5, 10]
    audit = await whole.drained()
    assert (audit.differences, audit.ledger.beside["resent"], audit.ledger.outcomes["published"]) == ([], 1, 3)


async def test_a_platform_that_asks_for_time_gets_it(whole, stage):
    await whole.tell("twin-agent", "/twin/script", {"answer": "429_retry_after", "retry_after_s": 2, "times": 1})
    await accept(stage, "cam1", 1)
    whole.service("publisher")
    await whole.reaches("published", 1)
    rows = [json.loads(line) for line in (whole.folder / "measures.ndjson").read_text().splitlines()]
    refused, taken = (row["t"] for row in rows)
    assert taken - refused >= 2


async def test_a_device_with_a_rate_of_its_own(whole, stage, tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config/devices.toml").write_text("[device.slow]\nmax_per_minute = 1\nburst = 1\n")
    whole.settings["CONFIG_DIR"] = str(tmp_path / "config")
    for lane in ("slow", "plain"):
        await accept(stage, lane, 1, 2, 3)
    whole.service("publisher")
    await whole.reaches("published", 4)
    assert (minutes(whole, "slow"), minutes(whole, "plain")) == ([1], [1, 2, 3])
    beside = (await whole.books.audit()).ledger.beside
    assert beside["delayed"] >= 1
    assert beside["delayed_ms"] > 50_000


async def test_a_devices_limit_below_its_rate_is_named(whole):
    """The flow of the last two windows, as pull.lua writes it."""
    now_ms = int(time.time() * 1000)
    await whole.client.hset(KEYS.flow("evd"), "busy", f"{now_ms} 400000 450000 0")
    await whole.client.hset(KEYS.flow("evd"), "calm", f"{now_ms} 4 4 0")
    whole.settings["IOTA_MAX_PER_MINUTE"] = "60"
    name = whole.service("publisher")

    async def named():
        return "limit_below_rate" in whole.log(name)

    await until(named, "the device to be named", within_s=20)
    rows = await whole.client.hgetall(KEYS.over_limit("evd"))
    assert rows == {b"busy": b"80000.0 60.0 0"}
    metrics = (await whole.http.get(f"{whole.urls[name]}/metrics")).text
    assert 'gantry_publisher_devices_over_limit{target="evd"} 1.0' in metrics
