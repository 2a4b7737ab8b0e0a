"""What the keys of a site say, read once: processes, breakers, leases, the server itself."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gantry import topology
from gantry.diagnosis import backlog, processes
from gantry.diagnosis.backlog import Backlog
from gantry.diagnosis.processes import Process
from gantry.ledger import Ledger
from gantry.pace import Overrun
from gantry.streams import durability
from gantry.streams.books import Books
from gantry.streams.client import Client
from gantry.streams.controls import Circuit, Controls, Hold, Pause
from gantry.streams.scripts import LADDER, text
from gantry.topology import Topology

_SCAN = 1000  # keys the server looks at per step
NOBODY = "nobody"
_CHUNK = 1000  # lanes asked about per round trip


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """The circuit breaker of one target."""

    target: str
    state: str  # closed, open, half
    reason: str  # of its last failure or opening, also when it is closed again
    ahead_s: float  # open: until the next probe may go; half: until the probe counts as lost; 0 when it is due
    quiet_s: float = 0.0  # the platform asked for so much more quiet
    at_ceiling: bool = False  # IOTA_MAX_REQUESTS_PER_S holds it back
    since_ms: int = 0  # closed again, or opened first; 0: it never failed
    failures: int = 0  # in a row
    trips: int = 0
    last: str = ""  # lane that failed last
    probe: str = ""  # lane of the probe under way
    by_hand: bool = False  # a person opened it


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLane:
    """One device that does not go out as others do."""

    target: str
    lane: str
    by: str  # operator, platform, or NOBODY where a lane stands still without a hold
    owner: str
    since_ms: int
    reason: str
    waiting: int
    next_s: float | None  # until it is probed, or a request's lease ends; None: not before it is released
    under_way: bool


@dataclass(frozen=True, slots=True)
class Overdrive:
    """A device whose limit lies below what it sends, as the publishers found."""

    target: str
    lane: str
    overrun: Overrun


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a duty; `instance` is empty when nobody has it."""

    duty: str
    instance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The server itself."""

    product: str  # e.g. "valkey 9.1.2"
    weaknesses: tuple[str, ...]
    used: int  # bytes
    maximum: int  # bytes; 0 when there is no limit

    @property
    def percent(self) -> float:
        """Of maxmemory; 0 without one."""
        return 100 * self.used / self.maximum if self.maximum else 0.0

    @property
    def stopped(self) -> tuple[str, ...]:
        """The steps that the memory ladder does not allow any more."""
        return tuple(step for step, limit in LADDER.items() if self.percent >= limit)


@dataclass(frozen=True, slots=True)
class Journal:
    """Where the journal stands, once there is one."""

    behind: int  # entries of receipts and outcomes that are not in its files yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A site at about one instant."""

    server: Server
    processes: tuple[Process, ...]
    ledger: Ledger | None  # None: no service has ever started on this site
    breakers: tuple[Breaker, ...]
    holders: tuple[Holder, ...]
    pauses: tuple[Pause, ...]
    held: tuple[HeldLane, ...]
    overdrives: tuple[Overdrive, ...]
    quota: int  # units that one device may hold
    now_ms: int  # since the epoch, on the server's clock
    journal: Journal | None = None  # None: no journal has ever read on this site
    backlogs: tuple[Backlog, ...] = ()  # the long ones


async def gather(client: Client, keys: Topology, books: Books, controls: Controls, quota: int) -> Facts:
    """Ask the server everything. `quota`: units that one device may hold."""
    begun = await client.exists(keys.raw, keys.events) == 2  # noqa: PLR2004 - both
    now, alive = await now_ms(client), await processes.read(client, keys)
    ledger = await books.read() if begun else None
    waiting = ledger.outcomes["waiting"] if ledger else 0
    return Facts(
        server=await server(client),
        processes=alive,
        ledger=ledger,
        breakers=await breakers(controls, now),
        holders=await holders(client, keys),
        pauses=await controls.pauses(now),
        held=await held_lanes(client, keys, controls),
        overdrives=await overdrives(client, keys),
        quota=quota,
        now_ms=now,
        journal=await journal(client, keys) if begun else None,
        backlogs=await backlog.read(client, keys, waiting, processes.limits(alive)),
    )


async def journal(client: Client, keys: Topology) -> Journal | None:
    """Both of its groups together; None where no journal has ever read."""
    behind, consumers = 0, 0
    for stream in (keys.receipts, keys.outcomes):
        rows = await client.xinfo_groups(stream) if await client.exists(stream) else []
        for row in rows:
            if text(row["name"]) == topology.JOURNAL_GROUP:
                behind += int(row["pending"]) + int(row.get("lag") or 0)
                consumers += int(row["consumers"])
    return Journal(behind) if consumers else None


async def server(client: Client) -> Server:
    """Ask the server about itself."""
    about, memory = await client.info("server"), await client.info("memory")
    product = about.get("server_name", "redis")
    version = about.get(f"{product}_version", about["redis_version"])
    return Server(
        product=f"{product} {version}",
        weaknesses=tuple(await durability.weaknesses(client)),
        used=int(memory["used_memory"]),
        maximum=int(memory.get("maxmemory", 0)),
    )


async def now_ms(client: Client) -> int:
    """The server's clock, by which due times and breakers go."""
    seconds, us = await client.time()
    return int(seconds) * 1000 + int(us) // 1000


JUST_NOW_MS = 2000


async def breakers(controls: Controls, now: int) -> tuple[Breaker, ...]:
    """One per target; `now`: ms by the server's clock."""
    return tuple(_breaker(each, now) for each in await controls.circuits())


def _breaker(each: Circuit, now: int) -> Breaker:
    return Breaker(
        target=each.target,
        state=each.state,
        reason=each.reason,
        ahead_s=_ahead_s(each.until_ms, now) if each.state != "closed" else 0.0,
        quiet_s=_ahead_s(each.slow_ms, now),
        at_ceiling=each.throttled_ms > now - JUST_NOW_MS,
        since_ms=each.since_ms,
        failures=each.failures,
        trips=each.trips,
        last=each.last,
        probe=each.probe,
        by_hand=each.by_hand,
    )


def _ahead_s(at_ms: int, now: int) -> float:
    return max(0.0, round((at_ms - now) / 1000, 1))


async def holders(client: Client, keys: Topology) -> tuple[Holder, ...]:
    """Who holds the processor's duty, the journal's if one has ever run, and each recorder ever attached to."""
    prefix = keys.lease("")
    pattern = keys.lease(topology.recorder_duty("*"))
    recorders = sorted([text(key) async for key in client.scan_iter(pattern, count=_SCAN)])
    journal = [topology.JOURNAL_DUTY] if await client.exists(keys.lease(topology.JOURNAL_DUTY)) else []
    duties = [topology.PROCESSOR_DUTY, *journal, *(key.removeprefix(prefix) for key in recorders)]
    return tuple([Holder(duty, text(await client.hget(keys.lease(duty), "holder") or b"")) for duty in duties])


async def held_lanes(client: Client, keys: Topology, controls: Controls) -> tuple[HeldLane, ...]:
    """Every lane that a person or the platform holds, and any that stands still without."""
    now, found = await now_ms(client), []
    for target in topology.TARGETS:
        holds = {each.lane: each for each in await controls.holds(target)}
        lanes = sorted({*holds, *await controls.still(target)})
        for start in range(0, len(lanes), _CHUNK):
            chunk = lanes[start : start + _CHUNK]
            pipe = client.pipeline(transaction=False)
            for lane in chunk:
                pipe.llen(keys.lane(target, lane))
                pipe.zscore(keys.due(target), lane)
                pipe.hexists(keys.lane_state(target), f"{lane}:token")
            answers = await pipe.execute()
            for i, lane in enumerate(chunk):
                found.append(_held_lane(target, lane, holds.get(lane), answers[3 * i : 3 * i + 3], now))
    return tuple(found)


async def overdrives(client: Client, keys: Topology) -> tuple[Overdrive, ...]:
    """Sorted by target and lane; a figure that cannot be read is left out."""
    found = []
    for target in topology.TARGETS:
        rows = _texts(await client.hgetall(keys.over_limit(target)))
        for lane, said in sorted(rows.items()):
            with contextlib.suppress(ValueError):
                found.append(Overdrive(target, lane, Overrun.parse(said)))
    return tuple(found)


def _held_lane(target: str, lane: str, hold: Hold | None, answers: Sequence[Any], now: int) -> HeldLane:
    waiting, score, token = answers
    next_s = None if score is None or score == math.inf else round((float(score) - now) / 1000, 1)
    return HeldLane(
        target=target,
        lane=lane,
        by=hold.by if hold else NOBODY,
        owner=hold.owner if hold else "",
        since_ms=hold.since_ms if hold else 0,
        reason=hold.reason if hold else "it stands still without a hold",
        waiting=int(waiting),
        next_s=next_s,
        under_way=bool(token) and next_s is not None and next_s > 0,
    )


def _texts(fields: Mapping[Any, Any]) -> dict[str, str]:
    return {text(name): text(value) for name, value in fields.items()}
