from __future__ import annotations

import json

import pytest

from gantry.diagnosis import causes
from gantry.diagnosis.facts import Breaker, Facts, Server
from gantry.diagnosis.texts import render, say
from gantry.diagnosis.verdicts import problems
from gantry.pace import Overrun
from gantry.settings import Settings
from gantry.streams.controls import Controls, Note
from gantry_cli import status
from publisher.classify import SPEAKING, TABLE, Failure

REST = {"overdrives": (), "quota": 200_000, "now_ms": 0}
NOTE = Note("anna@north", "[road] works")


async def alive(stage, service: str, **fields: str) -> str:
    instance = f"host-{service}"
    given = {"state": "ready", "reason": "", "since": "1", "version": "0.1.0", "configuration": "aa", **fields}
    flat = [part for pair in given.items() for part in pair]
    await stage.calls.once("alive", [stage.keys.alive(service, instance)], [60_000, *flat])
    return instance


@pytest.fixture
async def healthy(stage):
    """Every service alive, the processor's duty held."""
    for service in ("ingest-dahua", "publisher"):
        await alive(stage, service)
    holder = await alive(stage, "processor")
    await stage.client.hset(stage.keys.lease("processor"), mapping={"holder": holder, "token": stage.token})
    return stage


async def test_all_right(healthy, config, said):
    await healthy.client.hset(healthy.keys.lease("recorder/north"), mapping={"holder": "host-ingest-dahua"})
    assert await status.run(config, said, as_json=False) == 0
    assert said.text.endswith("ALL RIGHT\n")
    assert "durable" in said.text and "NOT durable" not in said.text
    assert "processor: host-processor; recorder/north: host-ingest-dahua" in said.text
    assert said.text.count("\n") <= 11


async def test_an_empty_server_says_what_is_missing(redis_url, said):
    assert await status.run(Settings(redis_url=redis_url), said, as_json=True) == 1
    causes = [problem["cause"] for problem in said.document["problems"]]
    assert causes == [
        "no processor is alive",
        "no publisher is alive",
        "no source is alive (ingest-dahua, ingest-axis)",
    ]
    assert said.document["ledger"] is None


async def test_a_weak_server_is_named_with_the_setting(healthy, config, said):
    await healthy.client.config_set("appendfsync", "everysec")
    try:
        assert await status.run(config, said, as_json=False) == 1
    finally:
        await healthy.client.config_set("appendfsync", "always")
    assert "NOT durable" in said.text
    assert "appendfsync is everysec, wanted always" in said.text


async def test_an_unready_service_says_why(healthy, config, said):
    await alive(healthy, "publisher", state="unready", reason="no [API] key")
    assert await status.run(config, said, as_json=False) == 1
    assert "publisher host-publisher is unready: no [API] key" in said.text


async def test_an_open_breaker_is_a_problem_with_its_reason(healthy, config, said):
    seconds, _ = await healthy.client.time()
    breaker = {"state": "open", "until": (int(seconds) + 100) * 1000, "reason": "503"}
    await healthy.client.hset(healthy.keys.breaker("crowd"), mapping=breaker)
    assert await status.run(config, said, as_json=True) == 1
    [problem] = said.document["problems"]
    assert problem["cause"].startswith("the breaker of crowd is open (503), next probe in ")
    [breaker] = [each for each in said.document["breakers"] if each["target"] == "crowd"]
    assert 90 < breaker["ahead_s"] <= 100


async def test_a_duty_of_a_dead_process_and_a_held_lane_are_problems(healthy, config, said):
    await healthy.client.hset(healthy.keys.lease("recorder/north"), mapping={"holder": "gone-1"})
    await healthy.fill_lane(1)
    await healthy.client.zadd(healthy.keys.due("evd"), {"cam": "+inf"})
    assert await status.run(config, said, as_json=True) == 1
    causes = [problem["cause"] for problem in said.document["problems"]]
    assert causes == [
        "recorder/north is held by gone-1, which is not alive",
        "standing still without a hold, of evd: cam",
    ]


async def test_what_people_stopped_is_said_and_is_not_wrong(healthy, config, said):
    controls = Controls(healthy.client, healthy.calls, healthy.keys)
    await healthy.fill_lane(2)
    await controls.pause("evd", NOTE, for_s=3 * 3600)
    await controls.hold("evd", "cam", NOTE)
    await controls.open_breaker("crowd", NOTE, for_s=600)
    await healthy.client.hincrby(healthy.keys.ledger, "dead_in", 1)  # and a letter, with its event
    await healthy.client.hincrby(healthy.keys.ledger, "received", 1)
    assert await status.run(config, said, as_json=False) == 0
    verdict, rest = said.text.split("ALL RIGHT\nto be known:\n")
    assert "NOT" not in verdict.splitlines()[-1]
    breaker, pause, held, letters = rest.splitlines()
    assert "crowd is open (operator: anna@north: [road] works), next probe in 10 min" in breaker
    assert "`gantry breaker reset crowd`" in breaker
    assert "evd is paused until 2" in pause and " UTC (in 3.0 h), by anna@north since 2" in pause
    assert pause.endswith(": [road] works. Next: `gantry resume evd` lets it go on; measures are kept meanwhile")
    assert "of evd people hold cam (by anna@north since 2" in held and "`gantry release DEVICE`" in held
    assert "dead letters wait for a decision: 1 of events, 0 of measures" in letters


async def test_what_people_stopped_is_told_to_programs(healthy, config, said):
    controls = Controls(healthy.client, healthy.calls, healthy.keys)
    await controls.pause("evd", NOTE)
    await controls.hold("evd", "cam", NOTE)
    assert await status.run(config, said, as_json=True) == 0
    document = said.document
    assert document["ok"] and document["problems"] == [] and len(document["notices"]) == 2
    assert document["pauses"][0]["reason"] == "[road] works" and document["pauses"][0]["until_ms"] == 0
    [held] = document["holds"]
    assert (document["held_lanes"], held["lane"], held["by"], held["waiting"]) == (1, "cam", "operator", 0)
    assert held["next_s"] is None


async def test_devices_that_the_platform_does_not_know_are_wrong(healthy, config, said):
    now_ms = int((await healthy.client.time())[0]) * 1000
    for number in range(5):
        lane = f"cam-{number}"
        await healthy.fill_lane(1, lane)
        await healthy.client.hset(healthy.keys.holds("evd"), lane, f"platform\n{now_ms}\n\n404 DEVICE_NOT_FOUND")
        await healthy.client.zadd(healthy.keys.due("evd"), {lane: now_ms + 300_000})
    assert await status.run(config, said, as_json=True) == 1
    [problem] = said.document["problems"]
    assert problem["cause"] == (
        "the platform does not know cam-0, cam-1, cam-2 and 2 more of evd (404 DEVICE_NOT_FOUND), 5 measures wait; "
        "each is probed every 10 min at the latest"
    )
    assert "gantry release --all-platform" in problem["next"]
    assert 290 < said.document["holds"][0]["next_s"] <= 301


@pytest.mark.parametrize(
    ("fields", "wrong", "words"),
    [
        ({"state": "half", "ahead_s": 12.0, "probe": "cam"}, True, "half open (503), one probe is under way (cam)"),
        ({"state": "open", "ahead_s": 0.0}, True, "is open (503), a probe is due"),
        ({"state": "open", "ahead_s": 0.0, "reason": "connect"}, True, "is open (connect: no connection to the agent)"),
        ({"state": "closed", "ahead_s": 0.0, "quiet_s": 30.0}, False, "asked for quiet: 30 s more"),
        ({"state": "closed", "ahead_s": 0.0}, None, ""),
    ],
)
def test_what_a_breaker_means(fields, wrong, words):
    server = Server(product="valkey 9", weaknesses=(), used=0, maximum=100)
    breakers = (Breaker(**{"target": "evd", "reason": "503", **fields}),)
    seen = Facts(server=server, processes=(), ledger=None, breakers=breakers, holders=(), pauses=(), held=(), **REST)
    found = [problem for problem in problems(seen) if problem.link == "breaker"]
    assert [problem.wrong for problem in found] == ([] if wrong is None else [wrong])
    assert all(words in render(problem).cause for problem in found)


def test_a_target_at_its_ceiling_is_to_be_known():
    server = Server(product="valkey 9", weaknesses=(), used=0, maximum=100)
    breakers = (Breaker(target="evd", reason="", state="closed", ahead_s=0.0, at_ceiling=True),)
    seen = Facts(server=server, processes=(), ledger=None, breakers=breakers, holders=(), pauses=(), held=(), **REST)
    [said] = [problem for problem in problems(seen) if problem.code == "target-ceiling"]
    assert not said.wrong
    assert "IOTA_MAX_REQUESTS_PER_S" in render(said).step


def test_the_next_step_names_the_key_of_the_target():
    assert say(causes.step("DEVICE_GROUP_NOT_FOUND", "crowd")) == "check IOTA_APIKEY_CRWD, or provision the group"
    assert "IOTA_APIKEY_EVD" in say(causes.step("never heard of", "evd"))


def test_every_word_that_moves_a_breaker_is_explained():
    failures = {failure.value for failure in Failure}
    names = {name for row in TABLE if row.kind in SPEAKING for name in row.names if name}
    assert {
        word for word in failures | names | {"misrouted", "http_400", "http_500"} if causes.meaning(word) == word
    } == set()


@pytest.mark.parametrize(("waiting", "wrong"), [(1200, False), (199_000, True)])
async def test_a_device_that_sends_more_than_may_go_out_is_named_before_it_hurts(healthy, config, said, waiting, wrong):
    over = {"cam-1": Overrun(90, 60, waiting).render(), "broken": "x"}
    await healthy.client.hset(healthy.keys.over_limit("evd"), mapping=over)
    assert await status.run(config, said, as_json=True) == wrong
    [said_of_it] = said.document["problems" if wrong else "notices"]
    left = "its quota is used up in " + ("33 min" if wrong else "5 d")
    assert said_of_it["cause"] == (
        f"of evd more comes than may go out: cam-1 (90 a minute come, 60 may go out, {waiting} wait; {left})"
    )
    assert "max_per_minute of [device.ID]" in said_of_it["next"]
    over_limit = {"target": "evd", "lane": "cam-1", "arriving": 90.0, "allowed": 60.0, "waiting": waiting}
    assert said.document["over_limit"] == [over_limit]


async def test_a_ledger_out_of_balance_is_a_problem(healthy, config, said):
    await healthy.client.hincrby(healthy.keys.ledger, "received", 1)
    assert await status.run(config, said, as_json=False) == 1
    assert "off by +1" in said.text and "`gantry audit`" in said.text


@pytest.mark.parametrize(
    ("used", "stopped"),
    [(59, ()), (60, ("append",)), (75, ("append", "commit")), (85, ("append", "commit", "pull"))],
)
def test_the_memory_ladder(used, stopped):
    server = Server(product="valkey 9", weaknesses=(), used=used, maximum=100)
    assert server.stopped == stopped
    seen = Facts(server=server, processes=(), ledger=None, breakers=(), holders=(), pauses=(), held=(), **REST)
    assert any("maxmemory" in render(problem).cause for problem in problems(seen)) == bool(stopped)


async def test_no_server_is_one_plain_line(nowhere, said):
    assert await status.run(nowhere, said, as_json=False) == 1
    assert said.complaints.count("\n") == 1 and "REDIS_URL" in said.complaints


async def test_no_server_as_json(nowhere, said):
    assert await status.run(nowhere, said, as_json=True) == 1
    assert said.document["ok"] is False and "REDIS_URL" in said.document["problems"][0]["cause"]


async def test_what_is_connected_is_shown_as_the_services_say_it(healthy, config, said):
    now_ms = int((await healthy.client.time())[0]) * 1000
    recorder = {"host": "10.0.0.12", "connected": True, "since_ms": now_ms - 9_000_000, "spooled": 3}
    settings = {"CAMERA_PASS": {"value": "***", "origin": "file"}}
    spoken = {"says": json.dumps({"recorders": {"north": recorder}}), "settings": json.dumps(settings)}
    await alive(healthy, "ingest-dahua", **spoken)
    await alive(healthy, "ingest-axis", says=json.dumps({"pushes": 7, "refused": 1, "last_push_ms": now_ms - 4000}))
    assert await status.run(config, said, as_json=False) == 0
    assert "recorders north connected (2.5 h, 3 spooled)" in said.text
    assert "counters  7 pushes, 1 refused, the last " in said.text


async def test_what_services_say_is_told_to_programs(healthy, config, said):
    settings = {"CAMERA_PASS": {"value": "***", "origin": "file"}}
    vpn = {"vpn": {"iface": "ppp0", "up": False}}
    await alive(healthy, "ingest-dahua", says=json.dumps(vpn), settings=json.dumps(settings))
    assert await status.run(config, said, as_json=True) == 1
    [problem] = said.document["problems"]
    assert (problem["code"], problem["link"]) == ("vpn-down", "configuration")
    assert problem["cause"] == "the VPN is down: interface ppp0 of host-ingest-dahua"
    [service] = [each for each in said.document["services"] if each["service"] == "ingest-dahua"]
    assert (service["says"], service["settings"]) == (vpn, settings)
    assert said.document["journal"] is None and said.document["backlogs"] == []
