"""What the publishers do, part by part, beside the raw limits of the machine.

One JSON line per figure: name, value, unit, beside (how it was measured, and beside what). Everything runs on this
machine: the server with AOF always, the services, and the twins; so the twins' share of the cores is in the figures.
    make bench NAME=delivery PART=singles,arrays    parts: raw turns singles arrays scale latency pipeline backlog idle
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))  # the rig is the tests' own

import pipeline
from bench import raw
from bench.figures import cpu_s, figure, machine, percentiles
from bench.prefill import Prefill, spread
from builders import some_limits
from end_to_end.rig import Rig, rig
from gantry import topology
from gantry.clock import SystemClock
from gantry.streams.client import connect
from gantry.streams.lanes import HINTS, Lanes, Outcome, Settlement, Turn
from gantry.streams.patience import Patience
from gantry.streams.pipelined import Pipelined
from gantry.topology import Topology
from publisher.desk import Desk

SINGLES = int(os.environ.get("BENCH_SINGLES", "30000"))
ARRAYS = int(os.environ.get("BENCH_ARRAYS", "120000"))
BACKLOG = int(os.environ.get("BENCH_BACKLOG", "129600"))  # 90 days of minutes, as a counter keeps them
RATE = float(os.environ.get("BENCH_RATE", "200"))  # measures a second for the latency figures
SECONDS = float(os.environ.get("BENCH_SECONDS", "10"))
LATENCY_MS = 100
BACKLOG_LATENCY_MS = 5
SCALE_STEPS = (1, 2, 4, 8)
LANES, SLOTS = 200, 16


async def raws(folder: Path) -> None:
    async with rig(folder) as whole:
        await whole.agent(record=False)
        await raw.server(whole)
        await raw.http(whole)


async def turns(folder: Path) -> None:
    """The server's own ceiling: settling and granting singles, without a platform."""
    async with rig(folder, maxmemory="1gb") as whole:
        total = await prefilled(whole, SINGLES // LANES, (topology.EVD,))
        client = connect(whole.server.url, "bench")
        calls = Pipelined(client)
        lanes = Lanes(Patience(calls, asyncio.Event(), lambda: None), Topology(), ladder=0)
        used, began = cpu_s(pid_of(whole, "server")), time.perf_counter()
        turning = Turning(lanes, Desk(topology.EVD, SystemClock()))
        await asyncio.gather(*(turning.slot() for _ in range(SLOTS)))
        seconds, spent = time.perf_counter() - began, cpu_s(pid_of(whole, "server")) - used
        beside = f"{total} measures of {LANES} lanes settled one by one, {SLOTS} at once over one connection, no HTTP"
        figure("turns.singles", total / seconds, "measures/s", beside)
        figure("turns.per_measure", turning.calls / total, "calls", beside)
        figure("turns.cpu.server", spent / total * 1_000_000, "µs", "of the server's processor per measure")
        await calls.aclose()
        await client.aclose()


@dataclass
class Turning:
    """Slots without a platform; like a publisher's they share a desk."""

    lanes: Lanes
    desk: Desk
    calls: int = 0

    async def slot(self) -> None:
        turn = await self._turn(None)
        while turn.grants or turn.hints:
            while turn.grants:
                settled = Settlement(grant=turn.grants[0], outcome=Outcome.DELIVERED, reason="delivered")
                turn = await self._turn(settled)
            await asyncio.sleep(0)
            turn = await self._turn(None)

    async def _turn(self, settle: Settlement | None) -> Turn:
        self.calls += 1
        named, hints = self.desk.name(), self.desk.hints_wanted if settle else HINTS
        turn = await self.lanes.turn(self.desk.target, some_limits(batch_max=1), named, settle=settle, hints=hints)
        self.desk.release(named)
        self.desk.learn(turn, named)
        return turn


async def singles(folder: Path) -> None:
    """One publisher, one measure a request."""
    await drain(folder, "singles", SINGLES, IOTA_BATCH_MAX="1")


async def arrays(folder: Path) -> None:
    """One publisher, a backlog in arrays."""
    await drain(folder, "arrays", ARRAYS, IOTA_BATCH_MAX="30")


async def drain(folder: Path, name: str, measures: int, **settings: str) -> None:
    """Lanes are filled before the publisher starts; counted between a tenth and nine tenths of them."""
    async with rig(folder, maxmemory="2gb", **settings) as whole:
        await whole.agent(record=False)
        total = await prefilled(whole, measures // (2 * LANES), topology.TARGETS)
        whole.service("publisher")
        names = ("publisher", "twin-agent", "server")
        first = await published(whole, total // 10)
        used, began = {each: cpu_s(pid_of(whole, each)) for each in names}, time.perf_counter()
        done = await published(whole, total * 9 // 10) - first
        seconds = time.perf_counter() - began
        beside = f"{total} measures waiting in {2 * LANES} lanes, 1 publisher, twin at once on the same cores"
        figure(f"{name}.measures", done / seconds, "measures/s", beside)
        for each in names:
            spent = cpu_s(pid_of(whole, each)) - used[each]
            figure(f"{name}.cpu.{each}", spent / done * 1_000_000, "µs", "of its processor per measure")
            figure(f"{name}.load.{each}", spent / seconds, "cores", "of its processor, meanwhile")
        figure(f"{name}.rss.publisher", whole.rss_mb("publisher"), "MB", "under this load")
        audit = await whole.drained()
        figure(f"{name}.balanced", float(audit.balanced), "bool", "gantry audit afterwards")


async def scale(folder: Path) -> None:
    """More and more publishers against a platform that takes its time."""
    concurrency, seconds = 16, 3.0
    settings = {"IOTA_BATCH_MAX": "1", "IOTA_CONCURRENCY": str(concurrency)}
    async with rig(folder, maxmemory="1gb", **settings) as whole:
        await whole.agent("--latency-ms", str(LATENCY_MS), record=False)
        await prefilled(whole, 100, (topology.EVD,))
        running = 0
        for wanted in SCALE_STEPS:
            names = [whole.service("publisher", str(number)) for number in range(running, wanted)]
            await whole.ready(*names)
            await whole.tell("twin-agent", "/twin/forget")
            await asyncio.sleep(0.5)
            running, first, began = wanted, await published(whole, 0), time.perf_counter()
            await asyncio.sleep(seconds)
            rate = (await published(whole, 0) - first) / (time.perf_counter() - began)
            most = (await whole.ask("twin-agent", "/twin/state"))["devices_in_flight_max"]
            ideal = wanted * concurrency * 1000 / LATENCY_MS
            beside = f"{wanted} publishers, one target, twin with {LATENCY_MS} ms, IOTA_CONCURRENCY {concurrency}"
            figure(f"scale.{wanted}.measures", rate, "measures/s", f"{beside}; at most {ideal:.0f} by latency alone")
            figure(f"scale.{wanted}.in_flight", most, "requests", f"the most that the twin saw at once; {beside}")


async def latency(folder: Path) -> None:
    """From the last byte of a recorder's event to the receipt of its measure; every other event is a Stop."""
    events = int(2 * RATE * SECONDS)
    async with rig(folder) as whole:
        await whole.agent(record=False)
        await whole.recorder(*pipeline.CROSSINGS, "--rate", str(2 * RATE), "--events", str(events))
        for name in ("publisher", "processor"):
            whole.service(name)
        await whole.ready("publisher", "processor")
        whole.service("ingest-dahua")
        await whole.reaches("received", events, within_s=SECONDS + 60)
        await whole.drained()
        ages = await pipeline.ages_ms(whole)
        beside = f"{RATE:.0f} measures/s of {2 * RATE:.0f} events/s, twin at once, receipts of {len(ages)} measures"
        percentiles("latency", ages, beside)


async def whole_pipeline(folder: Path) -> None:
    """Everything on these cores, as fast as it goes, with the memory of each service."""
    for name, batch in (("batched", 30), ("single", 1)):
        (folder / name).mkdir()
        await pipeline.throughput(folder / name, f"pipeline.{name}", batch)


async def backlog(folder: Path) -> None:
    """Live devices, without and with one beside them that has ninety days of minutes waiting."""
    async with rig(folder, maxmemory="2gb") as whole:
        await whole.agent("--latency-ms", str(BACKLOG_LATENCY_MS), record=False)
        prefill = Prefill(whole.client)
        await prefill.open()
        whole.service("publisher")
        await whole.ready("publisher")
        await live(whole, prefill, "backlog.without", "no backlog")
        began = time.perf_counter()
        await prefill.commit((topology.EVD, "old") for _ in range(BACKLOG))
        figure("backlog.fill", BACKLOG / (time.perf_counter() - began), "measures/s", "committed while it drains")
        waiting = (await whole.ledger()).outcomes["waiting"]
        await live(whole, prefill, "backlog.with", f"one device with {waiting} measures waiting at the beginning")
        left = (await whole.ledger()).outcomes["waiting"]
        figure("backlog.left", left, "measures", "still waiting at the end; 0: the last part was measured without any")


async def live(whole: Rig, prefill: Prefill, name: str, beside: str) -> None:
    """Measures of LANES devices at RATE for SECONDS, and how long theirs take."""
    since = (await whole.client.time())[0] * 1_000_000
    sent, began = 0, time.perf_counter()
    while (passed := time.perf_counter() - began) < SECONDS:
        want = int(passed * RATE) - sent
        await prefill.commit((topology.EVD, f"bench-{number % LANES}") for number in range(sent, sent + want))
        sent += want
        await asyncio.sleep(0.01)
    await asyncio.sleep(1.0)
    ages = [
        (int(receipt[b"t"]) - int(t_rx)) / 1000
        for _, receipt in await whole.client.xrange(Topology().receipts)
        if receipt[b"lane"] != b"old"
        for t_rx in receipt[b"t_rx"].split()
        if int(t_rx) >= since
    ]
    beside = f"{len(ages)} receipts of {sent} measures of {LANES} devices, {RATE:.0f}/s, no limit, {beside}"
    percentiles(name, ages, f"{beside}; twin with {BACKLOG_LATENCY_MS} ms, 1 publisher")


async def idle(folder: Path) -> None:
    """What publishers cost that have nothing to do."""
    async with rig(folder) as whole:
        await whole.agent(record=False)
        names = [whole.service("publisher", str(number)) for number in range(8)]
        await whole.ready(*names)
        await asyncio.sleep(2)
        seconds = 10.0
        used = {name: cpu_s(pid_of(whole, name)) for name in (*names, "server")}
        await asyncio.sleep(seconds)
        spent = {name: cpu_s(pid_of(whole, name)) - before for name, before in used.items()}
        beside = f"8 publishers with nothing to send, {seconds:.0f} s"
        figure("idle.cpu.publisher", sum(spent[name] for name in names) / 8 / seconds * 100, "% of a core", beside)
        figure("idle.cpu.server", spent["server"] / seconds * 100, "% of a core", beside)
        figure("idle.rss.publisher", max(map(whole.rss_mb, names)), "MB", f"the largest of {beside}")


async def prefilled(whole: Rig, each: int, targets: tuple[str, ...]) -> int:
    """So many measures for each of LANES devices a target, in their lanes; how many in all."""
    prefill = Prefill(whole.client)
    await prefill.open()
    total = await prefill.commit(spread(LANES, each, targets))
    await prefill.pull()
    return total


async def published(whole: Rig, number: int) -> int:
    return (await whole.reaches("published", number, within_s=120)).outcomes["published"]


def pid_of(whole: Rig, name: str) -> int:
    if name != "server":
        return whole.children[name].pid
    assert whole.server.process is not None
    return whole.server.process.pid


PARTS = {
    "raw": raws,
    "turns": turns,
    "singles": singles,
    "arrays": arrays,
    "scale": scale,
    "latency": latency,
    "pipeline": whole_pipeline,
    "backlog": backlog,
    "idle": idle,
}


async def main() -> None:
    wanted = [name for name in os.environ.get("PART", "").split(",") if name] or list(PARTS)
    if unknown := set(wanted) - set(PARTS):
        sys.exit(f"PART: {', '.join(sorted(unknown))}? It is one or more of: {','.join(PARTS)}")
    machine()
    with tempfile.TemporaryDirectory(prefix="gantry-", dir="/tmp") as top:
        for name in wanted:
            folder = Path(top) / name
            folder.mkdir()
            await PARTS[name](folder)


if __name__ == "__main__":
    asyncio.run(main())
