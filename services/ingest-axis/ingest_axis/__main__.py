"""ingest-axis: wiring."""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from collections.abc import Callable
from datetime import datetime

import uvicorn

from gantry import certificates, runtime, web
from gantry.clock import SystemClock
from gantry.event import new_event_id
from gantry.health import Health
from gantry.presence import Presence
from gantry.streams.books import Books
from gantry.streams.client import connect
from gantry.streams.gauges import Received
from gantry.streams.scripts import Scripts
from gantry.topology import Topology
from ingest_axis import telemetry
from ingest_axis.body import Budget
from ingest_axis.config import Config
from ingest_axis.door import Door
from ingest_axis.endpoint import Endpoint
from ingest_axis.protocol import CarefulProtocol
from ingest_axis.service import Intake
from ingest_axis.standing import Standing
from ingest_axis.tally import Tally

NAME = "ingest-axis"
BODIES_AT_MOST = 2  # of the largest size, in memory at once
CONNECTIONS = 2000  # beyond them 503; the process may have as many files open
KEEP_ALIVE_S = 75
FINISH_S = 15  # for requests in hand at SIGTERM; less than runtime.GRACE_S


async def serve(config: Config, stop: asyncio.Event) -> None:
    """Run until `stop`."""
    clock, keys = SystemClock(), Topology(config.gantry_site)
    client, health = connect(config, NAME), Health(clock)
    scripts = Scripts(client)
    standing = Standing(client, health, clock, accept_weak=config.accept_weak_durability)
    intake = Intake(
        calls=scripts,
        keys=keys,
        standing=standing,
        clock=clock,
        stop=stop,
        quota=config.device_quota,
        new_id=new_event_id,
    )
    door = Door(config.tokens(), config.axis_max_body_bytes)
    budget = Budget(BODIES_AT_MOST * config.axis_max_body_bytes)
    tally = Tally()
    endpoint = Endpoint(intake, door, budget, clock, tally)
    expiry = certificates.read(config.axis_tls_cert).not_after
    telemetry.started(tokens=len(door.tokens), expires_s=expiry.timestamp(), bytes_in_hand=budget.held)
    presence = Presence(
        service=NAME,
        config=config,
        calls=scripts,
        keys=keys,
        health=health,
        clock=clock,
        says=lambda: said(config, tally, expiry),
    )
    pages = runtime.serve_health(health, config.metrics_port)
    gauges = Received(Books(client, scripts, keys))
    try:
        await runtime.run_workers([pages, presence.run, gauges.run, standing.run, listener(endpoint, config)], stop)
    finally:
        await presence.leave()
        await client.aclose()


def said(config: Config, tally: Tally, expiry: datetime) -> dict[str, int]:
    """What others may read of this process in its alive key; times in ms since the epoch, 0 for never."""
    return {
        "port": config.axis_port,
        "pushes": tally.pushes,
        "refused": tally.refused,
        "last_push_ms": tally.last_push_us // 1000,
        "certificate_until_ms": round(expiry.timestamp() * 1000),
    }


def listener(endpoint: Endpoint, config: Config) -> runtime.Worker:
    """The loop that serves AXIS_PORT."""

    async def listen(stop: asyncio.Event) -> None:
        await web.serve(
            endpoint,
            host="0.0.0.0",  # noqa: S104 - counters come from outside
            port=config.axis_port,
            stop=stop,
            http=CarefulProtocol,
            ssl_certfile=config.axis_tls_cert,
            ssl_keyfile=config.axis_tls_key,
            ssl_context_factory=_at_least_tls_1_2,
            limit_concurrency=CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=FINISH_S,
        )

    return listen


def _at_least_tls_1_2(_: uvicorn.Config, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    context = default()
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # OpenSSL's default too, and not ours to leave to it
    return context


def main() -> None:
    """The console script."""
    sys.exit(runtime.main(NAME, Config, serve, os.environ))


if __name__ == "__main__":
    main()
