"""The consumer groups, made before the first entry; a publisher's place on the group's list."""

from __future__ import annotations

import asyncio
import contextlib

import redis.exceptions

from gantry import topology
from gantry.health import Health
from gantry.runtime import pause
from gantry.streams.client import Client
from gantry.streams.scripts import Once, refusal, text
from gantry.topology import Topology

SKIP_JOURNAL = 50  # percent of maxmemory: before anything that comes in has to stop
JOURNAL_SHARE = 5  # percent of maxmemory: below that, its backlog is not what fills the memory
JOURNAL_GONE_S = 60.0  # a journal reads about every second while its disk takes what it writes
KEEP = 1000  # newest receipts and outcomes: what the dashboard shows as recent


async def prepare(client: Client, keys: Topology) -> None:
    """Create streams and groups where they are missing, so that the groups exist from the first entry.

    ENTRIESREAD gives an exact lag from the start. Safe to repeat, also on a server that is full: that refuses to
    make even a group that is there, and whoever drains it must be able to start. The journal's groups can wait.
    """
    for stream, group in ((keys.raw, topology.PROCESSOR_GROUP), (keys.events, topology.PUBLISHER_GROUP)):
        await _make(client, stream, group)
    with contextlib.suppress(redis.exceptions.OutOfMemoryError):  # the journal tries again until it has them
        for stream in (keys.receipts, keys.outcomes):
            await _make(client, stream, topology.JOURNAL_GROUP)
    if await _is_there(client, keys.events, topology.JOURNAL_GROUP):  # from before receipts carried measures
        await client.xgroup_destroy(keys.events, topology.JOURNAL_GROUP)


async def _make(client: Client, stream: str, group: str) -> None:
    if await _is_there(client, stream, group):
        return
    try:
        dropped = await _dropped(client, stream) if group == topology.JOURNAL_GROUP else 0
        await client.xgroup_create(stream, group, id="0", mkstream=True, entries_read=dropped)
    except redis.exceptions.ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise


async def _dropped(client: Client, stream: str) -> int:
    """Entries trimmed from a stream that is older than its group: Redis 7.0 would take them for unread for good."""
    if not await client.exists(stream):
        return 0
    info = await client.xinfo_stream(stream)
    return int(info.get("entries-added", info["length"])) - int(info["length"])


async def _is_there(client: Client, stream: str, group: str) -> bool:
    try:
        rows = await client.xinfo_groups(stream)
    except redis.exceptions.ResponseError:  # no such stream
        return False
    return any(text(row["name"]) == group for row in rows)


async def enlist(calls: Once, keys: Topology, instance: str) -> None:
    """Put a living publisher on the group's list, so that XINFO CONSUMERS shows it. Raises Unavailable."""
    await calls.once("enlist", [keys.events], [topology.PUBLISHER_GROUP, instance])


async def delist(client: Client, keys: Topology, instance: str) -> None:
    """Take a leaving publisher off the list."""
    await client.xgroup_delconsumer(keys.events, topology.PUBLISHER_GROUP, instance)


async def reap(client: Client, calls: Once, keys: Topology) -> list[str]:
    """Strike off publishers whose alive key is gone; returns their names. Raises Unavailable."""
    gone = []
    for row in await client.xinfo_consumers(keys.events, topology.PUBLISHER_GROUP):
        name = text(row["name"])
        if name == topology.PUBLISHER_CONSUMER:
            continue
        alive = keys.alive(topology.PUBLISHER_GROUP, name)
        if await calls.once("reap", [keys.events, alive], [topology.PUBLISHER_GROUP, name]):
            gone.append(name)
    return gone


async def trim(
    calls: Once,
    keys: Topology,
    *,
    keep: int = KEEP,
    ladder: int = SKIP_JOURNAL,
    share: int = JOURNAL_SHARE,
    gone_s: float = JOURNAL_GONE_S,
) -> int:
    """Drop what has been taken; returns how many entries of `events`.

    Of receipts and outcomes about `keep` stay, and all that a journal has not written: unless memory stands at
    `ladder` percent and `share` of it is what waits there for the journal; then it is skipped forward, which is
    counted and told. What it has in hand is skipped only once it has not read for `gone_s` seconds.
    """
    streams = [keys.events, keys.ledger, keys.receipts, keys.outcomes]
    arguments = [topology.PUBLISHER_GROUP, topology.JOURNAL_GROUP, keep, ladder, share, int(gone_s * 1000)]
    return int(await calls.once("trim", streams, arguments))


async def prepare_once_reachable(client: Client, keys: Topology, health: Health, stop: asyncio.Event) -> None:
    """Wait, unready, until the server is there, and make the groups; returns early on `stop`."""
    while not stop.is_set():
        try:
            await prepare(client, keys)
        except (
            redis.exceptions.ConnectionError,
            redis.exceptions.TimeoutError,
            redis.exceptions.OutOfMemoryError,
            redis.exceptions.NoPermissionError,
        ) as error:
            health.lacks("redis", refusal(error) or f"Redis does not answer: {error}")
            await pause(stop, 1.0)
        else:
            health.has("redis")
            return
