"""What the slots of one target share inside a process: lanes worth naming, the lookout, and a bell."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from gantry.clock import Clock
from gantry.streams.lanes import CANDIDATES, HINTS, Grant, Turn
from publisher import telemetry

IDLE_S = 1.0  # the longest an idle target goes without looking: an operator or another host may have made work
FEW = 4  # hints left: time to ask for more
OVERTAKEN_US = 60_000_000  # a reply older than the newest by less was overtaken on its way; by more, the clock stepped


@dataclass(frozen=True, slots=True)
class LastAnswer:
    """What came of the newest request."""

    code: int  # HTTP's; 0: no answer came
    at_us: int  # since the epoch
    reason: str  # a stable word of classify's table; empty for a receipt


@dataclass
class Desk:
    """One per target and process."""

    target: str
    clock: Clock
    chance: random.Random = field(default_factory=random.Random)
    hints: tuple[str, ...] = ()
    arrays: bool = False  # the agent has shown that it takes several measures as one batch
    last: LastAnswer | None = None  # of this process
    lookout: asyncio.Lock = field(default_factory=asyncio.Lock)  # of all idle slots only one asks the server …
    idle: int = 0  # … for as many lanes as there are idle slots
    spare: deque[tuple[Grant, float]] = field(default_factory=deque)  # granted for them, and when it was asked for
    _bell: asyncio.Event = field(default_factory=asyncio.Event)
    _looks_at: float = 0.0  # when the lookout means to ask next, monotonic
    _breaker: str = ""  # as the newest turn told it
    _paused: bool = False
    _named: set[str] = field(default_factory=set)
    _crowded: bool = False
    _at_us: int = 0  # when that ran
    _shut: bool = False  # lanes are due, and none is handed out: paused, breaker, ceiling

    def name(self, wanted: int = 1) -> tuple[str, ...]:
        """Lanes for the next turn: due, and not named by another turn of this process that is under way.

        As many as are wanted, unless other publishers name the same ones: then several, from anywhere in the queue.
        """
        free = [lane for lane in self.hints if lane not in self._named]
        start = self.chance.randrange(len(free)) if free and self._crowded else 0
        named = tuple((free[start:] + free[:start])[: CANDIDATES if self._crowded else wanted])
        self._named.update(named)
        self.hints = tuple(lane for lane in free if lane not in named)
        return named

    @property
    def wanted(self) -> int:
        """Lanes that idle slots could serve at once."""
        return max(1, min(self.idle, CANDIDATES))

    @property
    def hints_wanted(self) -> int:
        """None while there are enough: to look them up is a tenth of a turn."""
        return 0 if len(self.hints) > FEW else HINTS

    def release(self, named: Sequence[str]) -> None:
        """The turn that named these lanes is over."""
        self._named.difference_update(named)

    def learn(self, turn: Turn, named: Sequence[str]) -> None:
        """Take over what a turn said that had named these lanes."""
        self._crowded = bool(named) and not turn.grants
        self._shut = bool(turn.hints and turn.wait_s)
        if turn.hints or turn.wait_s is not None:
            self.hints = turn.hints
        if not turn.at_us < self._at_us < turn.at_us + OVERTAKEN_US:
            self._at_us = turn.at_us
            self._note_state(turn)
        if not turn.grants and turn.wait_s is not None and self.clock.monotonic() + turn.wait_s < self._looks_at:
            self.ring()

    def worth_asking(self, turn: Turn, named: Sequence[str]) -> bool:
        """Whether the turn told of lanes that nobody here has asked for yet."""
        return any(lane not in self._named and lane not in named for lane in turn.hints)

    def _note_state(self, turn: Turn) -> None:
        if turn.breaker != self._breaker:
            telemetry.breaker_seen(self.target, turn.breaker, self._breaker, turn.breaker_reason)
            self._breaker = turn.breaker
        if turn.paused != self._paused:
            telemetry.pause_seen(self.target, paused=turn.paused)
            self._paused = turn.paused

    def offer(self, lanes: Sequence[str]) -> None:
        """These lanes have just become due; those that the server named have waited longer."""
        self.hints = tuple(dict.fromkeys((*self.hints, *lanes)))[:HINTS]
        self.note_news()

    def note_news(self) -> None:
        """Something may have become due; while the whole target waits, that changes nothing."""
        if not self._shut:
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
