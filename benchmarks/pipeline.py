"""Throughput and latency of the whole pipeline, beside the raw limits of the machine it runs on.

One JSON line per figure: name, value, unit, beside (what it was measured beside, or how). Everything runs on this
machine: the server with AOF always, all services, and the twins; so the twins' share of the cores is in the figures.
    BENCH_EVENTS=20000 BENCH_RATE=150 make bench NAME=pipeline
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))  # the rig is the tests' own

from bench import raw
from bench.figures import figure, machine, percentiles, rss_mb
from end_to_end.rig import Rig, rig

EVENTS = int(os.environ.get("BENCH_EVENTS", "8000"))
RATE = float(os.environ.get("BENCH_RATE", "100"))  # events a second for the latency figures
SECONDS = float(os.environ.get("BENCH_SECONDS", "15"))
FULL_SPEED = "100000"  # more than the recorder's twin can make
CROSSINGS = ("--generate", "--only", "CrossLineDetection", "--channels", "40", "--seed", "1")


async def started(whole: Rig, *recorder: str, agent_first: bool = True) -> None:
    if agent_first:
        await whole.agent(record=False)
    await whole.recorder(*CROSSINGS, *recorder)
    for name in ("publisher", "processor", "ingest-dahua"):
        whole.service(name)


async def throughput(folder: Path, name: str, batch: int) -> None:
    """Everything as fast as it goes: from the first event received to the last receipt."""
    async with rig(folder, maxmemory="1gb", IOTA_BATCH_MAX=str(batch)) as whole:
        await started(whole, "--rate", FULL_SPEED, "--events", str(EVENTS))
        await whole.reaches("received", 1)
        began = time.perf_counter()
        await whole.reaches("received", EVENTS, within_s=300)
        received = time.perf_counter() - began
        audit = await whole.drained(within_s=300)
        seconds = time.perf_counter() - began
        published = audit.ledger.outcomes["published"]
        beside = f"{EVENTS} events (half of them Stops) through recorder, Redis and agent twin, 1 publisher"
        figure(f"{name}.received", EVENTS / received, "events/s", beside)
        figure(f"{name}.events", EVENTS / seconds, "events/s", beside)
        figure(f"{name}.measures", published / seconds, "measures/s", f"{beside}, at most {batch} a request")
        figure(f"{name}.balanced", float(audit.balanced), "bool", "gantry audit afterwards")
        for process in ("ingest-dahua", "processor", "publisher"):
            figure(f"{name}.rss.{process}", rss_mb(whole.children[process].pid), "MB", "at the end of the run")
        assert whole.server.process is not None
        figure(f"{name}.rss.server", rss_mb(whole.server.process.pid), "MB", "at the end of the run")


async def latency(folder: Path) -> None:
    """At a steady rate: from the recorder's last byte of an event to the receipt of its measure."""
    async with rig(folder) as whole:
        await whole.agent(record=False)
        await whole.recorder(*CROSSINGS, "--rate", str(RATE), "--events", str(int(RATE * SECONDS)))
        for name in ("publisher", "processor", "ingest-dahua"):
            whole.service(name)
        await whole.reaches("received", int(RATE * SECONDS), within_s=SECONDS + 60)
        await whole.drained()
        ages = await ages_ms(whole)
        beside = f"{RATE:.0f} events/s, agent answers at once, receipts of {len(ages)} measures"
        percentiles("latency", ages, beside)


async def counters(folder: Path) -> None:
    """Two counters' first contact: a day of minutes each, in one push each, all the way to their receipts."""
    minutes = 2 * 24 * 60
    async with rig(folder, maxmemory="1gb") as whole:
        await whole.agent(record=False)
        for name in ("publisher", "processor", "ingest-axis"):
            whole.service(name)
        await whole.ready("publisher", "processor", "ingest-axis")
        whole.counter("--counters", "2", "--history-hours", "24", "--pushes", "1", "--interval", "0.2")
        await whole.reaches("received", 1)
        began = time.perf_counter()
        await whole.reaches("received", minutes)
        received = time.perf_counter() - began
        await whole.drained(within_s=120)
        beside = "a day of minutes from two counters, TLS, one push each"
        figure("counters.received", minutes / received, "minutes/s", beside)
        figure("counters.measures", minutes / (time.perf_counter() - began), "measures/s", f"{beside}, to the receipt")
        figure("counters.rss.ingest-axis", rss_mb(whole.children["ingest-axis"].pid), "MB", "at the end of the run")


async def ages_ms(whole: Rig) -> list[float]:
    ages = []
    for _, receipt in await whole.client.xrange("gantry:{main}:receipts"):
        ages += [(int(receipt[b"t"]) - int(t_rx)) / 1000 for t_rx in receipt[b"t_rx"].split()]
    return ages[len(ages) // 10 :]  # the first tenth warms up


async def main() -> None:
    machine()
    with tempfile.TemporaryDirectory(prefix="gantry-", dir="/tmp") as top:
        folders = [Path(top) / name for name in ("raw", "one", "many", "slow", "counters")]
        for folder in folders:
            folder.mkdir()
        async with rig(folders[0]) as whole:
            await whole.agent(record=False)
            await raw.server(whole)
            await raw.http(whole)
        await throughput(folders[1], "singles", 1)
        await throughput(folders[2], "batched", 30)
        await latency(folders[3])
        await counters(folders[4])


if __name__ == "__main__":
    asyncio.run(main())
