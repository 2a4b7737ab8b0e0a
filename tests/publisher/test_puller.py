"""The loop that pulls, while a later version's entry is the next one."""

from __future__ import annotations

import asyncio
from typing import Any

from gantry.clock import SystemClock
from gantry.health import Health
from gantry.streams.lanes import Pulled
from gantry.topology import Topology
from publisher.service import Puller
from wait import until


class Blocked:
    """Lanes whose next entry cannot be read, and news that are there at once, as that entry is."""

    def __init__(self) -> None:
        self.pulls = self.reads = 0

    async def pull(self) -> Pulled:
        self.pulls += 1
        return Pulled(0, {}, "0-0", newer="2")

    async def xread(self, *_: Any, **__: Any) -> list[Any]:
        self.reads += 1
        return [["events", []]]


async def test_it_waits_says_why_and_does_not_ask_without_a_pause() -> None:
    blocked, health, stop = Blocked(), Health(SystemClock()), asyncio.Event()
    puller = Puller(blocked, blocked, Topology(), {}, health)  # type: ignore[arg-type] # what it calls of both
    pulling = asyncio.create_task(puller.run(stop))

    async def said() -> str:
        return health.missing().get("schema", "")

    assert "a later version wrote the next entry of events (schema 2)" in await until(said, "a reason")
    await asyncio.sleep(0.2)  # that nothing is asked cannot be waited for
    stop.set()
    await pulling
    assert (blocked.pulls, blocked.reads) == (1, 0)
