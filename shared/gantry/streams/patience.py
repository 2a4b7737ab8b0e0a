"""Repeating a step until the server answers, without looking dead and without outliving the process."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from gantry.backoff import delay
from gantry.clock import Clock, SystemClock
from gantry.errors import Refused, Unavailable
from gantry.health import Health
from gantry.runtime import pause
from gantry.streams.scripts import Once

log = structlog.get_logger()

FIRST_S = 0.1
CAP_S = 2.0
SAY_AGAIN_S = 30.0


class Patience:
    """Calls whose `sure` keeps the loop's beat while it waits, and raises Unavailable once `stop` is set.

    That the server is away, `health` hears from Presence; that it does not let us, from here.
    """

    def __init__(
        self,
        calls: Once,
        stop: asyncio.Event,
        beat: Callable[[], None],
        *,
        clock: Clock | None = None,
        health: Health | None = None,
    ) -> None:
        self._calls, self._stop, self._beat = calls, stop, beat
        self._chance = random.Random()
        self._outage, self._health = _Outage(clock or SystemClock()), health

    async def once(self, name: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        return await self._calls.once(name, keys, arguments)

    async def sure(self, name: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        attempt = 0
        while True:
            self._beat()
            try:
                reply = await self._calls.once(name, keys, arguments)
            except Unavailable as error:
                self._goes_on(name, error)
                if self._stop.is_set():
                    raise
                await pause(self._stop, delay(attempt, first_s=FIRST_S, cap_s=CAP_S, chance=self._chance))
                attempt += 1
            else:
                self._is_over(name)
                return reply

    def _goes_on(self, name: str, error: Unavailable) -> None:
        self._outage.goes_on(str(error))
        if self._health and isinstance(error, Refused):
            self._health.lacks(f"access:{name}", str(error))

    def _is_over(self, name: str) -> None:
        self._outage.is_over()
        if self._health and f"access:{name}" in self._health.missing():
            self._health.has(f"access:{name}")


class _Outage:
    """What the log is told: the first failure, a line about every SAY_AGAIN_S seconds, and the end.

    One for all calls of a Patience, so that many waiting at once do not each say it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: float | None = None
        self._said = 0.0

    def goes_on(self, reason: str) -> None:
        now = self._clock.monotonic()
        if self._since is None:
            self._since = self._said = now
            log.warning("server_went_away", reason=reason)
        elif now - self._said >= SAY_AGAIN_S:
            self._said = now
            log.warning("server_still_away", reason=reason, seconds=round(now - self._since))

    def is_over(self) -> None:
        if self._since is not None:
            log.warning("server_is_back", seconds=round(self._clock.monotonic() - self._since, 1))
            self._since = None
