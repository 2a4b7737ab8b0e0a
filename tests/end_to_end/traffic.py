"""A recorder's crossings and counters' minutes through one site, and what of them arrived."""

from __future__ import annotations

import collections
from dataclasses import dataclass, field

from end_to_end import comparison
from end_to_end.comparison import Key
from end_to_end.rig import Rig
from wait import until

SERVICES = ("publisher", "processor", "ingest-axis")
TIMEOUT_S = "1.0"  # of a request to the agent


@dataclass(frozen=True, slots=True)
class Found:
    """What was sent beside what arrived."""

    lost: set[Key]  # sent, or acknowledged to a counter, and never arrived
    invented: set[Key]
    doubled: dict[Key, int]  # how often, where more than once
    disorder: list[tuple[str, str, str]]
    arrived: int


@dataclass
class Traffic:
    """One site's devices and services."""

    rig: Rig
    events: int
    rate: int = 60  # a second, Starts and Stops
    seed: int = 5
    services: tuple[str, ...] = field(default=SERVICES)

    async def start(self) -> None:
        """Twins and services; flow begins when it returns."""
        only = ("--generate", "--only", "CrossLineDetection", "--channels", "6", "--seed", str(self.seed))
        await self.rig.agent()
        await self.rig.recorder(*only, "--rate", str(self.rate), "--events", str(self.events))
        for name in self.services:
            self.rig.service(name)
        await self.rig.ready(*self.services)
        history = ("--interval", "1", "--minutes-per-push", "1", "--history-hours", "1")
        self.rig.counter("--counters", "1", *history, "--seed", str(self.seed))
        self.rig.service("ingest-dahua")

    async def all_received(self, *, within_s: float = 60) -> None:
        """Wait until the recorder has sent all, and all of it stands in Redis; then the counters stop."""

        async def equal() -> bool:
            generated = int((await self.rig.ask("twin-recorder", "/twin/state"))["generated"])
            return generated >= self.events and await self._appended() == generated

        await until(equal, f"all of {self.events} events to be in Redis", within_s=within_s)
        await self.rig.children["twin-counter"].stop()

    async def _appended(self) -> int:
        name = "ingest-dahua"
        read = await self.rig.metric(name, "gantry_ingest_dahua_events_received_total")
        appended = await self.rig.metric(name, "gantry_ingest_dahua_events_appended_total")
        spooled = await self.rig.metric(name, "gantry_ingest_dahua_spool_entries")
        return int(read) if appended >= read and not spooled else -1

    async def found(self) -> Found:
        """Compare, once everything has drained."""
        rows = self.rig.measures()
        got = comparison.arrived(rows)
        sent = await self.rig.ask("twin-recorder", "/twin/sent?from=1")
        crossings = {
            (f"127.0.0.1-{e['channel']}", comparison.stamp(e["time_ms"])) for e in sent if e["action"] == "Start"
        }
        produced, acked = comparison.minutes(self.rig.folder / "minutes.ndjson")
        counts: collections.Counter[Key] = got.counts
        return Found(
            lost=(crossings | acked) - set(counts),
            invented=set(counts) - crossings - set(produced),
            doubled={key: count for key, count in counts.items() if count > 1},
            disorder=comparison.out_of_order(rows),
            arrived=len(counts),
        )
