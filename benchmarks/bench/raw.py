"""What this machine's server and HTTP clients do without Gantry, to hold its figures against."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import aiohttp
import httpx

from bench.figures import figure
from end_to_end.rig import KEYS, Rig

IN_FLIGHT = 16
SECONDS = 2.0
BODY = b'{"TimeInstant":"2026-01-15T10:00:00.000Z","count":1}'
ONE_XADD = "return redis.call('XADD', KEYS[1], '*', 'body', ARGV[1])"


async def server(whole: Rig) -> None:
    """What this server and disk do with one write at a time, with a script, and with 200 a call."""
    method = "one connection, appendfsync always, redis-py with hiredis"
    script = whole.client.register_script(ONE_XADD)

    async def xadd() -> int:
        await whole.client.xadd("bench:raw", {"body": b"x" * 300})
        return 1

    async def evalsha() -> int:
        await script(keys=["bench:raw"], args=[b"x" * 300])
        return 1

    async def pipelined() -> int:
        pipe = whole.client.pipeline(transaction=False)
        for _ in range(200):
            pipe.xadd("bench:raw", {"body": b"x" * 300})
        await pipe.execute()
        return 200

    figure("raw.xadd_single", await _rate(xadd), "writes/s", method)
    figure("raw.evalsha_single", await _rate(evalsha), "calls/s", f"a script of one XADD, {method}")
    figure("raw.xadd_pipelined", await _rate(pipelined), "writes/s", "200 a round trip, otherwise the same")
    await whole.client.delete("bench:raw")


async def http(whole: Rig) -> None:
    """What HTTP clients alone get out of the agent's twin, on this core count."""
    url = f"{whole.urls['twin-agent']}/iot/json?k={KEYS['evd']}&i=bench"
    headers = {"Content-Type": "application/json"}
    async with httpx.AsyncClient(trust_env=False) as client:

        async def by_httpx() -> int:
            await client.post(url, content=BODY, headers=headers)
            return 1

        await _http("raw.httpx_post", "httpx", by_httpx)
    async with aiohttp.ClientSession() as session:

        async def by_aiohttp() -> int:
            async with session.post(url, data=BODY, headers=headers) as answer:
                await answer.read()
            return 1

        await _http("raw.aiohttp_post", "aiohttp", by_aiohttp)


async def _http(name: str, how: str, post: Callable[[], Awaitable[int]]) -> None:
    began = time.process_time()
    rate = await _rate(post, IN_FLIGHT)
    cpu_us = (time.process_time() - began) / (rate * SECONDS) * 1_000_000
    figure(name, rate, "requests/s", f"bare {how}, {IN_FLIGHT} in flight, the same twin")
    figure(f"{name}.cpu", cpu_us, "µs", "of the client's processor per request")


async def _rate(once: Callable[[], Awaitable[int]], at_once: int = 1) -> float:
    """Units a second of a coroutine that returns how many it did."""
    began = time.perf_counter()
    end, done = began + SECONDS, 0

    async def loop() -> None:
        nonlocal done
        while time.perf_counter() < end:
            units = await once()
            done += units

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(loop())
    return done / (time.perf_counter() - began)
