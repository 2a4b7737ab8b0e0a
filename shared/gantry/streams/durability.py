"""Is what this server acknowledges on disk? Asked at start, shown in /readyz."""

from __future__ import annotations

import asyncio

import redis.exceptions

from gantry.health import Health
from gantry.runtime import pause
from gantry.streams.client import Client

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


async def watch(client: Client, health: Health, stop: asyncio.Event) -> None:
    """Ask at start and now and then; a server that would lose what it acknowledges makes the process unready."""
    while not stop.is_set():
        try:
            weak = await weaknesses(client)
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
