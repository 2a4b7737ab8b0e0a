"""What the slots of one target share inside a process: lanes worth naming, the lookout, and a bell."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from gantry.clock import Clock
from gantry.streams.lanes import CANDIDATES, Turn
from publisher import telemetry

IDLE_S = 1.0  # the longest an idle target goes without looking: an operator or another host may have made work
OVERTAKEN_US = 60_000_000  # a reply older than the newest by less was overtaken on its way; by more, the clock stepped


@dataclass
class Desk:
    """One per target and process."""

    target: str
    clock: Clock
    hints: tuple[str, ...] = ()
    arrays: bool = False  # the agent has shown that it takes several measures as one batch
    lookout: asyncio.Lock = field(default_factory=asyncio.Lock)  # of all idle slots only one asks the server
    _bell: asyncio.Event = field(default_factory=asyncio.Event)
    _looks_at: float = 0.0  # when the lookout means to ask next, monotonic
    _breaker: str = ""  # as the newest turn told it
    _paused: bool = False
    _at_us: int = 0  # when that ran

    def learn(self, turn: Turn) -> None:
        """Take over what a turn said."""
        self.hints = turn.hints
        if not turn.at_us < self._at_us < turn.at_us + OVERTAKEN_US:
            self._at_us = turn.at_us
            self._note_state(turn)
        if not turn.grants and turn.wait_s is not None and self.clock.monotonic() + turn.wait_s < self._looks_at:
            self.ring()

    def _note_state(self, turn: Turn) -> None:
        if turn.breaker != self._breaker:
            telemetry.breaker_seen(self.target, turn.breaker, self._breaker, turn.breaker_reason)
            self._breaker = turn.breaker
        if turn.paused != self._paused:
            telemetry.pause_seen(self.target, paused=turn.paused)
            self._paused = turn.paused

    def offer(self, lanes: Sequence[str]) -> None:
        """These lanes have just become due; those that the server named have waited longer."""
        self.hints = tuple(dict.fromkeys((*self.hints, *lanes)))[:CANDIDATES]
        self.ring()

    def ring(self) -> None:
        """Wake the lookout."""
        self._bell.set()

    def answer_the_bell(self) -> None:
        """Before asking: what rings from here on is news."""
        self._bell.clear()

    async def rest(self, turn: Turn) -> None:
        """Until the bell, or until something may be due by what the turn said."""
        wait_s = IDLE_S if turn.wait_s is None else min(turn.wait_s, IDLE_S)
        self._looks_at = self.clock.monotonic() + wait_s
        try:
            async with asyncio.timeout(wait_s):
                await self._bell.wait()
        except TimeoutError:
            return
        finally:
            self._looks_at = 0.0
