"""A steady flow of invented events into `raw`, as a recorder's ingest appends them, and what was accepted of it.

Each measure names its lane and its number at the platform: `direction` spells the lane, `ruleId` counts within it.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field

import orjson

from gantry import topology
from gantry.event import RawEntry, new_event_id
from gantry.streams.inlet import Inlet
from gantry.streams.scripts import Scripts
from gantry.topology import Topology

SOURCE = "soak"
EVERY_S = 0.05
LATE_MS = 60_000
QUOTA = 200_000
_KINDS = {topology.EVD: "Vehicle", topology.CROWD: "Human"}
POISON = {topology.EVD: "NonMotor", topology.CROWD: "Poison"}  # kinds of object that a script may look for

Lane = tuple[str, str]  # target, device


@dataclass(frozen=True, slots=True)
class Fed:
    """One measure that was accepted."""

    at_us: int
    instant_ms: int


@dataclass
class Feed:
    """Devices in turn; every other one counts vehicles."""

    scripts: Scripts
    devices: int
    seed: int = 0
    late: float = 0.0  # share of events that a device tells a minute too late
    poison: float = 0.0  # share of events that carry POISON
    accepted: dict[Lane, dict[int, Fed]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._inlet = Inlet(self.scripts, Topology(), f"{SOURCE}-{self.seed}", quota=QUOTA)
        self._chance = random.Random(self.seed)
        self._numbers = [0] * self.devices
        self._newest = [0] * self.devices
        self._next = 0

    @property
    def total(self) -> int:
        return sum(map(len, self.accepted.values()))

    async def run(self, rate: float, seconds: float) -> None:
        """`rate` events a second for so long."""
        began = time.monotonic()
        sent = 0
        while (passed := time.monotonic() - began) < seconds:
            want = int(passed * rate) - sent
            if want:
                await self.append(want)
                sent += want
            await asyncio.sleep(EVERY_S)

    async def append(self, count: int, device: int | None = None) -> None:
        """The next `count` events, of one device or of all in turn. Raises Unavailable, AssertionError when refused."""
        entries = [self._entry(self._turn() if device is None else device) for _ in range(count)]
        answers = await self._inlet.append(SOURCE, [entry for _, _, entry in entries])
        assert not any(answer.refused for answer in answers), "the door refused; the trial is larger than its server"
        for lane, instant_ms, entry in entries:
            self.accepted.setdefault(lane, {})[entry.seq] = Fed(entry.t_rx, instant_ms)

    def _turn(self) -> int:
        self._next = (self._next + 1) % self.devices
        return self._next

    def _entry(self, device: int) -> tuple[Lane, int, RawEntry]:
        self._numbers[device] += 1
        number, now_us = self._numbers[device], time.time_ns() // 1000
        instant_ms = self._instant(device, now_us // 1000)
        target = topology.TARGETS[device % 2]
        kind = POISON[target] if self._chance.random() < self.poison else _KINDS[target]
        data = {
            "Direction": spelled(f"{SOURCE}-{device}"),
            "Object": {"ObjectType": kind},
            "RuleID": number,
            "UTC": instant_ms // 1000,
            "UTCMS": instant_ms % 1000,
        }
        entry = RawEntry(
            id=new_event_id(now_us),
            src=SOURCE,
            dev=f"{SOURCE}/{device}",
            seq=number,
            t_dev="",
            t_rx=now_us,
            body=b"Code=CrossLineDetection;action=Start;index=1;data=" + orjson.dumps(data),
        )
        return (target, f"{SOURCE}-{device}"), instant_ms, entry

    def _instant(self, device: int, now_ms: int) -> int:
        """Later than all before, unless this one comes late."""
        if self._newest[device] and self._chance.random() < self.late:
            return now_ms - LATE_MS
        self._newest[device] = max(now_ms, self._newest[device] + 1)
        return self._newest[device]


def spelled(device: str) -> str:
    """A device's name as a plain word, which is all that the processor lets through: soak-40 is `soak-ea`."""
    return "".join(chr(ord("a") + int(sign)) if sign.isdecimal() else sign for sign in device)
