"""Reading the ledger, and recounting it from the keys."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis.exceptions

from gantry import ledger, topology
from gantry.errors import Unavailable
from gantry.ledger import Difference, Ledger
from gantry.streams.client import Client
from gantry.streams.scripts import Once, raise_if_away, text
from gantry.topology import Topology

STREAMS = ("raw", "events", "receipts", "outcomes")  # as Topology names them
_COUNTER = "ledger:"
RECOUNTS = 20  # a difference that stays for so long is one


@dataclass(frozen=True, slots=True)
class Audit:
    """The ledger, and where a recount of the keys disagrees with it."""

    ledger: Ledger
    recount: dict[str, int]
    differences: list[Difference]

    @property
    def balanced(self) -> bool:
        """Nothing disagrees."""
        return not self.differences


@dataclass(frozen=True, slots=True)
class Position:
    """Where a group stands on its stream."""

    stream: str  # raw, events, receipts or outcomes
    group: str
    length: int
    lag: int | None  # None where the server does not know (Redis 7.0 after some restarts)
    pending: int


class Books:
    """The accounts of one site."""

    def __init__(self, client: Client, calls: Once, keys: Topology) -> None:
        self._client, self._calls, self._keys = client, calls, keys

    async def read(self) -> Ledger:
        """Both lines at one instant, from the counters: cheap enough for every second. Raises Unavailable."""
        keys = [self._keys.raw, self._keys.events, self._keys.ledger]
        values = _numbers(await self._calls.once("ledger", keys, [topology.PUBLISHER_GROUP]))
        waiting = values.pop("pending") + values.pop("lag")
        return ledger.read(values, in_raw=values.pop("in_raw"), waiting=waiting)

    async def counter(self, name: str) -> int:
        """One counter, for who may read no more than that. Raises Unavailable."""
        try:
            value: Any = await self._client.hget(self._keys.ledger, name)
        except redis.exceptions.RedisError as error:
            raise_if_away("ledger", error)
            raise
        return int(value or 0)

    async def positions(self, streams: Sequence[str] = STREAMS) -> list[Position]:
        """Every group of these streams; none where a stream is not there. Raises Unavailable."""
        try:
            return [each for name in streams for each in await self._groups_of(name, getattr(self._keys, name))]
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as error:
            raise Unavailable(f"XINFO: {error}") from error

    async def _groups_of(self, name: str, stream: str) -> list[Position]:
        if not await self._client.exists(stream):
            return []
        length, rows = await self._client.xlen(stream), await self._client.xinfo_groups(stream)
        return [Position(name, text(row["name"]), length, row.get("lag"), row["pending"]) for row in rows]

    async def audit(self) -> Audit:
        """Recount everything at one instant: about 1 ms of the server per 1,000 lanes. Raises Unavailable."""
        k = self._keys
        heads = [k.raw, k.events, k.dead, k.ledger, k.inside]
        for kind in (k.due, k.holds, k.lane_state):
            heads += map(kind, topology.TARGETS)
        groups = [topology.PROCESSOR_GROUP, topology.PUBLISHER_GROUP, len(topology.TARGETS)]
        seen: dict[tuple[int, str], str] = {}
        for attempt in itertools.count(1):  # until no lane comes or goes between naming them and counting them
            for number, target in enumerate(topology.TARGETS, start=1):
                names = map(text, await self._client.zrange(k.due(target), 0, -1))
                seen.update({(number, name): k.lane(target, name) for name in names})
            words = itertools.chain.from_iterable(seen)
            values = _numbers(await self._calls.once("audit", [*heads, *seen.values()], [*groups, *words]))
            if values["due"] == values["lanes"] or attempt == RECOUNTS:
                break
        return _audit(values)


def _audit(values: dict[str, int]) -> Audit:
    counters = {name.removeprefix(_COUNTER): n for name, n in values.items() if name.startswith(_COUNTER)}
    recount = {name: n for name, n in values.items() if not name.startswith(_COUNTER)}
    waiting = recount["pending"] + recount["lag"]
    lines = ledger.read(counters, in_raw=recount["raw_entries"], waiting=waiting)
    return Audit(lines, recount, ledger.differences(lines, recount))


def _numbers(reply: list[Any]) -> dict[str, int]:
    names = [text(name) for name in reply[::2]]
    return dict(zip(names, map(int, reply[1::2]), strict=True))
