"""How long what waits will take at the allowed rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gantry import topology
from gantry.diagnosis.processes import Limits
from gantry.streams.client import Client
from gantry.streams.scripts import text
from gantry.topology import Topology

LONG_H = 24.0  # from here on it is worth a notice
_CHUNK = 1000  # lanes asked about per round trip


@dataclass(frozen=True, slots=True)
class Backlog:
    """The lane of a target that takes longest. Lanes go out side by side, so the target takes as long."""

    target: str
    lane: str
    waiting: int
    hours: float


async def read(client: Client, keys: Topology, waiting: int, limits: Limits | None) -> tuple[Backlog, ...]:
    """The backlogs longer than LONG_H; `waiting`: measures of all lanes. Costs nothing while there cannot be one."""
    if limits is None or limits.counts != "measures" or waiting <= limits.per_minute * 60 * LONG_H:
        return ()
    found = [await _longest(client, keys, target) for target in topology.TARGETS]
    rows = [Backlog(*each, hours=each[2] / limits.per_minute / 60) for each in found]
    return tuple(row for row in rows if row.hours > LONG_H)


async def _longest(client: Client, keys: Topology, target: str) -> tuple[str, str, int]:
    lanes = [text(name) for name in await client.zrange(keys.due(target), 0, -1)]
    lengths = await _lengths(client, [keys.lane(target, lane) for lane in lanes])
    waiting, lane = max(zip(lengths, lanes, strict=True), default=(0, ""))
    return target, lane, waiting


async def _lengths(client: Client, names: Sequence[str]) -> list[int]:
    found: list[int] = []
    for start in range(0, len(names), _CHUNK):
        pipe = client.pipeline(transaction=False)
        for name in names[start : start + _CHUNK]:
            pipe.llen(name)
        found += map(int, await pipe.execute())
    return found
