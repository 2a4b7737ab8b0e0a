"""One request at a time: be granted a lane, POST its oldest measures, settle and be granted the next in one call."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gantry import backoff
from gantry.clock import Clock
from gantry.errors import Unavailable
from gantry.streams.lanes import CANDIDATES, Grant, Lanes, Limits, Outcome, Settlement, Turn
from publisher import render, telemetry
from publisher.classify import classify
from publisher.desk import Desk
from publisher.platform import Post

BACKOFF_FIRST_S = 1.0
BACKOFF_CAP_S = 60.0
STUCK_S = 0.05  # pause when due lanes were named and none was handed out: another publisher is at them


class Platform(Protocol):
    """Where measures go."""

    async def post(self, target: str, device: str, content: bytes) -> Post:
        """Send one request; failures are answers too."""
        ...


@dataclass
class Slot:
    """One of IOTA_CONCURRENCY per target and process."""

    desk: Desk
    lanes: Lanes
    platform: Platform
    limits: Callable[[int], Limits]  # batch size → what the turn enforces
    batch_max: int
    timeout_s: float
    clock: Clock
    chance: random.Random

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; what is in hand then is still sent and settled.

        Stopping while the server is away: what is in hand keeps its lease, which runs out.
        """
        with contextlib.suppress(Unavailable):
            while not stop.is_set():
                grant = await self._look_out(stop)
                while grant is not None:
                    grant = await self._serve(grant, stop)

    async def _look_out(self, stop: asyncio.Event) -> Grant | None:
        """Wait for a turn at the window, then for work; None on `stop`."""
        async with self.desk.lookout:
            while not stop.is_set():
                self.desk.answer_the_bell()
                named, started = self.desk.hints, self.clock.monotonic()
                turn = await self.lanes.turn(self.desk.target, self._limits(), named)
                self.desk.learn(turn)
                if turn.grants:
                    return self._in_time(turn.grants[0], started)
                await self._until_worth_asking(turn, named)
        return None

    async def _until_worth_asking(self, turn: Turn, named: tuple[str, ...]) -> None:
        if not turn.hints:
            await self.desk.rest(turn)
        elif set(turn.hints) <= set(named[:CANDIDATES]):
            await self.desk.rest(dataclasses.replace(turn, wait_s=max(turn.wait_s or 0.0, STUCK_S)))

    async def _serve(self, grant: Grant, stop: asyncio.Event) -> Grant | None:
        """POST and settle; the next grant, if there was one and more is wanted."""
        settlement = await self._deliver(grant)
        started, want = self.clock.monotonic(), 0 if stop.is_set() else 1
        turn = await self.lanes.turn(self.desk.target, self._limits(), self.desk.hints, settle=settlement, want=want)
        self.desk.learn(turn)
        if turn.settled == "stale":
            telemetry.settled_too_late(self.desk.target, grant)
        else:
            telemetry.settled(self.desk.target, settlement, self.clock.now_us())
        return self._in_time(turn.grants[0], started) if turn.grants else None

    async def _deliver(self, grant: Grant) -> Settlement:
        sent = dataclasses.replace(grant, items=grant.items[: render.fit([item.body for item in grant.items])])
        content = render.content([item.body for item in sent.items])
        post = await self.platform.post(self.desk.target, grant.lane, content)
        if post.arrays and not self.desk.arrays:
            self.desk.arrays = True
            telemetry.platform_speaks_arrays(self.desk.target)
        verdict = classify(post.answer, len(sent.items))
        again = verdict.outcome in (Outcome.TRANSIENT, Outcome.DEFERRED)
        delay_s = self._delay(grant.attempts) if again else 0.0
        settlement = Settlement(grant=sent, outcome=verdict.outcome, delay_s=delay_s, reason=verdict.reason)
        telemetry.answered(self.desk.target, settlement, post.seconds)
        return settlement

    def _in_time(self, grant: Grant, started: float) -> Grant | None:
        """A request must end before its lease does; the lease began no earlier than the call that made it."""
        left_s = self._limits().lease_s - (self.clock.monotonic() - started)
        if left_s > self.timeout_s:
            return grant
        telemetry.grant_abandoned(self.desk.target, grant)
        return None

    def _limits(self) -> Limits:
        return self.limits(self.batch_max if self.desk.arrays else 1)

    def _delay(self, attempts: int) -> float:
        return backoff.delay(attempts, first_s=BACKOFF_FIRST_S, cap_s=BACKOFF_CAP_S, chance=self.chance)
