"""A look over all lanes from time to time: who is held, and whose limit lies below what it sends."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

import redis.exceptions

from gantry import topology
from gantry.clock import Clock
from gantry.pace import WINDOW_MS, Flow, Overrun
from gantry.streams.client import Client
from gantry.streams.scripts import text
from gantry.topology import Topology
from publisher import telemetry

EVERY_S = 30.0
KEPT_S = 120  # when nobody looks any more, nothing is claimed any more
FORGOTTEN_MS = 24 * 12 * WINDOW_MS


@dataclass
class Survey:
    """One per publisher; each looks, the figures are the same for all."""

    client: Client
    keys: Topology
    clock: Clock
    allowed: Callable[[str], float]  # lane → measures a minute that may go out
    known: dict[str, set[str]] = field(default_factory=dict)
    _next: float = 0.0

    async def run_once(self) -> None:
        """Raises redis-py's errors when the server is away."""
        for target in topology.TARGETS:
            telemetry.held_devices(target, await self.client.hlen(self.keys.holds(target)))
        if self.clock.monotonic() < self._next:
            return
        self._next = self.clock.monotonic() + EVERY_S
        for target in topology.TARGETS:
            found = await self._overruns(target)
            telemetry.over_limit(target, found, self.known.get(target, ()))
            self.known[target] = set(found)
            with contextlib.suppress(redis.exceptions.OutOfMemoryError):  # said again when there is room
                await self._tell(target, found)

    async def _overruns(self, target: str) -> dict[str, Overrun]:
        now_ms = self.clock.now_us() // 1000
        flows = await self._flows(target, now_ms)
        arriving = {lane: flow.sustained_per_minute(now_ms) for lane, flow in flows.items()}
        over = {lane: rate for lane, rate in arriving.items() if rate > self.allowed(lane)}
        async with self.client.pipeline(transaction=False) as pipe:
            for lane in over:
                pipe.llen(self.keys.lane(target, lane))
            waiting = await pipe.execute()
        return {
            lane: Overrun(rate, self.allowed(lane), n) for (lane, rate), n in zip(over.items(), waiting, strict=True)
        }

    async def _flows(self, target: str, now_ms: int) -> dict[str, Flow]:
        """By lane; rows that are a day old, or of another version or hand, are removed: the next pull begins anew."""
        flows, removed = dict[str, Flow](), list[bytes | str]()
        for lane, row in (await self.client.hgetall(self.keys.flow(target))).items():
            with contextlib.suppress(ValueError):
                flow = Flow.parse(text(row))
                if now_ms - flow.start_ms <= FORGOTTEN_MS:
                    flows[text(lane)] = flow
                    continue
            removed.append(lane)
        if removed:
            await self.client.hdel(self.keys.flow(target), *removed)
        return flows

    async def _tell(self, target: str, found: dict[str, Overrun]) -> None:
        key = self.keys.over_limit(target)
        async with self.client.pipeline(transaction=True) as pipe:
            pipe.delete(key)
            if found:
                pipe.hset(key, mapping={lane: overrun.render() for lane, overrun in found.items()})
                pipe.expire(key, KEPT_S)
            await pipe.execute()
