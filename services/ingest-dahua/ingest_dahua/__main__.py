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
from gantry.streams.gauges import Received
from gantry.streams.leases import Lease
from gantry.streams.scripts import Scripts
from gantry.topology import Topology, recorder_duty
from ingest_dahua.camera import SILENT_BEATS, Camera, address_of, recorder_name
from ingest_dahua.config import Config
from ingest_dahua.forwarder import Forwarder
from ingest_dahua.link import Link
from ingest_dahua.outlook import Outlook
from ingest_dahua.service import Service
from ingest_dahua.spool import Spool
from ingest_dahua.vpn import Vpn

NAME = "ingest-dahua"


def build(config: Config, link: Link, calls: Scripts, keys: Topology, health: Health, clock: SystemClock) -> Service:
    """The service with its parts."""
    recorder = link.host
    password = config.camera_pass.get_secret_value()
    return Service(
        recorder,
        Camera(config.traffic_ivss_url, config.camera_user, password, heartbeat_s=config.dahua_heartbeat_s),
        new_lease=partial(Lease, calls, keys, recorder_duty(recorder), config.instance, clock),
        open_spool=partial(Spool, config.dahua_spool_dir, recorder, max_bytes=config.dahua_spool_max_bytes),
        new_forwarder=lambda inbox, spool, beat: Forwarder(
            recorder, inbox, spool, calls=calls, keys=keys, quota=config.device_quota, clock=clock, beat=beat
        ),
        link=link,
        health=health,
        clock=clock,
        chance=random.Random(),
    )


def watched(config: Config, health: Health, clock: SystemClock) -> tuple[Link, Outlook]:
    """What is known of the recorder, and the loop that watches the way to it."""
    name, silent_s = recorder_name(config.traffic_ivss_url), SILENT_BEATS * config.dahua_heartbeat_s
    link = Link(host=name, clock=clock, silent_s=silent_s)
    vpn = Vpn(config.vpn_iface) if config.vpn_iface else None
    return link, Outlook(link, address_of(config.traffic_ivss_url), vpn, clock=clock, beat=health.loop("outlook"))


async def serve(config: Config, stop: asyncio.Event) -> None:
    """Run until `stop`."""
    clock = SystemClock()
    client = connect(config, NAME)
    calls, keys, health = Scripts(client), Topology(config.gantry_site), Health(clock)
    link, outlook = watched(config, health, clock)
    service = build(config, link, calls, keys, health, clock)
    presence = Presence(
        service=NAME, config=config, calls=calls, keys=keys, health=health, clock=clock, says=outlook.says
    )
    gauges = Received(Books(client, calls, keys))
    workers = [runtime.serve_health(health, config.metrics_port), presence.run, service.run, outlook.run, gauges.run]
    try:
        await runtime.run_workers([*workers, partial(durability.watch, client, health)], stop)
    finally:
        await presence.leave()
        await client.aclose()


def main() -> None:
    sys.exit(runtime.main(NAME, Config, serve, os.environ))


if __name__ == "__main__":
    main()
