"""The composition root: settings → clients → loops."""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial
from typing import Any

from gantry import maps, runtime
from gantry.clock import SystemClock
from gantry.health import Health
from gantry.maps import Maps
from gantry.presence import Presence
from gantry.streams import durability, groups
from gantry.streams.books import Books
from gantry.streams.client import connect
from gantry.streams.gauges import LedgerGauges
from gantry.streams.leases import Lease
from gantry.streams.patience import Patience
from gantry.streams.processing import Processing
from gantry.streams.scripts import Scripts
from gantry.topology import PROCESSOR_DUTY, Topology
from processor import pipeline, telemetry
from processor.config import Config
from processor.duty import Duty
from processor.news import BLOCK_S, News
from processor.service import Service

NAME = "processor"


async def serve(config: Config, stop: asyncio.Event) -> None:
    """Run until `stop`. Raises SettingsError for a bad file in CONFIG_DIR."""
    given = maps.load(config.config_dir)
    clock, keys = SystemClock(), Topology(config.gantry_site)
    client, waiting = connect(config, NAME), connect(config, f"{NAME}-news", block_s=BLOCK_S)
    calls, health = Scripts(client), Health(clock)
    duty = Duty(Lease(calls, keys, PROCESSOR_DUTY, config.instance, clock), health)
    presence = Presence(
        service=NAME,
        config=config,
        calls=calls,
        keys=keys,
        health=health,
        clock=clock,
        says=lambda: said(config, duty, given),
    )

    async def work(stop: asyncio.Event) -> None:
        await groups.prepare_once_reachable(client, keys, health, stop)
        beat = health.loop("work")
        service = Service(
            duty=duty,
            processing=Processing(
                Patience(calls, stop, beat, clock=clock, health=health), keys, dedup_ttl_s=config.dedup_ttl_s
            ),
            news=News(waiting, keys.raw),
            decide=partial(pipeline.decide, maps=given),
            health=health,
            clock=clock,
            beat=beat,
        )
        gauges = LedgerGauges(Books(client, calls, keys), telemetry.LEDGER_TERMS, streams=("raw",))
        await runtime.run_workers([duty.run, service.run, gauges.run, partial(durability.watch, client, health)], stop)

    try:
        await runtime.run_workers([runtime.serve_health(health, config.metrics_port), presence.run, work], stop)
    finally:
        await presence.leave()
        await client.aclose()
        await waiting.aclose()


def said(config: Config, duty: Duty, given: Maps) -> dict[str, Any]:
    """What others may read of this process in its alive key."""
    counts = {maps.ALLOWLIST: len(given.allowed), maps.SERIALS: len(given.serials), maps.NAMES: len(given.names)}
    return {
        "active": duty.mine,
        "dedup_ttl_s": config.dedup_ttl_s,
        "plates": config.plates,
        "maps": {name.partition(".")[0]: count for name, count in counts.items()},
    }


def main() -> None:
    """The command `processor`."""
    sys.exit(runtime.main(NAME, Config, serve, os.environ))


if __name__ == "__main__":
    main()
