"""The one server that every command talks to, and the one plain line when it does not answer."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import redis.exceptions

from gantry.errors import GantryError, Refused, Unavailable
from gantry.settings import Settings
from gantry.streams.books import Books
from gantry.streams.client import Client, connect
from gantry.streams.controls import Controls
from gantry.streams.scripts import Scripts, refusal
from gantry.topology import Topology


class NoAnswer(GantryError):
    """The server does not answer, or holds nothing of this site; the message is one line for a person."""


@dataclass(frozen=True, slots=True)
class Site:
    """A site on a server, ready to be asked."""

    client: Client
    keys: Topology
    books: Books
    controls: Controls


@contextlib.asynccontextmanager
async def opened(config: Settings) -> AsyncIterator[Site]:
    """The site that the settings name. Inside, whatever a missing server raises becomes NoAnswer."""
    try:
        client = connect(config, "cli")
    except ValueError as error:
        raise NoAnswer(f"REDIS_URL: {error}") from error
    keys = Topology(config.gantry_site)
    try:
        calls = Scripts(client)
        yield Site(client, keys, Books(client, calls, keys), Controls(client, calls, keys))
    except (redis.exceptions.RedisError, Unavailable) as error:
        raise NoAnswer(_sentence(config, error)) from error
    finally:
        await client.aclose()


async def expect_streams(site: Site) -> None:
    """Raises NoAnswer when no service has ever started on this site."""
    if await site.client.exists(site.keys.raw, site.keys.events) < 2:  # noqa: PLR2004 - both
        raise NoAnswer(
            f"this server holds no streams of site {site.keys.site!r}: start the services (`gantry up`), "
            "or name the right site in GANTRY_SITE"
        )


def _sentence(config: Settings, error: Exception) -> str:
    reason = " ".join(str(error).split())
    if isinstance(error, redis.exceptions.RedisError) and (said := refusal(error)):
        return " ".join(said.split())
    if isinstance(error, Refused):
        return reason
    if "redis_url" in config.model_fields_set:
        return f"the server that REDIS_URL names does not answer: {reason}"
    return f"no server answers here: start one with `gantry up`, or set REDIS_URL ({reason})"
