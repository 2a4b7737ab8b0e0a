"""Publishers that are killed, and stopped and let go on, by a schedule that a seed makes."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from end_to_end.feed import Lane
from end_to_end.record import End
from end_to_end.rig import Rig
from gantry import topology
from gantry.streams.scripts import text
from gantry.topology import Topology

SHORT_STOP_S = (0.3, 3.0)
BEYOND_S = (0.05, 1.2)  # past the end of a lease, when another publisher is busy with the lane
BACK_S = (0.3, 1.5)  # as a supervisor takes
PAUSE_S = (1.0, 4.0)  # between two blows
MOST_AT_ONCE = 3
REST_S = 3.0  # between two blows at one publisher


@dataclass(frozen=True, slots=True)
class Blow:
    """What happens to one publisher, s from the beginning."""

    at_s: float
    victim: str
    kind: str  # kill or stop
    for_s: float

    @property
    def end_s(self) -> float:
        return self.at_s + self.for_s


def schedule(victims: Sequence[str], seconds: float, lease_s: float, seed: int) -> list[Blow]:
    """Kills, short stops, and stops beyond the lease; all over by `seconds`. Two of these come first, and a kill."""
    chance = random.Random(seed)
    blows: list[Blow] = []
    at = 2.0
    while at < seconds - BACK_S[1]:
        struck = {blow.victim for blow in blows if blow.end_s > at}
        resting = {blow.victim for blow in blows if blow.end_s + REST_S > at}  # blows come late on a busy machine
        free = [victim for victim in victims if victim not in resting]
        if len(struck) < MOST_AT_ONCE and free:
            number = len(blows)
            kind, for_s = _blow(chance, number, lease_s)
            if at + for_s > seconds:
                kind, for_s = "kill", chance.uniform(*BACK_S)
            blows.append(Blow(at, chance.choice(free), kind, for_s))
        at += chance.uniform(*PAUSE_S) if len(blows) > 2 else 0.5
    return blows


def _blow(chance: random.Random, number: int, lease_s: float) -> tuple[str, float]:
    lot = {0: 0.0, 1: 0.0, 2: 0.9}.get(number, chance.random())
    if lot < 0.3:
        return "stop", lease_s + chance.uniform(*BEYOND_S)
    if lot < 0.5:
        return "stop", chance.uniform(*SHORT_STOP_S)
    return "kill", chance.uniform(*BACK_S)


@dataclass
class Havoc:
    """Does it, and writes down when."""

    rig: Rig
    ends: list[End] = field(default_factory=list)
    resumed_us: list[int] = field(default_factory=list)
    long_stops: int = 0
    kills: int = 0

    async def run(self, blows: Sequence[Blow], lease_s: float) -> None:
        async with asyncio.TaskGroup() as group:
            for blow in blows:
                group.create_task(self._strike(blow, lease_s))

    async def _strike(self, blow: Blow, lease_s: float) -> None:
        await asyncio.sleep(blow.at_s)
        child = self.rig.children[blow.victim]
        assert child.alive, f"{blow.victim} ended by itself; see its log"
        at_us = time.time_ns() // 1000
        if blow.kind == "kill":
            self.kills += 1
            self.rig.kill(blow.victim)
            self.ends.append(End(at_us, await self._leased()))
            await asyncio.sleep(blow.for_s)
            self.rig.again(blow.victim)
            return
        self.long_stops += blow.for_s > lease_s
        os.kill(child.pid, signal.SIGSTOP)
        try:
            self.ends.append(End(at_us, await self._leased()))
            await asyncio.sleep(blow.for_s)
        finally:
            os.kill(child.pid, signal.SIGCONT)
            self.resumed_us.append(time.time_ns() // 1000)

    async def _leased(self) -> frozenset[Lane]:
        """A publisher that does not act keeps its leases, so they are among these."""
        fields = {target: await self.rig.client.hkeys(Topology().lane_state(target)) for target in topology.TARGETS}
        return frozenset(
            (target, text(name).removesuffix(":token"))
            for target, names in fields.items()
            for name in names
            if name.endswith(b":token")
        )
