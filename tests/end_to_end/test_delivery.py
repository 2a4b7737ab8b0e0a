"""Eight publishers are killed and suspended while the platform fails in every way; each lane keeps its order."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from end_to_end import breakers, record
from end_to_end.breakers import Watch
from end_to_end.feed import POISON, Feed, Lane
from end_to_end.havoc import Havoc, schedule
from end_to_end.record import Excuses, Letter, Request
from end_to_end.rig import Rig, rig
from gantry import topology
from gantry.ledger import Ledger
from gantry.streams.scripts import Scripts, text
from gantry.topology import Topology
from twins.agent.answers import FAULTS
from wait import until

SECONDS = float(os.environ.get("DELIVERY_SECONDS", "17"))  # `make soak NAME=delivery` runs ten minutes
RATE = float(os.environ.get("DELIVERY_RATE", "100"))  # events a second
SEED = int(os.environ.get("DELIVERY_SEED", "7"))
PUBLISHERS, DEVICES = 8, 200
TIMEOUT_S = 1.0
LEASE_S = 2 * TIMEOUT_S + 10
REAPED_S = 10 + 5 + 5  # the alive key's life, the housekeeping's pause, and a busy machine
LATENCY_MS = 250  # so that whoever is struck has something in hand
SHOWN = 20
SETTINGS = {
    "IOTA_TIMEOUT_S": str(TIMEOUT_S),
    "IOTA_CB_COOLDOWN_SEC": "1.5",
    "IOTA_CB_OPEN_AFTER": "10",
    "IOTA_CONCURRENCY": "8",
}
CHANCES = {"target": 0.004, "device": 0.003, "timeout": 0.01, "throttled": 0.01}  # these stop more than one request
CHANCE = 0.015  # of each other class

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(180 + 2 * SECONDS)]


@dataclass
class Trial:
    """What runs."""

    whole: Rig
    feed: Feed
    watch: Watch
    havoc: Havoc
    names: list[str]


async def test_order_and_receipts_survive_faults_kills_and_suspensions(tmp_path: Path) -> None:
    async with trial(tmp_path) as made:
        await script_faults(made.whole)
        blows = schedule(made.names, SECONDS, LEASE_S, SEED)
        async with asyncio.TaskGroup() as group:
            group.create_task(made.feed.run(RATE, SECONDS))
            group.create_task(made.havoc.run(blows, LEASE_S))
        await made.whole.tell("twin-agent", "/twin/clear")
        await drained(made.whole)
        await no_trace_of_the_dead(made)
        await judge(made)
        await leave_without_a_trace(made)


@contextlib.asynccontextmanager
async def trial(folder: Path) -> AsyncIterator[Trial]:
    async with rig(folder, maxmemory="512mb", **SETTINGS) as whole:
        await whole.agent("--latency-ms", str(LATENCY_MS), "--seed", str(SEED))
        names = [whole.service("publisher", str(number)) for number in range(PUBLISHERS)]
        whole.service("processor")
        await whole.ready("processor", *names)
        feed = Feed(Scripts(whole.client), DEVICES, seed=SEED, late=0.02, poison=0.004)
        watch, over = Watch(whole.client), asyncio.Event()
        watching = asyncio.create_task(watch.run(over))
        try:
            yield Trial(whole, feed, watch, Havoc(whole), names)
        finally:
            over.set()
            await watching


async def script_faults(whole: Rig) -> None:
    """Every class by chance, and measures that are refused however often they are sent."""
    for target, answer in ((topology.EVD, "bad_timestamp"), (topology.CROWD, "type_error")):
        await whole.tell("twin-agent", "/twin/script", {"answer": answer, "match": POISON[target], "target": target})
    for name in FAULTS:
        rule = {"answer": "any", "classes": [name], "probability": CHANCES.get(name, CHANCE), "retry_after_s": 1}
        await whole.tell("twin-agent", "/twin/script", rule)


async def drained(whole: Rig) -> None:
    """The platform is well again; an operator releases what it did not know."""

    async def empty() -> bool:
        await gantry(whole, "release", "--all-platform")
        ledger = await whole.ledger()
        return not ledger.events["in_raw"] and not ledger.outcomes["waiting"]

    await until(empty, "everything to drain", within_s=90)


async def no_trace_of_the_dead(made: Trial) -> None:
    """The list of publishers names the living, and no lane is leased or due."""
    whole, keys = made.whole, Topology()

    async def only_the_living() -> bool:
        rows = await whole.client.xinfo_consumers(keys.events, topology.PUBLISHER_GROUP)
        pids = {text(row["name"]).split("-")[-2] for row in rows if text(row["name"]) != topology.PUBLISHER_CONSUMER}
        return len(rows) == PUBLISHERS + 1 and pids == {str(whole.children[name].pid) for name in made.names}

    await until(only_the_living, "XINFO CONSUMERS to name the living publishers and no other", within_s=REAPED_S)

    async def nothing_leased() -> bool:  # the newest sent again is not among what waits
        states = [await whole.client.hgetall(keys.lane_state(target)) for target in topology.TARGETS]
        due = [await whole.client.zcard(keys.due(target)) for target in topology.TARGETS]
        return not any(due) and not any(field.endswith(b":token") for state in states for field in state)

    await until(nothing_leased, "no lane to be leased or due")


async def judge(made: Trial) -> None:
    whole = made.whole
    assert await gantry(whole, "audit") == 0, "gantry audit; see gantry.log"
    ledger = await whole.ledger()
    assert ledger.outcomes["published"] + ledger.outcomes["dead_out"] == ledger.measures == made.feed.total
    found = record.requests(whole.folder / "measures.ndjson", latency_ms=LATENCY_MS)
    letters = await dead_letters(whole)
    verdict = record.judge(found, made.feed.accepted, letters, excuses(made))
    lease_us = int(LEASE_S * 1_000_000)
    probing = breakers.wrong(made.watch.openings, found, lease_us=lease_us, resumed_us=made.havoc.resumed_us)
    report(made, found, ledger, verdict.repeated, verdict.resent)
    wrong = [*verdict.wrong, *record.unjust(letters, found), *probing]
    assert not wrong, f"{len(wrong)} things, the first: " + "\n".join(wrong[:SHOWN])
    assert set(FAULTS) <= set(breakers.classes(found)), "each class was given"


def excuses(made: Trial) -> Excuses:
    """A killed or stopped publisher may not have booked its last answers; what one did not hear, it says itself."""
    unheard: dict[tuple[Lane, int], list[int]] = {}
    for name in made.names:
        for line in made.whole.log(name).splitlines():
            said = json.loads(line) if line.startswith("{") else {}
            if said.get("event") == "not_delivered" and said["reason"] in record.MAY_REPEAT:
                key = ((said["target"], said["lane"]), int(said["from_seq"]))
                unheard.setdefault(key, []).append(sent_us(said))
    return Excuses(made.havoc.ends, LATENCY_MS * 1000, unheard)


def sent_us(said: dict[str, Any]) -> int:
    """When a request was sent whose end a publisher logs."""
    return round(datetime.fromisoformat(said["timestamp"]).timestamp() * 1_000_000 - said["ms"] * 1000)


async def dead_letters(whole: Rig) -> list[Letter]:
    rows = await whole.client.xrange(Topology().dead)
    found = []
    for _, raw in rows:
        fields = {text(name): text(value) for name, value in raw.items()}
        number = json.loads(fields["body"])["ruleId"]
        lane = (fields["target"], fields["lane"])
        found.append(Letter(lane, number, fields["reason"], int(fields["attempts"])))
    return found


async def leave_without_a_trace(made: Trial) -> None:
    """SIGTERM: exit code 0, and the list of publishers is empty."""
    for name in made.names:
        await made.whole.children[name].stop()
    assert {name: made.whole.children[name].code for name in made.names} == dict.fromkeys(made.names, 0)
    rows = await made.whole.client.xinfo_consumers(Topology().events, topology.PUBLISHER_GROUP)
    assert [text(row["name"]) for row in rows] == [topology.PUBLISHER_CONSUMER]


async def gantry(whole: Rig, *arguments: str) -> int:
    """The operator's command; its exit code."""
    environ = {**os.environ, "REDIS_URL": whole.server.url, "CONFIG_DIR": str(whole.folder / "config")}
    with (whole.folder / "gantry.log").open("ab") as log:
        command = [sys.executable, "-m", "gantry_cli", *arguments]
        process = await asyncio.create_subprocess_exec(*command, env=environ, stdout=log, stderr=log)
        return await process.wait()


def report(made: Trial, found: list[Request], ledger: Ledger, repeated: int, resent: int) -> None:
    """One line of figures, for those who run it with -s."""
    crashes = [name for name in made.names if re.search('"event":"crashed"', made.whole.log(name))]
    figures = {
        "measures": ledger.measures,
        "requests": len(found),
        "published": ledger.outcomes["published"],
        "letters": ledger.outcomes["dead_out"],
        "repeated": repeated,
        "resent": resent,
        "kills": made.havoc.kills,
        "stops": len(made.havoc.resumed_us),
        "stops_beyond_the_lease": made.havoc.long_stops,
        "trips": made.watch.trips,
        "openings": len(made.watch.openings),
        "probes_seen": sum(len(breakers.probes(opening, found)) for opening in made.watch.openings),
        "answers": breakers.classes(found),
        "settled_too_late": sum(made.whole.log(name).count('"event":"settled_too_late"') for name in made.names),
        "crashed": crashes,
        "seed": SEED,
    }
    sys.stdout.write(json.dumps(figures) + "\n")
    assert crashes == []
