"""The composition root: settings → clients → loops."""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial

from dashboard import access, app, service, texts
from dashboard.config import Config
from dashboard.live import Live
from dashboard.parts import Parts
from dashboard.reading import Reading
from dashboard.reading.sources import Cache, Sources
from dashboard.reading.tail import Tail
from gantry import runtime
from gantry.clock import SystemClock
from gantry.eventlog import EventLog
from gantry.health import Health
from gantry.presence import Presence
from gantry.streams.books import Books
from gantry.streams.client import Client, connect
from gantry.streams.controls import Controls
from gantry.streams.letters import Letters
from gantry.streams.scripts import Scripts
from gantry.topology import Topology

NAME = "dashboard"
LOG_READERS = 2


def parts(config: Config, client: Client) -> Parts:
    """One of each, on one client."""
    clock, keys, calls = SystemClock(), Topology(config.gantry_site), Scripts(client)
    books, controls, letters = Books(client, calls, keys), Controls(client, calls, keys), Letters(client, calls, keys)
    log = EventLog(config.runtime_dir)
    sources = Sources(
        config=config,
        client=client,
        keys=keys,
        clock=clock,
        books=books,
        controls=controls,
        letters=letters,
        log=log,
        cache=Cache(clock),
        reading_log=asyncio.Semaphore(LOG_READERS),
    )
    reading = Reading(sources)
    return Parts(
        config=config,
        client=client,
        calls=calls,
        keys=keys,
        clock=clock,
        books=books,
        controls=controls,
        letters=letters,
        log=log,
        reading=reading,
        live=Live(reading, Tail(client, keys)),
        texts=texts.load(),
        access=access.build(config, client, calls, keys, clock),
    )


async def serve(config: Config, stop: asyncio.Event) -> None:
    """Run until `stop`. Raises CannotListen."""
    client = connect(config, NAME)
    made = parts(config, client)
    health = Health(made.clock)
    presence = Presence(service=NAME, config=config, calls=made.calls, keys=made.keys, health=health, clock=made.clock)
    work = partial(service.run, app.build(made), [made.live.run, *access.workers(made)], config)
    try:
        await runtime.run_workers([runtime.serve_health(health, config.metrics_port), presence.run, work], stop)
    finally:
        await presence.leave()
        await client.aclose()


def main() -> None:
    """The command `dashboard`."""
    sys.exit(runtime.main(NAME, Config, serve, os.environ))


if __name__ == "__main__":
    main()
