"""The composition root: settings → clients → loops."""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial
from typing import Any

from gantry import runtime, status
from gantry.clock import SystemClock
from gantry.health import Health
from gantry.presence import Presence
from gantry.streams import groups
from gantry.streams.books import Books
from gantry.streams.client import connect
from gantry.streams.controls import Controls
from gantry.streams.leases import Lease
from gantry.streams.scripts import Scripts
from gantry.topology import JOURNAL_DUTY, Topology
from journal import telemetry
from journal.config import Config
from journal.duty import Duty
from journal.intake import BLOCK_S, Intake
from journal.logfile import LogFile
from journal.service import Journal
from journal.statusfiles import StatusFiles
from journal.tidying import Behind, Tidying

NAME = "journal"


async def serve(config: Config, stop: asyncio.Event) -> None:
    """Run until `stop`."""
    clock, keys = SystemClock(), Topology(config.gantry_site)
    client, waiting = connect(config, NAME), connect(config, f"{NAME}-news", block_s=BLOCK_S)
    calls, health = Scripts(client), Health(clock)
    duty = Duty(Lease(calls, keys, JOURNAL_DUTY, config.instance, clock), config.runtime_dir, health, clock)
    intake, rotated = Intake(client, waiting, keys), asyncio.Event()
    journal = Journal(
        duty=duty,
        source=intake,
        log=LogFile(config.runtime_dir, sync=config.log_fsync == "batch", timed=telemetry.FSYNC_SECONDS.observe),
        rotate_bytes=config.log_rotate_bytes,
        rotated=rotated,
        health=health,
        clock=clock,
        beat=health.loop("work"),
    )
    behind = Behind(intake=intake)
    common: dict[str, Any] = {"folder": config.runtime_dir, "duty": duty, "health": health, "clock": clock}
    tidying = Tidying(keep=config.log_rotate_keep, days=config.log_keep_days, rotated=rotated, **common)
    gather = partial(status.gather, client, keys, Books(client, calls, keys), Controls(client, calls, keys))
    files = StatusFiles(gather=gather, **common)

    def says() -> dict[str, Any]:
        about = {"behind": behind.entries, "lines": journal.lines, "file_bytes": journal.log.size}
        return {"active": duty.mine, "standing_by": duty.standing_by, **about}

    presence = Presence(service=NAME, config=config, calls=calls, keys=keys, health=health, clock=clock, says=says)

    async def work(stop: asyncio.Event) -> None:
        await groups.prepare_once_reachable(client, keys, health, stop)
        await runtime.run_workers([duty.run, journal.run, tidying.run, files.run, behind.run], stop)

    try:
        await runtime.run_workers([runtime.serve_health(health, config.metrics_port), presence.run, work], stop)
    finally:
        await duty.leave()
        await presence.leave()
        await client.aclose()
        await waiting.aclose()


def main() -> None:
    """The command `journal`."""
    sys.exit(runtime.main(NAME, Config, serve, os.environ))


if __name__ == "__main__":
    main()
