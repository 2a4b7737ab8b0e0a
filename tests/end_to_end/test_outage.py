"""The platform is away for a scaled hour: probes and nothing else, then the backlog at the allowed rate."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from end_to_end import breakers, gcra, record
from end_to_end.breakers import Watch
from end_to_end.feed import Feed, Lane
from end_to_end.record import Excuses, Request
from end_to_end.rig import Rig, rig
from gantry import topology
from gantry.streams.scripts import Scripts
from wait import until

SECONDS = float(os.environ.get("OUTAGE_SECONDS", "14"))  # `make soak NAME=outage` takes two minutes for the hour
SCALE = 3600 / SECONDS
COOLDOWN_S = 30 / SCALE  # the default, as scaled as the hour
DEVICES, PUBLISHERS = 500, 4
RATE = 150.0  # events a second, before, during and after
PER_MINUTE, BURST = 240, 3  # of a device
OPEN_AFTER, CONCURRENCY = 20, 16
TIMEOUT_S = 2.0
CALM_S = 3.0  # before and after
EARLY_S = 0.3  # a request may be so long on its way on a busy machine
RSS_MB, GROWTH_MB = 110.0, 20.0
SHOWN = 20
SETTINGS = {
    "IOTA_TIMEOUT_S": str(TIMEOUT_S),
    "IOTA_CB_COOLDOWN_SEC": f"{COOLDOWN_S:.3f}",
    "IOTA_CB_OPEN_AFTER": str(OPEN_AFTER),
    "IOTA_CONCURRENCY": str(CONCURRENCY),
    "IOTA_MAX_PER_MINUTE": str(PER_MINUTE),
    "IOTA_BURST": str(BURST),
}

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(180 + 2 * SECONDS)]


@dataclass
class Trial:
    """What runs, and what was seen of it."""

    whole: Rig
    feed: Feed
    watch: Watch
    names: list[str]
    rss_mb: dict[str, list[float]] = field(default_factory=dict)  # by publisher, in order of time
    backlog: int = 0
    away_us: tuple[int, int] = (0, 0)
    drained_s: float = 0.0


async def test_an_outage_costs_probes_and_nothing_else(tmp_path: Path) -> None:
    async with trial(tmp_path) as made:
        feeding = asyncio.create_task(made.feed.run(RATE, SECONDS + 2 * CALM_S))
        await asyncio.sleep(CALM_S)
        weigh(made)
        await away(made)
        await asyncio.gather(feeding, drain(made))
        audit = await made.whole.drained()
        weigh(made)
        assert audit.differences == []
        assert audit.ledger.outcomes["published"] == audit.ledger.measures == made.feed.total
        found = record.requests(made.whole.folder / "measures.ndjson")
        report(made, found)
        judge(made, found)


@contextlib.asynccontextmanager
async def trial(folder: Path) -> AsyncIterator[Trial]:
    async with rig(folder, maxmemory="512mb", **SETTINGS) as whole:
        await whole.agent()
        names = [whole.service("publisher", str(number)) for number in range(PUBLISHERS)]
        whole.service("processor")
        await whole.ready("processor", *names)
        watch, over = Watch(whole.client), asyncio.Event()
        watching = asyncio.create_task(watch.run(over))
        try:
            yield Trial(whole, Feed(Scripts(whole.client), DEVICES), watch, names)
        finally:
            over.set()
            await watching


async def away(made: Trial) -> None:
    """The balancer before the agent answers 503 to everything."""
    began = time.time_ns() // 1000
    await made.whole.tell("twin-agent", "/twin/outage", {"mode": "html_503"})
    for _ in range(3):
        await asyncio.sleep(SECONDS / 3)
        weigh(made)
    made.backlog = (await made.whole.ledger()).outcomes["waiting"]
    await made.whole.tell("twin-agent", "/twin/outage", {"mode": None})
    made.away_us = (began, time.time_ns() // 1000)


async def drain(made: Trial) -> None:
    """From the breakers' closing until no lane has more than it would have in calm."""

    async def closed() -> bool:
        return set(made.watch.state.values()) == {"closed"}

    async def little() -> bool:
        return (await made.whole.ledger()).outcomes["waiting"] < DEVICES / 10

    await until(closed, "both breakers to close", within_s=2 * SECONDS + 10)
    began = time.monotonic()
    await until(little, "the backlog to drain", within_s=3 * ideal_s() + 20)
    made.drained_s = time.monotonic() - began


def ideal_s() -> float:
    """What a device's limit needs for the backlog of an outage that ends with a cooldown half its length."""
    inflow = RATE / DEVICES
    return max(0.0, (1.5 * SECONDS * inflow - BURST) / (PER_MINUTE / 60 - inflow))


def judge(made: Trial, found: list[Request]) -> None:
    verdict = record.judge(found, made.feed.accepted, [], Excuses())
    lease_us = int((2 * TIMEOUT_S + 10) * 1_000_000)
    ahead = [f"{lane} was {by:.3f} s ahead of its limit" for lane, by in early(found).items() if by > EARLY_S]
    wrong = [*verdict.wrong, *breakers.wrong(made.watch.openings, found, lease_us=lease_us), *ahead]
    assert not wrong, f"{len(wrong)} things, the first: " + "\n".join(wrong[:SHOWN])
    assert verdict.repeated == verdict.resent == 0, "nothing was ambiguous, nothing came late"
    assert made.watch.trips == dict.fromkeys(topology.TARGETS, 1), "each breaker opened once"
    for target in topology.TARGETS:
        tried = attempts(found, target)
        openings = made.watch.of(target)
        most = OPEN_AFTER + PUBLISHERS * CONCURRENCY + len(openings)
        assert len(openings) <= tried <= most, f"{tried} attempts at {target} in the outage, {len(openings)} openings"
    for name, figures in made.rss_mb.items():
        assert max(figures) < RSS_MB, f"{name}: {figures} MB"
        assert figures[-1] - figures[0] < GROWTH_MB, f"{name} has grown: {figures} MB"


def attempts(found: list[Request], target: str) -> int:
    """Requests that met the outage."""
    return sum(request.lane[0] == target and not request.applied for request in found)


def early(found: list[Request]) -> dict[Lane, float]:
    """By how much each lane was ahead of its limit, s."""
    lanes: dict[Lane, list[tuple[int, int]]] = {}
    for request in found:
        lanes.setdefault(request.lane, []).append((request.at_us, len(request.numbers)))
    return {lane: gcra.early_s(arrivals, 60 / PER_MINUTE, BURST) for lane, arrivals in lanes.items()}


def weigh(made: Trial) -> None:
    for name in made.names:
        made.rss_mb.setdefault(name, []).append(round(made.whole.rss_mb(name), 1))


def report(made: Trial, found: list[Request]) -> None:
    """One line of figures, for those who run it with -s."""
    figures = {
        "scale": f"an hour in {SECONDS:.0f} s, cooldown {COOLDOWN_S:.2f} s",
        "measures": made.feed.total,
        "backlog": made.backlog,
        "trips": made.watch.trips,
        "openings": {target: len(made.watch.of(target)) for target in topology.TARGETS},
        "attempts_in_the_outage": {target: attempts(found, target) for target in topology.TARGETS},
        "drained_s": round(made.drained_s, 1),
        "drain_at_least_s": round(ideal_s(), 1),
        "requests": len(found),
        "largest_array": max(len(request.numbers) for request in found),
        "earliest_s": round(max(early(found).values()), 4),
        "rss_mb": made.rss_mb,
    }
    sys.stdout.write(json.dumps(figures) + "\n")
