"""What the keys of a site say, read once: processes, breakers, leases, the server itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gantry import topology
from gantry.streams import durability
from gantry.streams.client import Client
from gantry.streams.scripts import LADDER, text
from gantry.topology import Topology

_SCAN = 1000  # keys the server looks at per step


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A running process, as it says itself."""

    service: str
    instance: str
    state: str  # ready, unready, stalled
    reason: str
    since: int  # s since the epoch
    version: str
    configuration: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """The circuit breaker of one target."""

    target: str
    state: str  # closed, open, half
    reason: str
    ahead_s: float  # until the next probe may go; 0 when it is due


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


async def processes(client: Client, keys: Topology) -> tuple[Process, ...]:
    """Everything alive, sorted by service; an alive key that runs out meanwhile is left out."""
    names = sorted([text(key) async for key in client.scan_iter(keys.alive("*", "*"), count=_SCAN)])
    pipe = client.pipeline(transaction=False)
    for name in names:
        pipe.hgetall(name)
    pairs = zip(names, await pipe.execute() if names else [], strict=True)
    return tuple(_process(name, _texts(fields)) for name, fields in pairs if fields)


def _process(key: str, fields: Mapping[str, str]) -> Process:
    service, instance = key.rsplit(":", 2)[1:]
    since = fields.get("since", "")
    return Process(
        service=service,
        instance=instance,
        state=fields.get("state", "unknown"),
        reason=fields.get("reason", ""),
        since=int(since) if since.isdecimal() else 0,
        version=fields.get("version", ""),
        configuration=fields.get("configuration", ""),
    )


async def now_ms(client: Client) -> int:
    """The server's clock, by which due times and breakers go."""
    seconds, us = await client.time()
    return int(seconds) * 1000 + int(us) // 1000


async def breakers(client: Client, keys: Topology) -> tuple[Breaker, ...]:
    """One per target; a target that never failed is closed."""
    now = await now_ms(client)
    found = []
    for target in topology.TARGETS:
        fields = _texts(await client.hgetall(keys.breaker(target)))
        ahead = (float(fields.get("until", "0")) - now) / 1000
        state = fields.get("state", "closed")
        found.append(
            Breaker(target=target, state=state, reason=fields.get("reason", ""), ahead_s=max(0.0, round(ahead, 1)))
        )
    return tuple(found)


async def holders(client: Client, keys: Topology) -> tuple[Holder, ...]:
    """Who holds the processor's duty, and each recorder that somebody has ever attached to."""
    prefix = keys.lease("")
    pattern = keys.lease(topology.recorder_duty("*"))
    recorders = sorted([text(key) async for key in client.scan_iter(pattern, count=_SCAN)])
    duties = [topology.PROCESSOR_DUTY, *(key.removeprefix(prefix) for key in recorders)]
    return tuple([Holder(duty, text(await client.hget(keys.lease(duty), "holder") or b"")) for duty in duties])


async def held_lanes(client: Client, keys: Topology) -> int:
    """Lanes that wait for a person (due at +inf)."""
    return sum([int(await client.zcount(keys.due(target), "+inf", "+inf")) for target in topology.TARGETS])


def _texts(fields: Mapping[Any, Any]) -> dict[str, str]:
    return {text(name): text(value) for name, value in fields.items()}
