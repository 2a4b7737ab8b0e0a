"""The parts of Gantry as actors that stop before every call to the server.

The machine (test_scripts_trial.py) decides whose call runs next and whose reply is lost. The actors use the
product's own classes (Inlet, Lease, Processing, Lanes); only the decisions about invented events are made here.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import itertools
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from builders import FakeClock, a_letter, a_measure, a_raw, some_limits
from gantry import topology
from gantry.errors import Fenced, Unavailable
from gantry.event import Accept, Bury, Decided, Filter, LetterClass, RawEntry
from gantry.streams import groups
from gantry.streams.inlet import Inlet
from gantry.streams.lanes import Grant, Item, Lanes, Outcome, Settlement
from gantry.streams.leases import Lease
from gantry.streams.processing import Processing
from gantry.streams.scripts import Scripts
from gantry.topology import Topology

LEASE_S = 4.0
REQUEST_S = 1.5  # a request that has not ended by then is given up; less than half a lease


class Gate:
    """Calls that wait to be let through; `sure` repeats a call whose reply was lost, as Scripts does."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts
        self.at_gate: asyncio.Future[bool] | None = None

    async def pass_gate(self) -> bool:
        """Wait for the machine; whether the reply of this call is to be lost."""
        self.at_gate = asyncio.get_running_loop().create_future()
        return await self.at_gate

    async def once(self, name: str, keys: Any, arguments: Any) -> Any:
        lost = await self.pass_gate()
        reply = await self._scripts.once(name, keys, arguments)
        if lost:
            raise Unavailable("the reply was lost")
        return reply

    async def sure(self, name: str, keys: Any, arguments: Any) -> Any:
        while True:
            try:
                return await self.once(name, keys, arguments)
            except Unavailable:
                continue


@dataclass
class Truth:
    """What really happened, beside what the books say."""

    chance: random.Random
    now_us: int = 1_760_000_000_000_000
    clock: FakeClock = field(default_factory=FakeClock)
    steps_of_clock: int = 0
    calm: bool = False  # no more faults and no new events: drain
    platform_down: bool = False
    offered: set[str] = field(default_factory=set)  # event ids that a writer keeps until they are taken
    taken: set[str] = field(default_factory=set)
    fingerprint: dict[str, str] = field(default_factory=dict)
    kind: dict[str, str] = field(default_factory=dict)
    arrived: dict[tuple[str, int], str] = field(default_factory=dict)  # (lane, number) → body
    newest: collections.defaultdict[str, int] = field(default_factory=lambda: collections.defaultdict(int))
    receipted: collections.defaultdict[str, int] = field(default_factory=lambda: collections.defaultdict(int))
    refused: set[str] = field(default_factory=set)  # bodies that became letters
    late: int = 0
    current: dict[str, str] = field(default_factory=dict)  # lane → body written last
    receipts: collections.defaultdict[str, set[str]] = field(default_factory=lambda: collections.defaultdict(set))
    disturbed: set[str] = field(default_factory=set)  # lanes that a request reached after its lease
    under_way: dict[str, tuple[int, int]] = field(default_factory=dict)  # lane → (since when, clock steps by then)
    numbers: Any = field(default_factory=itertools.count)

    def an_event(self, dev: str) -> tuple[str, str]:
        """A new event's id, with its kind and fingerprint decided once, so that every processor decides alike."""
        event = f"{dev}.{next(self.numbers)}"
        self.kind[event] = self.chance.choices(("accept", "filter", "bury"), (84, 10, 6))[0]
        self.fingerprint[event] = f"{dev}-{self.chance.randrange(30)}"
        return event, dev

    def in_time(self, started: int, stepped: int) -> bool:
        """Whether a request that was granted then must still be the only one of its lane."""
        return self.now_us - started <= REQUEST_S * 1_000_000 and self.steps_of_clock == stepped

    def begin(self, lane: str, started: int, stepped: int) -> None:
        """A request of this lane goes out. Raises AssertionError when another is under way in its time."""
        other = self.under_way.get(lane)
        assert other is None or not self.in_time(*other), f"two requests of {lane} at once"
        self.under_way[lane] = (started, stepped)

    def arrive(self, grant: Grant, *, in_time: bool) -> None:
        """The platform applied these measures. Raises AssertionError when an order or a promise is broken."""
        self.disturbed |= set() if in_time else {grant.lane}
        for item in grant.items:
            key = (grant.lane, item.seq)
            self.current[grant.lane] = item.body.decode()
            if grant.resent:
                assert key in self.arrived, f"sent again, and never sent: {key}"
                continue
            if key not in self.arrived:
                assert item.seq >= self.newest[grant.lane], f"went back: {key} after {self.newest[grant.lane]}"
            elif item.seq <= self.receipted[grant.lane]:
                assert not in_time, f"sent again after its receipt: {key}"
                self.late += 1
            self.arrived[key] = item.body.decode()
            self.newest[grant.lane] = max(self.newest[grant.lane], item.seq)


@dataclass
class Actor:
    """A task that stops at its gate."""

    name: str
    make: Callable[[Gate], Coroutine[Any, Any, None]]
    scripts: Scripts
    survives_kill: bool = False  # what it holds stands on disk
    gate: Gate = field(init=False)
    task: asyncio.Task[None] = field(init=False)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.gate = Gate(self.scripts)
        self.task = asyncio.get_running_loop().create_task(self.make(self.gate))

    async def settle_down(self) -> None:
        """Until it stands at its gate."""
        while self.gate.at_gate is None or self.gate.at_gate.done():
            if self.task.done():
                self.task.result()
                raise AssertionError(f"{self.name} ended")
            await asyncio.sleep(0)
            if self.gate.at_gate is None or self.gate.at_gate.done():
                await asyncio.wait({self.task}, timeout=0.0005)

    async def step(self, *, lose: bool) -> None:
        """Let one call through and run on to the next."""
        await self.settle_down()
        assert self.gate.at_gate is not None
        self.gate.at_gate.set_result(lose)
        await self.settle_down()

    async def kill(self) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})
        self.begin()


def writer(truth: Truth, keys: Topology, spool: str) -> Callable[[Gate], Coroutine[Any, Any, None]]:
    """ingest-dahua with its spool: what is refused is offered again, first."""
    queue: list[RawEntry] = []
    numbers: collections.Counter[str] = collections.Counter()

    async def run(gate: Gate) -> None:
        inlet = Inlet(gate, keys, spool, quota=12, ladder=0)
        while True:
            while not truth.calm and len(queue) < truth.chance.randrange(1, 8):
                event, dev = truth.an_event(f"d{truth.chance.choice((0, 0, 0, 1, 2))}")
                numbers[dev] += 1
                raw = a_raw(numbers[dev], dev, t_rx=truth.now_us)
                queue.append(RawEntry(**{**{s: getattr(raw, s) for s in raw.__slots__}, "id": event}))
                truth.offered.add(event)
            if not queue:
                await gate.pass_gate()
                continue
            batch = list(queue)
            try:
                answers = await inlet.append("r", batch)
            except Unavailable:
                continue
            done = {raw.id for raw, answer in zip(batch, answers, strict=True) if not answer.refused}
            truth.taken |= done
            queue[:] = [raw for raw in queue if raw.id not in done]

    return run


def decide(truth: Truth, raw: RawEntry) -> Accept | Filter | Bury:
    match truth.kind[raw.id]:
        case "filter":
            return Filter("stop")
        case "bury":
            return a_letter(truth.chance.choice(list(LetterClass)[:2]))
        case _:
            width = 1 + sum(raw.id.encode()) % 3
            names = [(f"{raw.dev}{'x' * (n > 1)}", n) for n in range(width)]
            measures = [a_measure(lane, target_of(lane), body_of(raw.id, n)) for lane, n in names]
            return Accept(truth.fingerprint[raw.id], tuple(measures))


def body_of(event: str, n: int) -> bytes:
    """Most come in the order of their time, some are older than what came before."""
    number = int(event.split(".")[1])
    minutes = number - 40 * (number % 7 == 0)
    instant = f"2025-10-01T{1 + minutes // 60:02}:{minutes % 60:02}:00.000Z"
    return b'{"TimeInstant":"%s","e":"%s/%d"}' % (instant.encode(), event.encode(), n)


def event_of(body: str) -> str:
    return body.partition('"e":"')[2].partition("/")[0]


def instant_of(body: str) -> str:
    return body.partition('"TimeInstant":"')[2][:24]


def target_of(lane: str) -> str:
    return topology.CROWD if lane.endswith("x") else topology.EVD


def processor(truth: Truth, keys: Topology) -> Callable[[Gate], Coroutine[Any, Any, None]]:
    async def run(gate: Gate) -> None:
        lease = Lease(gate, keys, topology.PROCESSOR_DUTY, "p", truth.clock)
        steps = Processing(gate, keys, dedup_ttl_s=10, ladder=0)
        while True:
            steps.test_clock = str(truth.now_us)
            try:
                if not await lease.hold():
                    continue
                batch = await steps.read(lease.token, truth.chance.randrange(1, 12))
                decided = [Decided(entry_id, raw, decide(truth, raw)) for entry_id, raw in batch]
                steps.test_clock = str(truth.now_us)
                if decided:
                    await steps.commit(lease.token, decided)
            except (Unavailable, Fenced):
                continue

    return run


def publisher(truth: Truth, keys: Topology) -> Callable[[Gate], Coroutine[Any, Any, None]]:
    per_minute, burst = truth.chance.choice(((6_000_000, 1000), (300, 6)))
    ceiling = truth.chance.choice((0, 40))
    limits = some_limits(
        lease_s=LEASE_S, batch_max=4, per_minute=per_minute, burst=burst, cooldown_s=2, ceiling_per_s=ceiling
    )

    async def run(gate: Gate) -> None:
        lanes = Lanes(gate, keys, ladder=0)
        settlement: Settlement | None = None
        hints: dict[str, tuple[str, ...]] = {}
        while True:
            lanes.test_clock = str(truth.now_us)
            if truth.chance.random() < 0.5:
                await lanes.pull(truth.chance.randrange(1, 10))
                lanes.test_clock = str(truth.now_us)
            started, stepped = truth.now_us, truth.steps_of_clock
            target = target_of(settlement.grant.lane) if settlement else truth.chance.choice(topology.TARGETS)
            named = hints.get(target, ())
            turn = await lanes.turn(target, limits, named, settle=settlement)
            if settlement and turn.settled in ("settled", "again"):
                note_settled(truth, settlement)
            settlement, hints[target] = None, turn.hints
            if turn.grants:
                assert len(turn.grants) == 1, "two grants where one was wanted"
                settlement = await request(truth, gate, turn.grants[0], started, stepped)

    return run


def note_settled(truth: Truth, settlement: Settlement) -> None:
    grant = settlement.grant
    if settlement.outcome is Outcome.DELIVERED:
        truth.receipts[grant.lane] |= {item.body.decode() for item in grant.items}
        truth.receipted[grant.lane] = max(truth.receipted[grant.lane], grant.items[-1].seq)
    elif settlement.outcome is Outcome.REFUSED and len(grant.items) == 1 and not grant.resent:
        truth.refused.add(grant.items[0].body.decode())


async def request(truth: Truth, gate: Gate, grant: Grant, started: int, stepped: int) -> Settlement | None:
    """POST: applied or not, answered or not. None: given up, the lease runs out."""
    await gate.pass_gate()  # the grant's reply came; a kill here leaves a lease
    in_time = truth.in_time(started, stepped)
    if in_time:
        truth.begin(grant.lane, started, stepped)
    if not in_time and truth.chance.random() < 0.5:
        return None
    if not truth.calm and truth.chance.random() < 0.04:
        truth.under_way.pop(grant.lane, None)
        return Settlement(grant=grant, outcome=Outcome.RETURNED)
    outcome = answer_of(truth, grant)
    half_done = outcome in AMBIGUOUS and not any(map(is_poison, grant.items)) and truth.chance.random() < 0.5
    if outcome is Outcome.DELIVERED or half_done:
        truth.arrive(grant, in_time=in_time)
    await gate.pass_gate()  # the answer on its way back
    if truth.under_way.get(grant.lane) == (started, stepped):
        del truth.under_way[grant.lane]
    delay_s, speaks = truth.chance.choice((0, 0.5, 3)), truth.chance.random() < 0.8
    return Settlement(grant=grant, outcome=outcome, delay_s=delay_s, speaks=speaks, reason="why")


AMBIGUOUS = (Outcome.RETRY, Outcome.SHRINK)  # the answer may have been lost after the measures were applied
FAULTS = (Outcome.RETRY, Outcome.SHRINK, Outcome.SLOW, Outcome.HOLD, Outcome.OPEN)


def is_poison(item: Item) -> bool:
    return sum(item.body) % 9 == 0


def answer_of(truth: Truth, grant: Grant) -> Outcome:
    if truth.calm:
        return Outcome.DELIVERED
    if truth.platform_down:
        return Outcome.RETRY
    if any(map(is_poison, grant.items)):
        return Outcome.REFUSED
    return truth.chance.choices((Outcome.DELIVERED, *FAULTS), (90, 5, 1, 1, 2, 1))[0]


def housekeeper(keys: Topology) -> Callable[[Gate], Coroutine[Any, Any, None]]:
    async def run(gate: Gate) -> None:
        while True:
            with contextlib.suppress(Unavailable):
                await groups.trim(gate, keys)

    return run
