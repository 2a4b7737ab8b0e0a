"""Repeating a step until the server answers, without looking dead and without outliving the process."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from gantry.backoff import delay
from gantry.errors import Unavailable
from gantry.runtime import pause
from gantry.streams.scripts import Once

log = structlog.get_logger()

FIRST_S = 0.1
CAP_S = 2.0


class Patience:
    """Calls whose `sure` keeps the loop's beat while it waits, and raises Unavailable once `stop` is set."""

    def __init__(self, calls: Once, stop: asyncio.Event, beat: Callable[[], None]) -> None:
        self._calls, self._stop, self._beat = calls, stop, beat
        self._chance = random.Random()

    async def once(self, name: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        return await self._calls.once(name, keys, arguments)

    async def sure(self, name: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        attempt = 0
        while True:
            self._beat()
            try:
                return await self._calls.once(name, keys, arguments)
            except Unavailable as error:
                if self._stop.is_set():
                    raise
                if attempt == 0:
                    log.warning("server_went_away", reason=str(error))
                await pause(self._stop, delay(attempt, first_s=FIRST_S, cap_s=CAP_S, chance=self._chance))
                attempt += 1
