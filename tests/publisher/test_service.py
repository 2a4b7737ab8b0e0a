"""The publisher as a process: a real server before it, the agent's twin behind it."""

from __future__ import annotations

import json
import time

import pytest

from builders import Stage, a_measure, patient
from end_to_end.rig import KEYS, Rig, rig
from gantry.event import Accept
from gantry.streams import groups
from gantry.topology import Topology
from wait import until

pytestmark = pytest.mark.timeout(120)

QUICK = {"IOTA_TIMEOUT_S": "1", "IOTA_CB_COOLDOWN_SEC": "0.5", "LOG_LEVEL": "debug"}


@pytest.fixture
async def whole(tmp_path):
    async with rig(tmp_path, **QUICK) as made:
        await groups.prepare(made.client, Topology())
        await made.agent()
        yield made


async def accept(stage: Stage, lanes: dict[str, int], target: str = "evd") -> None:
    """Events of each lane, taking turns, with numbers as they will be compared at the agent."""
    for number in range(max(lanes.values())):
        for lane, count in lanes.items():
            if number < count:
                await stage.entries(1, dev=lane)
                body = b'{"TimeInstant":"2026-01-15T10:00:%02d.%03dZ","n":%d}' % (number // 1000, number % 1000, number)
                await stage.decide(Accept("", (a_measure(lane, target, body),)))


def numbers(whole: Rig, device: str) -> list[int]:
    return [row["body"]["n"] for row in whole.measures() if row["device"] == device]


async def test_lanes_arrive_in_order_one_request_at_a_time_from_two_publishers(whole, stage):
    await whole.tell("twin-agent", "/twin/script", {"answer": "slow", "ms": 3})
    for instance in ("a", "b"):
        whole.service("publisher", instance)
    await accept(stage, {"cam1": 60, "cam2": 60, "cam3": 10})
    audit = await whole.drained()
    assert audit.differences == []
    for device, count in (("cam1", 60), ("cam2", 60), ("cam3", 10)):
        assert numbers(whole, device) == list(range(count))
    state = await whole.ask("twin-agent", "/twin/state")
    assert state["in_flight_max_per_device"] == 1


async def test_a_poison_measure_in_a_backlog_is_found_and_becomes_a_letter(whole, stage):
    await whole.tell("twin-agent", "/twin/script", {"answer": "bad_timestamp", "match": '"n":7}'})
    await accept(stage, {"cam1": 20})
    whole.service("publisher")
    audit = await whole.drained()
    assert audit.differences == []
    assert numbers(whole, "cam1") == [n for n in range(20) if n != 7]
    [(_, letter)] = await whole.client.xrange("gantry:{main}:dead")
    assert (letter[b"reason"], json.loads(letter[b"body"])["n"]) == (b"BAD_TIMESTAMP", 7)


async def test_a_target_that_fails_opens_its_breaker_and_leaves_the_other_alone(whole, stage):
    await whole.tell("twin-agent", "/twin/script", {"answer": "html_503", "target": "crowd"})
    whole.settings["IOTA_CB_OPEN_AFTER"] = "2"
    name = whole.service("publisher")
    await accept(stage, {"crowd1": 3, "crowd2": 3}, target="crowd")
    await accept(stage, {"car1": 3})

    async def opened():
        return (await whole.client.hget("gantry:{main}:breaker:crowd", "trips") or b"0") != b"0"

    await until(opened, "the breaker of crowd to open")
    await whole.reaches("published", 3)
    assert await whole.client.hget("gantry:{main}:breaker:evd", "state") is None
    assert 'target="crowd"' in (await whole.http.get(f"{whole.urls[name]}/metrics")).text
    await whole.tell("twin-agent", "/twin/clear")
    audit = await whole.drained()
    assert audit.ledger.outcomes["published"] == 9
    assert await whole.client.hget("gantry:{main}:breaker:crowd", "state") == b"closed"
    assert [numbers(whole, device) for device in ("crowd1", "crowd2")] == [[0, 1, 2], [0, 1, 2]]


async def test_200_with_another_body_is_no_receipt(whole, stage):
    await whole.tell("twin-agent", "/twin/script", {"answer": "ok_wrong_body", "times": 1})
    whole.service("publisher")
    await accept(stage, {"cam1": 1})
    audit = await whole.drained()
    assert audit.ledger.outcomes["published"] == 1
    assert (await whole.ask("twin-agent", "/twin/state"))["requests"] == 2


async def test_an_old_agent_is_never_given_an_array(tmp_path):
    async with rig(tmp_path, **QUICK) as whole:
        await groups.prepare(whole.client, Topology())
        await whole.agent("--old-agent")
        stage = Stage(whole.client, patient(whole.client))
        stage.processing.test_clock = ""
        await stage.lead()
        await accept(stage, {"cam1": 12})
        whole.service("publisher")
        await whole.drained()
        assert (await whole.ask("twin-agent", "/twin/state"))["requests"] == 12


async def test_sigterm_finishes_what_is_under_way_and_leaves_no_trace(whole, stage):
    await whole.tell("twin-agent", "/twin/script", {"answer": "slow", "ms": 400})
    name = whole.service("publisher")
    await accept(stage, {"cam1": 2})

    async def under_way():
        return (await whole.ask("twin-agent", "/twin/state"))["in_flight"]

    await until(under_way, "a request to be under way")
    assert await whole.children[name].stop()
    assert whole.children[name].code == 0
    assert (await whole.books.audit()).ledger.outcomes["published"] == len(whole.measures()) == 1
    names = {row["name"] for row in await whole.client.xinfo_consumers("gantry:{main}:events", "publisher")}
    assert names <= {b"lanes"}
    assert not [key async for key in whole.client.scan_iter("gantry:{main}:alive:publisher:*")]


async def test_a_killed_publishers_lanes_are_served_by_another_when_its_leases_end(whole, stage):
    await whole.tell("twin-agent", "/twin/script", {"answer": "hang_not_applied", "times": 1})
    first = whole.service("publisher", "first")
    await accept(stage, {"cam1": 3})

    async def under_way():
        return (await whole.ask("twin-agent", "/twin/state"))["in_flight"]

    await until(under_way, "a request to be under way")
    whole.kill(first)
    whole.service("publisher", "second")
    audit = await whole.drained(within_s=40)
    assert audit.differences == []
    assert numbers(whole, "cam1") == [0, 1, 2]

    async def struck_off():
        rows = await whole.client.xinfo_consumers("gantry:{main}:events", "publisher")
        return len([row for row in rows if row["name"] != b"lanes"]) == 1

    await until(struck_off, "the killed publisher to be struck off the group's list", within_s=30)


async def test_no_key_stands_in_any_log_or_metric(whole, stage):
    await whole.tell("twin-agent", "/twin/script", {"answer": "group_not_found", "times": 2})
    name = whole.service("publisher")
    await accept(stage, {"cam1": 2})
    await whole.drained()
    metrics = (await whole.http.get(f"{whole.urls[name]}/metrics")).text
    await whole.children[name].stop()
    for key in KEYS.values():
        assert key not in whole.log(name) + metrics


async def test_it_says_how_the_platform_answered_and_what_is_allowed(whole, stage):
    await whole.tell("twin-agent", "/twin/script", {"answer": "device_not_found", "target": "crowd"})
    whole.service("publisher", "one", INSTANCE="one", IOTA_MAX_REQUESTS_PER_S="50")
    await accept(stage, {"car1": 1})

    async def says():
        told = await whole.client.hget("gantry:{main}:alive:publisher:one", "says")
        return json.loads(told) if told else {}

    async def answered():
        return (await says()).get("answers")

    first = await until(answered, "an answer to be told")
    assert first == {"evd": {"code": 200, "at_ms": first["evd"]["at_ms"], "reason": ""}}
    await accept(stage, {"door1": 1}, target="crowd")

    async def both():
        return len((await says())["answers"]) == 2

    await until(both, "both answers to be told")
    told = await says()
    evd, crowd = told["answers"]["evd"], told["answers"]["crowd"]
    assert (crowd["code"], crowd["reason"]) == (404, "DEVICE_NOT_FOUND")
    assert evd["at_ms"] < crowd["at_ms"] <= time.time_ns() // 1_000_000
    assert told["platform"] == whole.urls["twin-agent"]
    assert told["limits"] == {"per_minute": 600000, "burst": 1000, "counts": "measures", "requests_per_s": 50.0}
    raw = await whole.client.hgetall("gantry:{main}:alive:publisher:one")
    assert not [key for key in KEYS.values() if key.encode() in b" ".join(raw.values())]
