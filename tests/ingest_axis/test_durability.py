"""200 only for what is on disk: crashes of the service and of Redis, weak servers, no room."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import redis

from gantry.topology import Topology
from wait import until

Push = Callable[..., dict[str, Any]]
KEYS = Topology()


def in_raw(server: Any) -> list[str]:
    """utcFrom of every entry."""
    with redis.from_url(server.url) as plain:
        rows = plain.xrange(KEYS.raw)
    return [json.loads(fields[b"body"])["measurement"]["utcFrom"] for _, fields in rows]


async def test_killed_in_mid_push_nothing_is_missing_after_the_resend(
    own_redis: Any, own_axis: Any, push: Push
) -> None:
    own_redis.start()
    await own_axis.start()
    document = push(20_000)
    sending = asyncio.create_task(own_axis.push(document))
    with redis.from_url(own_redis.url) as plain:

        async def some_are_in() -> bool:
            return plain.xlen(KEYS.raw) > 600

        await until(some_are_in, "the push is on its way")
        own_axis.kill()
        with pytest.raises(httpx.TransportError):
            await sending
        assert 600 < plain.xlen(KEYS.raw) < 20_000
    await own_axis.start()
    assert (await own_axis.push(document)).status_code == 200
    times = in_raw(own_redis)
    assert set(times) == {each["utcFrom"] for each in document["data"]["measurements"]}
    assert len(times) > 20_000, "what was taken before the kill stays, and comes again"


async def test_503_while_redis_is_away_and_200_after_it_returns(own_redis: Any, own_axis: Any, push: Push) -> None:
    await own_axis.start(ready=False)
    assert (await own_axis.page("healthz")).status_code == 200
    for document in (push(), push(data=None)):
        answer = await own_axis.push(document)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    own_redis.start()
    await until(own_axis.is_ready, "ingest-axis has found Redis")
    assert (await own_axis.push(push(2))).status_code == 200
    own_redis.kill()

    async def refused() -> bool:
        return bool((await own_axis.push(push(data=None))).status_code == 503)

    assert (await own_axis.push(push(3))).status_code == 503
    await until(refused, "a test connection is refused as well")
    own_redis.start()
    await until(own_axis.is_ready, "ingest-axis has found Redis again")
    assert (await own_axis.push(push(3))).status_code == 200
    first, second, third = (each["utcFrom"] for each in push(3)["data"]["measurements"])
    assert in_raw(own_redis) == [first, second, first, second, third]


async def test_redis_restarted_in_mid_push_is_waited_for(own_redis: Any, own_axis: Any, push: Push) -> None:
    own_redis.start()
    await own_axis.start()
    document = push(20_000)
    sending = asyncio.create_task(own_axis.push(document))
    with redis.from_url(own_redis.url) as plain:

        async def some_are_in() -> bool:
            return plain.xlen(KEYS.raw) > 600

        await until(some_are_in, "the push is on its way")
    own_redis.kill()
    assert not sending.done()
    own_redis.start()
    assert (await sending).status_code == 200
    assert in_raw(own_redis) == [each["utcFrom"] for each in document["data"]["measurements"]]


async def test_a_weak_server_gets_no_200_for_data(own_redis: Any, own_axis: Any, push: Push) -> None:
    own_redis.options = ("--appendfsync", "everysec")
    own_redis.start()
    await own_axis.start(ready=False)
    assert (await own_axis.push(push())).status_code == 503
    assert (await own_axis.push(push(data=None))).status_code == 200, "a test connection asks nothing to be kept"

    async def unready() -> bool:
        page = await own_axis.page("readyz")
        return page.status_code == 503 and "appendfsync is everysec" in page.text

    await until(unready, "readiness says why")
    assert own_axis.logged().count("redis_weak") == 1
    with redis.from_url(own_redis.url) as plain:
        assert plain.xlen(KEYS.raw) == 0


async def test_a_weak_server_is_accepted_by_those_who_say_so(own_redis: Any, own_axis: Any, push: Push) -> None:
    own_redis.options = ("--appendfsync", "everysec")
    own_redis.start()
    own_axis.settings["ACCEPT_WEAK_DURABILITY"] = "1"
    await own_axis.start()
    assert (await own_axis.push(push())).status_code == 200


async def test_room_that_comes_in_time_is_waited_for(own_redis: Any, own_axis: Any, push: Push) -> None:
    own_redis.start()
    own_axis.settings["DEVICE_QUOTA"] = "5"
    await own_axis.start()
    document = push(7)
    sending = asyncio.create_task(own_axis.push(document))
    with redis.from_url(own_redis.url) as plain:

        async def quota_is_full() -> bool:
            return plain.hget(KEYS.inside, "9c0aa5000001") == b"5"

        await until(quota_is_full, "five are in")
        assert not sending.done()
        plain.hset(KEYS.inside, "9c0aa5000001", 0)
    assert (await sending).status_code == 200
    assert in_raw(own_redis) == [each["utcFrom"] for each in document["data"]["measurements"]]


async def test_large_bodies_beyond_the_budget_are_refused_and_others_are_not(
    own_redis: Any, own_axis: Any, push: Push
) -> None:
    own_redis.start()
    own_axis.settings["AXIS_MAX_BODY_BYTES"] = "300000"
    await own_axis.start()
    head = b"POST /axis/retail/token-of-today HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n"
    writers = []
    for _ in range(2):
        _, writer = await asyncio.open_connection("localhost", own_axis.port, ssl=own_axis.context())
        writer.write(head + b" " * 290_000)
        await writer.drain()
        writers.append(writer)

    async def in_hand() -> bool:
        return "gantry_ingest_axis_body_in_hand_bytes 580000.0" in (await own_axis.page("metrics")).text

    await until(in_hand, "both bodies are in memory")
    big = await own_axis.push(push(900))
    assert (big.status_code, big.headers["retry-after"]) == (503, "30")
    assert (await own_axis.push(push())).status_code == 200
    for writer in writers:
        writer.transport.abort()

    async def given_back() -> bool:
        return "gantry_ingest_axis_body_in_hand_bytes 0.0" in (await own_axis.page("metrics")).text

    await until(given_back, "their memory is free again")
    assert (await own_axis.push(push(900))).status_code == 200


async def test_without_tokens_it_warns_and_lets_everyone_in(own_redis: Any, own_axis: Any, push: Push) -> None:
    own_redis.start()
    own_axis.tokens = ""
    await own_axis.start()
    async with own_axis.client(token="") as client:
        assert (await client.post("/axis/retail", content=json.dumps(push()))).status_code == 200
    assert own_axis.logged().count("no_tokens") == 1


async def test_wrong_settings_are_said_and_it_waits_unready(own_axis: Any) -> None:
    own_axis.settings["AXIS_TLS_KEY"] = "/nowhere/server.key"
    own_axis.launch()

    async def says_so() -> bool:
        try:
            page = await own_axis.page("readyz")
        except httpx.TransportError:
            return False
        return page.status_code == 503 and "AXIS_TLS_KEY: /nowhere/server.key cannot be read" in page.text

    await until(says_so, "readiness names the setting")
    assert own_axis.stop() == 78
