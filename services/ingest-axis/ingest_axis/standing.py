"""Is Redis there, and is what it acknowledges on disk? Asked at start, regularly, and when a push finds it away."""

from __future__ import annotations

import asyncio

import redis.exceptions

from gantry.clock import Clock
from gantry.health import Health
from gantry.runtime import pause
from gantry.streams.client import Client
from gantry.streams.durability import weaknesses
from ingest_axis import telemetry

AWAY = "Redis does not answer"

EVERY_S = 30.0
EVERY_AWAY_S = 2.0
FRESH_S = 1.0  # pushes that find Redis away ask again, together at most so often


class Standing:
    """What a push may be promised now."""

    def __init__(self, client: Client, health: Health, clock: Clock, *, accept_weak: bool) -> None:
        self._client, self._health, self._clock, self._accept_weak = client, health, clock, accept_weak
        self._away, self._weak = "not asked yet", ""
        self._asked = -FRESH_S
        self._lock = asyncio.Lock()
        self._beat = health.loop("standing")
        self._told: tuple[str, str] | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Keep asking."""
        while not stop.is_set():
            self._beat()
            if self._away or self._clock.monotonic() - self._asked >= EVERY_S:
                await self._ask()
            await pause(stop, EVERY_AWAY_S)

    async def objection(self, *, to_data: bool) -> str:
        """Why there can be no 200 now, or empty; a test connection only needs Redis to be there."""
        if self._away:
            async with self._lock:
                if self._clock.monotonic() - self._asked >= FRESH_S:
                    await self._ask()
        if self._away:
            return AWAY
        return "Redis would not keep what it acknowledges" if to_data and self._weak and not self._accept_weak else ""

    def lost(self, reason: str) -> None:
        """A push found Redis away; it may come back with other settings."""
        self._away = reason
        self._tell()

    async def _ask(self) -> None:
        try:
            self._weak, self._away = "; ".join(await weaknesses(self._client)), ""
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as error:
            self._away = f"{type(error).__name__}: {error}"
        self._asked = self._clock.monotonic()
        self._tell()

    def _tell(self) -> None:
        """Readiness always; the log once per change."""
        if self._away:
            self._health.lacks("durability", f"{AWAY}: {self._away}")
        elif self._weak and not self._accept_weak:
            self._health.lacks("durability", f"answered 200 would not be durable: {self._weak}")
        else:
            self._health.has("durability")
        now = ("away", "") if self._away else ("weak" if self._weak else "durable", self._weak)
        if now != self._told:
            self._told = now
            telemetry.standing_changed(*now, reason=self._away, accepted=self._accept_weak)
