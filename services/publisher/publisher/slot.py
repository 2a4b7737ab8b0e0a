"""One request at a time: be granted a lane, POST its oldest measures, settle and be granted the next in one call."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gantry.clock import Clock
from gantry.errors import Unavailable
from gantry.streams.lanes import HINTS, Grant, Lanes, Limits, Settlement, Turn
from publisher import reactions, render, telemetry
from publisher.classify import Failure, Judgement, Kind, judge
from publisher.desk import Desk, LastAnswer
from publisher.platform import Post

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
    limits: Mapping[bool, Limits]  # whether arrays may be sent → what the turn enforces
    timeout_s: float
    secrets: Sequence[str]  # what no letter may repeat
    clock: Clock
    chance: random.Random

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; a request under way then is still settled, a lane granted but not sent goes back.

        Stopping while the server is away: what is in hand keeps its lease, which runs out.
        """
        with contextlib.suppress(Unavailable):
            while not stop.is_set():
                granted = await self._look_out(stop)
                while granted is not None:
                    granted = await self._serve(*granted, stop)

    async def _look_out(self, stop: asyncio.Event) -> tuple[Grant, float] | None:
        """Wait for a turn at the window, then for work; the grant, and when it was asked for. None on `stop`."""
        self.desk.idle += 1
        try:
            async with self.desk.lookout:
                return await self._ask(stop)
        finally:
            self.desk.idle -= 1

    async def _ask(self, stop: asyncio.Event) -> tuple[Grant, float] | None:
        """What another slot was granted beside its own comes first, also when stopping: it has to go back."""
        while not (self.desk.spare or stop.is_set()):
            self.desk.answer_the_bell()
            wanted, asked = self.desk.wanted, self.clock.monotonic()
            named = self.desk.name(wanted)
            turn = await self._turn(named, want=wanted, hints=HINTS)
            self.desk.spare.extend((grant, asked) for grant in turn.grants)
            if not turn.grants:
                await self._until_worth_asking(turn, named)
        return self.desk.spare.popleft() if self.desk.spare else None

    async def _until_worth_asking(self, turn: Turn, named: Sequence[str]) -> None:
        if not turn.hints or turn.wait_s:
            await self.desk.rest(turn)
        elif not self.desk.worth_asking(turn, named):
            await self.desk.rest(dataclasses.replace(turn, wait_s=STUCK_S))

    async def _turn(self, named: Sequence[str], **more: Any) -> Turn:
        try:
            turn = await self.lanes.turn(self.desk.target, self._limits(), named, **more)
        finally:
            self.desk.release(named)
        self.desk.learn(turn, named)
        return turn

    async def _serve(self, grant: Grant, asked: float, stop: asyncio.Event) -> tuple[Grant, float] | None:
        """POST and settle; the next grant, if there was one and more is wanted."""
        settlement = await self._deliver(grant) if self._may_send(grant, asked, stop) else reactions.handed_back(grant)
        asked, want = self.clock.monotonic(), 0 if stop.is_set() else 1
        named = self.desk.name() if want else ()
        turn = await self._turn(named, settle=settlement, want=want, hints=self.desk.hints_wanted)
        if turn.settled == "stale":
            telemetry.settled_too_late(self.desk.target, grant)
        else:
            telemetry.settled(self.desk.target, settlement, self.clock.now_us())
        return (turn.grants[0], asked) if turn.grants else None

    def _may_send(self, grant: Grant, asked: float, stop: asyncio.Event) -> bool:
        """A request must end before its lease does; the lease began no earlier than the call that made it."""
        left_s = self._limits().lease_s - (self.clock.monotonic() - asked)
        if left_s > self.timeout_s and not stop.is_set():
            return True
        telemetry.grant_handed_back(self.desk.target, grant)
        return False

    async def _deliver(self, grant: Grant) -> Settlement:
        sent = dataclasses.replace(grant, items=grant.items[: render.fit([item.body for item in grant.items])])
        content = render.content([item.body for item in sent.items])
        post = await self.platform.post(self.desk.target, grant.lane, content)
        judgement = judge(post.answer, len(sent.items), self.secrets, post.detail)
        self._note_arrays(post, judgement)
        self.desk.last = _last(post, judgement, self.clock.now_us())
        settlement = reactions.settlement(sent, judgement, self.chance)
        telemetry.answered(self.desk.target, settlement, judgement, post.seconds)
        return settlement

    def _note_arrays(self, post: Post, judgement: Judgement) -> None:
        """Only a receipt is the agent's own word; an agent may be replaced by an older one."""
        if judgement.kind is Kind.DELIVERED and post.arrays != self.desk.arrays:
            self.desk.arrays = post.arrays
            telemetry.platform_speaks_arrays(self.desk.target, arrays=post.arrays)

    def _limits(self) -> Limits:
        return self.limits[self.desk.arrays]


def _last(post: Post, judgement: Judgement, at_us: int) -> LastAnswer:
    code = 0 if isinstance(post.answer, Failure) else post.answer.status
    return LastAnswer(code, at_us, "" if judgement.kind is Kind.DELIVERED else judgement.reason)
