"""Everything is killed with -9 in turn, under load; nothing is lost, no order is broken, the books balance."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from end_to_end import comparison
from end_to_end.rig import Rig, rig
from wait import until

EVENTS = int(os.environ.get("KILLS_EVENTS", "3000"))  # `make soak NAME=kills` sends 10,000
RATE = int(os.environ.get("KILLS_RATE", "150"))  # a second, Starts and Stops
TIMEOUT_S = 1.0
LEASE_S = 2 * TIMEOUT_S + 10
VICTIMS = ("processor", "publisher", "ingest-axis", "server", "ingest-dahua")

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(600)]


@dataclass
class Kills:
    """When something was killed."""

    at_us: list[int] = field(default_factory=list)
    read_before: int = 0  # events that the killed ingest-dahua had read

    def around(self, at_us: int) -> bool:
        """Whether a request sent then may be a second one because of a kill."""
        return any(0 <= at_us - kill <= (LEASE_S + 10) * 1_000_000 for kill in self.at_us)


async def test_nothing_is_lost_whatever_is_killed(tmp_path: Path) -> None:
    async with rig(tmp_path, IOTA_TIMEOUT_S=str(TIMEOUT_S)) as whole:
        await start(whole)
        kills = Kills()
        for number, victim in enumerate(VICTIMS, 1):
            await whole.reaches("received", number * EVENTS // (len(VICTIMS) + 2))
            await kill_and_start_again(whole, victim, kills)
        await whole.tell("twin-recorder", "/twin/resume")
        await all_sent(whole, kills)
        await whole.children["twin-counter"].stop()
        audit = await whole.drained()
        assert audit.differences == []
        assert audit.ledger.events["dead_in"] == audit.ledger.outcomes["dead_out"] == 0
        await compare(whole, kills)
        assert set((await whole_stop(whole)).values()) <= {0, -9}


async def start(whole: Rig) -> None:
    await whole.agent()
    only = ("--generate", "--only", "CrossLineDetection", "--channels", "12", "--seed", "5")
    await whole.recorder(*only, "--rate", str(RATE), "--events", str(EVENTS))
    for name in ("publisher", "processor", "ingest-axis"):
        whole.service(name)
    await whole.ready("publisher", "processor", "ingest-axis")
    whole.counter(
        "--counters", "2", "--interval", "1", "--minutes-per-push", "1", "--history-hours", "3", "--seed", "5"
    )
    whole.service("ingest-dahua")


async def kill_and_start_again(whole: Rig, victim: str, kills: Kills) -> None:
    """A recorder cannot send again what it sent to a dead process: it pauses while ingest-dahua is killed."""
    if victim == "ingest-dahua":
        await whole.tell("twin-recorder", "/twin/pause")
        kills.read_before = await everything_sent_is_appended(whole, kills)
    kills.at_us.append(time.time_ns() // 1000)
    whole.kill(victim)
    whole.again(victim)
    before = (await whole.ledger()).outcomes["published"]
    if victim == "ingest-dahua":
        await whole.tell("twin-recorder", "/twin/resume")
    await whole.reaches("published", before + 20, within_s=LEASE_S + 40)


async def everything_sent_is_appended(whole: Rig, kills: Kills) -> int:
    """How many events the recorder has sent, all of them in Redis by now."""

    async def equal() -> int:
        generated = int((await whole.ask("twin-recorder", "/twin/state"))["generated"])
        read = await whole.metric("ingest-dahua", "gantry_ingest_dahua_events_received_total")
        appended = await whole.metric("ingest-dahua", "gantry_ingest_dahua_events_appended_total")
        spooled = await whole.metric("ingest-dahua", "gantry_ingest_dahua_spool_entries")
        return generated if read + kills.read_before == generated and appended >= read and not spooled else 0

    return await until(equal, "everything that the recorder sent to be in Redis")


async def all_sent(whole: Rig, kills: Kills) -> None:
    async def done() -> bool:
        return bool((await whole.ask("twin-recorder", "/twin/state"))["generated"] >= EVENTS)

    await until(done, f"the recorder to send {EVENTS} events", within_s=EVENTS / RATE + 60)
    await everything_sent_is_appended(whole, kills)


async def compare(whole: Rig, kills: Kills) -> None:
    rows = whole.measures()
    got = comparison.arrived(rows)
    sent = await whole.ask("twin-recorder", "/twin/sent?from=1")
    starts = {(f"127.0.0.1-{e['channel']}", comparison.stamp(e["time_ms"])) for e in sent if e["action"] == "Start"}
    produced, acked = comparison.minutes(whole.folder / "minutes.ndjson")
    assert starts - set(got.counts) == set(), "crossings that never arrived"
    assert acked - set(got.counts) == set(), "minutes acknowledged that never arrived"
    assert set(got.counts) - starts - set(produced) == set(), "measures that nobody sent"
    assert comparison.out_of_order(rows) == []
    again = [at for times in got.times.values() for at in times[1:]]
    assert [at for at in again if not kills.around(at)] == [], "measures sent twice though nothing was killed"


async def whole_stop(whole: Rig) -> dict[str, int]:
    codes = await whole.stop()
    whole.children.clear()
    return codes
