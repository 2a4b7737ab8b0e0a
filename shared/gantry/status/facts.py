"""What the status document is made of, read from the server at about one instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import redis.exceptions

from gantry import topology
from gantry.ledger import Ledger
from gantry.status import said
from gantry.streams import standing
from gantry.streams.books import Books
from gantry.streams.client import Client
from gantry.streams.controls import Circuit, Controls
from gantry.streams.scripts import raise_if_away, text
from gantry.streams.standing import LastMeasure, LastUnknown
from gantry.topology import Topology

UNKNOWN = "unknown"
FAMILIES = (*topology.TARGETS, UNKNOWN)
_SCAN = 1000  # keys the server looks at per step


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """A running process, and what it says of its work (the `says` of its alive key)."""

    service: str
    instance: str
    state: str  # ready, unready, stalled
    says: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A site at about one instant."""

    ledger: Ledger | None  # None: no service has ever started on this site
    circuits: tuple[Circuit, ...]  # one per target
    speakers: tuple[Speaker, ...]  # sorted by service and instance
    measures: Mapping[str, LastMeasure]  # target → the last accepted one; without those that never had one
    unknown: LastUnknown | None
    fingerprints: int  # in the set of duplicates
    now_ms: int  # since the epoch, on the server's clock


async def gather(client: Client, keys: Topology, books: Books, controls: Controls) -> Facts:
    """Ask the server everything; some ten round trips. Raises Unavailable."""
    try:
        begun = await client.exists(keys.raw, keys.events) == 2  # noqa: PLR2004 - both
        seconds, microseconds = await client.time()
        return Facts(
            ledger=await books.read() if begun else None,
            circuits=await controls.circuits(),
            speakers=await _speakers(client, keys),
            measures=await _measures(client, keys),
            unknown=await standing.last_unknown(client, keys),
            fingerprints=int(await client.zcard(keys.dedup)),
            now_ms=int(seconds) * 1000 + int(microseconds) // 1000,
        )
    except redis.exceptions.RedisError as error:
        raise_if_away("status", error)
        raise


async def read_last(client: Client, keys: Topology, family: str) -> LastMeasure | LastUnknown | None:
    """What `/api/last/<family>` is made of: evd, crowd or unknown. Raises Unavailable."""
    try:
        if family == UNKNOWN:
            return await standing.last_unknown(client, keys)
        return await standing.last_measure(client, keys, family)
    except redis.exceptions.RedisError as error:
        raise_if_away("last", error)
        raise


async def _measures(client: Client, keys: Topology) -> dict[str, LastMeasure]:
    found = {target: await standing.last_measure(client, keys, target) for target in topology.TARGETS}
    return {target: last for target, last in found.items() if last is not None}


async def _speakers(client: Client, keys: Topology) -> tuple[Speaker, ...]:
    """Everything alive; a key that runs out meanwhile is left out."""
    names = sorted([text(key) async for key in client.scan_iter(keys.alive("*", "*"), count=_SCAN)])
    pipe = client.pipeline(transaction=False)
    for name in names:
        pipe.hmget(name, "state", "says")
    prefix = keys.alive("", "")[:-1]
    rows = zip(names, await pipe.execute(), strict=True)
    return tuple(_speaker(name.removeprefix(prefix), *row) for name, row in rows if row[0] is not None)


def _speaker(name: str, state: bytes, says: bytes | None) -> Speaker:
    service, _, instance = name.partition(":")
    return Speaker(service=service, instance=instance, state=text(state), says=said.read(service, says))
