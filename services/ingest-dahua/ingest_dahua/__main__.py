"""Composition root of ingest-dahua."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from functools import partial

from gantry import runtime
from gantry.clock import SystemClock
from gantry.health import Health
from gantry.presence import Presence
from gantry.streams import durability
from gantry.streams.books import Books
from gantry.streams.client import connect
from gantry.streams.gauges import LedgerGauges
from gantry.streams.leases import Lease
from gantry.streams.scripts import Scripts
from gantry.topology import Topology, recorder_duty
from ingest_dahua.camera import Camera, recorder_name
from ingest_dahua.config import Config
from ingest_dahua.forwarder import Forwarder
from ingest_dahua.service import Service
from ingest_dahua.spool import Spool

NAME = "ingest-dahua"


def build(config: Config, calls: Scripts, keys: Topology, health: Health, clock: SystemClock) -> Service:
    """The service with its parts."""
    recorder = recorder_name(config.traffic_ivss_url)
    password = config.camera_pass.get_secret_value()
    return Service(
        recorder,
        Camera(config.traffic_ivss_url, config.camera_user, password, heartbeat_s=config.dahua_heartbeat_s),
        new_lease=partial(Lease, calls, keys, recorder_duty(recorder), config.instance, clock),
        open_spool=partial(Spool, config.dahua_spool_dir, recorder, max_bytes=config.dahua_spool_max_bytes),
        new_forwarder=lambda inbox, spool, beat: Forwarder(
            recorder, inbox, spool, calls=calls, keys=keys, quota=config.device_quota, clock=clock, beat=beat
        ),
        health=health,
        clock=clock,
        chance=random.Random(),
    )


async def serve(config: Config, stop: asyncio.Event) -> None:
    """Run until `stop`."""
    clock = SystemClock()
    client = connect(config.redis_url, NAME)
    calls, keys, health = Scripts(client), Topology(config.gantry_site), Health(clock)
    service = build(config, calls, keys, health, clock)
    presence = Presence(service=NAME, config=config, calls=calls, keys=keys, health=health, clock=clock)
    gauges = LedgerGauges(Books(client, calls, keys), ("received",))
    workers = [runtime.serve_health(health, config.metrics_port), presence.run, service.run, gauges.run]
    try:
        await runtime.run_workers([*workers, partial(durability.watch, client, health)], stop)
    finally:
        await presence.leave()
        await client.aclose()


def main() -> None:
    sys.exit(runtime.main(NAME, Config, serve, os.environ))


if __name__ == "__main__":
    main()
