"""Is what this server acknowledges on disk? Asked at start, shown in /readyz.

On its disk, that is: what a failover to a replica may cost is told in the log, and stands in docs/redis-ha.md.
"""

from __future__ import annotations

import asyncio

import redis.exceptions
import structlog

from gantry.health import Health
from gantry.runtime import pause
from gantry.streams.client import Client, may_fail_over

log = structlog.get_logger()

EVERY_S = 30.0
EVERY_AWAY_S = 2.0

WANTED = {
    "appendonly": "yes",
    "appendfsync": "always",
    "no-appendfsync-on-rewrite": "no",
    "maxmemory-policy": "noeviction",
}


async def weaknesses(client: Client) -> list[str]:
    """Sentences about settings that let acknowledged data be lost; empty when it is durable.

    Raises redis.exceptions.ConnectionError or TimeoutError when the server does not answer.
    """
    try:
        found = await client.config_get("*append*", "maxmemory*")
    except redis.exceptions.ResponseError as error:
        return [f"the server does not show its settings ({error}), so durability cannot be checked"]
    have = {_text(key): _text(value) for key, value in found.items()}
    weak = [
        f"{name} is {have.get(name, 'unknown')}, wanted {want}"
        for name, want in WANTED.items()
        if have.get(name) != want
    ]
    if have.get("maxmemory", "0") == "0":
        weak.append("maxmemory is not set, so back-pressure cannot work")
    return weak


async def goes_on_alone(client: Client) -> bool:
    """Whether a master that has lost sight of its replicas goes on taking data, which is gone once one replaces it.

    Raises as `weaknesses`.
    """
    if not may_fail_over(client):
        return False
    try:
        found = await client.config_get("min-replicas-to-write")
    except redis.exceptions.ResponseError:
        return True
    return [_text(value) for value in found.values()] in ([], ["0"])


async def watch(client: Client, health: Health, stop: asyncio.Event) -> None:
    """Ask at start and now and then; a server that would lose what it acknowledges makes the process unready."""
    told = False
    while not stop.is_set():
        try:
            weak = await weaknesses(client)
            if not told and await goes_on_alone(client):
                log.warning("failover_may_lose", reason="min-replicas-to-write is 0: see docs/redis-ha.md")
            told = True
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
            await pause(stop, EVERY_AWAY_S)  # that it is away is said elsewhere
            continue
        if weak:
            health.lacks("durability", f"Redis would lose what it acknowledges: {'; '.join(weak)}")
        else:
            health.has("durability")
        await pause(stop, EVERY_S)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
