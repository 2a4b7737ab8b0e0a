"""Is what this server acknowledges on disk? Asked at start, shown in /readyz."""

from __future__ import annotations

import redis.exceptions

from gantry.streams.client import Client

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


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
