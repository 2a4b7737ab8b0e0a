"""What a running process says of itself in Redis, for the dashboard and the command line."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

import gantry
from gantry.clock import Clock
from gantry.errors import Refused, Unavailable
from gantry.health import Health
from gantry.runtime import pause
from gantry.settings import Settings
from gantry.streams.scripts import Once
from gantry.topology import Topology

EVERY_S = 3.0
TTL_MS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """Keeps alive:<service>:<instance> while the process lives."""

    service: str
    config: Settings
    calls: Once
    keys: Topology
    health: Health
    clock: Clock
    says: Callable[[], Mapping[str, Any]] = dict  # what only this service knows of its work; JSON

    async def run(self, stop: asyncio.Event) -> None:
        """Say it every EVERY_S seconds; a server that is away is readiness' business, not this loop's."""
        key = self.keys.alive(self.service, self.config.instance)
        since = self.clock.now_us() // 1_000_000
        while not stop.is_set():
            state, reason = self.health.state()
            fields: dict[str, Any] = {"state": state, "reason": reason, "since": since, "version": gantry.__version__}
            fields |= {"configuration": self.config.digest(), "port": self.config.metrics_port}
            fields |= {"says": orjson.dumps(self.says())}
            try:
                if not await self._say(key, fields):  # the first time, and after the key ran out
                    await self._say(key, {"settings": orjson.dumps(self.config.effective())})
                self.health.has("redis")
            except Refused as error:
                self.health.lacks("redis", str(error))
            except Unavailable as error:
                self.health.lacks("redis", f"Redis does not answer: {error}")
            await pause(stop, EVERY_S)

    async def _say(self, key: str, fields: Mapping[str, Any]) -> bool:
        """Whether the settings stand there."""
        flat = [part for pair in fields.items() for part in pair]
        return bool(await self.calls.once("alive", [key], [TTL_MS, *flat]))

    async def leave(self) -> None:
        """Strike this process off, so that nobody takes it for alive; else its key runs out."""
        with contextlib.suppress(Unavailable):
            await self.calls.once("alive", [self.keys.alive(self.service, self.config.instance)], [0, "state", "gone"])
