"""Values for tests: only what matters is said."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from gantry import topology
from gantry.codec import raw_entry
from gantry.event import Accept, Bury, Decided, Filter, LetterClass, Measure, RawEntry
from gantry.streams.client import Client
from gantry.streams.inlet import Answer, Inlet
from gantry.streams.lanes import Lanes, Limits, Rate
from gantry.streams.patience import Patience
from gantry.streams.processing import Committed, Processing
from gantry.streams.scripts import Calls, Scripts, text
from gantry.topology import Topology

T0 = 1_760_000_000_000_000  # µs


class FakeClock:
    """Time that moves when told to."""

    def __init__(self) -> None:
        self.at = 1000.0

    def now_us(self) -> int:
        return T0 + int(self.at * 1_000_000)

    def monotonic(self) -> float:
        return self.at


def a_raw(number: int, dev: str = "r/0", *, t_rx: int = T0, body: bytes = b"body") -> RawEntry:
    return RawEntry(id=f"e{dev}-{number}", src="r", dev=dev, seq=number, t_dev="", t_rx=t_rx, body=body)


def a_measure(lane: str = "cam", target: str = topology.EVD, body: bytes = b'{"v":1}') -> Measure:
    return Measure(target=target, lane=lane, body=body)


def some_limits(**changed: Any) -> Limits:
    rate = Rate(changed.pop("per_minute", 6_000_000), changed.pop("burst", 1000))
    given = {"lease_s": 40, "batch_max": 30, "rate": rate, "counts": "measures", "open_after": 3, "cooldown_s": 30}
    return Limits(**{**given, **changed})


def patient(client: Client) -> Calls:
    """Scripts that are repeated until they answer."""
    return Patience(Scripts(client), asyncio.Event(), lambda: None)


@dataclass
class Stage:
    """The steps on one server, at a clock that the test sets (µs)."""

    client: Client
    calls: Calls
    ladder: int = 0
    keys: Topology = field(default_factory=Topology)
    token: str = "t" * 32
    now: int = T0
    numbers: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.processing = Processing(self.calls, self.keys, dedup_ttl_s=10, ladder=self.ladder)
        self.lanes = Lanes(self.calls, self.keys, ladder=self.ladder)
        self.tick(0)

    def tick(self, seconds: float) -> None:
        self.now += int(seconds * 1_000_000)
        self.processing.test_clock = self.lanes.test_clock = str(self.now)

    async def lead(self) -> None:
        """Take the processor's lease."""
        key = self.keys.lease(topology.PROCESSOR_DUTY)
        await self.calls.once("lease", [key], ["take", self.token, "test", "", ""])

    async def receive(self, *raws: RawEntry, quota: int = 10**6) -> list[Answer]:
        return await Inlet(self.calls, self.keys, "spool", quota=quota, ladder=self.ladder).append("r", raws)

    async def entries(self, count: int, dev: str = "r/0") -> list[RawEntry]:
        """Receive the next `count` events of a device."""
        first = self.numbers.get(dev, 0) + 1
        self.numbers[dev] = first + count - 1
        raws = [a_raw(number, dev) for number in range(first, first + count)]
        await self.receive(*raws)
        return raws

    async def take(self, count: int) -> list[tuple[str, RawEntry]]:
        """Read outside of Lua, so that commit.lua is tried on fakeredis too."""
        group, consumer = topology.PROCESSOR_GROUP, topology.PROCESSOR_CONSUMER
        reply = await self.client.xreadgroup(group, consumer, {self.keys.raw: ">"}, count=count)
        return [(text(entry_id), raw_entry({text(k): v for k, v in row.items()})) for entry_id, row in reply[0][1]]

    async def decide(self, *decisions: Accept | Filter | Bury) -> Committed | None:
        """Take as many entries as there are decisions, and commit them in that order."""
        batch = await self.take(len(decisions))
        decided = [Decided(entry_id, raw, each) for (entry_id, raw), each in zip(batch, decisions, strict=True)]
        return await self.processing.commit(self.token, decided)

    async def fill_lane(self, count: int, lane: str = "cam", target: str = topology.EVD, *, known: bool = True) -> None:
        """`count` measures wait in a lane; `known`: of a device whose first measure went out long ago."""
        if known:
            await self.client.hsetnx(self.keys.lane_state(target), f"{lane}:batch", 30)
        await self.lead()
        await self.entries(count, dev=lane)
        measures = [a_measure(lane, target, b'{"v":%d}' % n) for n in range(count)]
        await self.decide(*(Accept("", (measure,)) for measure in measures))
        await self.lanes.pull()


def a_letter(letter: LetterClass = LetterClass.IN, reason: str = "broken") -> Bury:
    return Bury(letter, reason, b'{"redacted":true}')
