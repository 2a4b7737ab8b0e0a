"""The composition root: settings → clients → loops."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

from gantry import devices, runtime, topology
from gantry.clock import SystemClock
from gantry.health import LOOP_LIMIT_S, Health
from gantry.presence import Presence
from gantry.streams import durability, groups
from gantry.streams.books import Books
from gantry.streams.client import Client, connect
from gantry.streams.gauges import LedgerGauges
from gantry.streams.lanes import Lanes, Rate
from gantry.streams.patience import Patience
from gantry.streams.pipelined import Pipelined
from gantry.topology import Topology
from publisher import telemetry
from publisher.config import Config
from publisher.desk import Desk
from publisher.platform import Address, Platform
from publisher.service import NEWS_BLOCK_S, Housekeeping, Publisher, Puller
from publisher.slot import Slot
from publisher.survey import Survey

NAME = "publisher"
SETTLE_S = 5.0


async def serve(config: Config, stop: asyncio.Event) -> None:
    """Run until `stop`. Raises SettingsError for a bad devices.toml in CONFIG_DIR."""
    rates = config.rates(devices.load(config.config_dir))
    clock, keys = SystemClock(), Topology(config.gantry_site)
    client, news = connect(config, NAME), connect(config, f"{NAME}-news", block_s=NEWS_BLOCK_S)
    calls, health = Pipelined(client), Health(clock)
    desks = {target: Desk(target, clock) for target in topology.TARGETS}
    presence = Presence(
        service=NAME,
        config=config,
        calls=calls,
        keys=keys,
        health=health,
        clock=clock,
        says=lambda: said(config, desks),
    )
    gauges = LedgerGauges(Books(client, calls, keys), telemetry.TERMS, streams=("events",))
    address = Address(
        base=config.iota_json_base,
        keys=config.keys,
        timeout_s=config.iota_timeout_s,
        connect_timeout_s=config.iota_connect_timeout_s,
        connections=config.iota_concurrency * len(topology.TARGETS),
        ca_file=config.iota_ca_file,
        proxy=config.iota_proxy,
    )

    async def work(stop: asyncio.Event) -> None:
        await groups.prepare_once_reachable(client, keys, health, stop)
        async with Platform(address, clock) as platform:
            publisher = build(
                config=config,
                rates=rates,
                desks=desks,
                health=health,
                client=client,
                news=news,
                calls=calls,
                platform=platform,
                stop=stop,
            )
            await runtime.run_workers(
                [publisher.run, gauges.run, partial(durability.watch, client, health)], stop, grace_s=grace_s(config)
            )

    try:
        await runtime.run_workers(
            [runtime.serve_health(health, config.metrics_port), presence.run, work],
            stop,
            grace_s=grace_s(config) + SETTLE_S,
        )
    finally:
        await presence.leave()
        await calls.aclose()
        await client.aclose()
        await news.aclose()


def grace_s(config: Config) -> float:
    """A request under way may take its whole time-out."""
    return max(runtime.GRACE_S, config.iota_timeout_s + SETTLE_S)


def said(config: Config, desks: Mapping[str, Desk]) -> dict[str, Any]:
    """What others may read of this process in its alive key; a target to which nothing was sent yet is left out."""
    answers = {target: desk.last for target, desk in desks.items()}
    return {
        "platform": config.platform,
        "answers": {
            target: {"code": last.code, "at_ms": last.at_us // 1000, "reason": last.reason}
            for target, last in answers.items()
            if last
        },
        "limits": {
            "per_minute": config.iota_max_per_minute,
            "burst": config.iota_burst,
            "counts": config.iota_limit_counts,
            "requests_per_s": config.iota_max_requests_per_s,
        },
    }


def build(  # noqa: PLR0913 - what it wires is what it takes
    *,
    config: Config,
    rates: Mapping[str, Rate],
    desks: Mapping[str, Desk],
    health: Health,
    client: Client,
    news: Client,
    calls: Pipelined,
    platform: Platform,
    stop: asyncio.Event,
) -> Publisher:
    """All loops of one publisher."""
    clock, keys = health.clock, Topology(config.gantry_site)
    pulling, sending = health.loop("pull"), health.loop("send", limit_s=2 * config.iota_timeout_s + LOOP_LIMIT_S)
    lanes = Lanes(Patience(calls, stop, sending, health=health), keys)
    chance = random.Random()
    slots = [
        Slot(
            desk=desk,
            lanes=lanes,
            platform=platform,
            limits={arrays: config.limits(arrays, rates) for arrays in (False, True)},
            timeout_s=config.iota_timeout_s,
            secrets=config.secrets,
            clock=clock,
            chance=chance,
        )
        for desk in desks.values()
        for _ in range(config.iota_concurrency)
    ]
    puller = Puller(Lanes(Patience(calls, stop, pulling, health=health), keys), news, keys, desks, health)
    return Publisher(
        client,
        keys,
        config.instance,
        puller,
        slots,
        Housekeeping(
            client, calls, keys, config.instance, Survey(client, keys, clock, partial(config.allowed, rates=rates))
        ),
        grace_s(config),
    )


def main() -> None:
    """The command `publisher`."""
    sys.exit(runtime.main(NAME, Config, serve, os.environ))


if __name__ == "__main__":
    main()
