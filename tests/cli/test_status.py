from __future__ import annotations

import pytest

from gantry.settings import Settings
from gantry_cli import status
from gantry_cli.facts import Server
from gantry_cli.verdicts import Facts, problems


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
    assert causes == ["recorder/north is held by gone-1, which is not alive", "1 lane(s) are held"]


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
    seen = Facts(server=server, processes=(), ledger=None, breakers=(), holders=(), held_lanes=0, now=0)
    assert any("maxmemory" in problem.cause for problem in problems(seen)) == bool(stopped)


async def test_no_server_is_one_plain_line(nowhere, said):
    assert await status.run(nowhere, said, as_json=False) == 1
    assert said.complaints.count("\n") == 1 and "REDIS_URL" in said.complaints


async def test_no_server_as_json(nowhere, said):
    assert await status.run(nowhere, said, as_json=True) == 1
    assert said.document["ok"] is False and "REDIS_URL" in said.document["problems"][0]["cause"]
