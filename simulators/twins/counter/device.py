"""One counter: counts, pushes, and sends again everything since the last 200 at its next interval."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx

from gantry.clock import Clock
from gantry.runtime import pause
from twins.counter import message, people
from twins.counter.message import Look
from twins.counter.people import MINUTE, Minute
from twins.counter.record import Record

MEMORY = 90 * 24 * 60  # minutes: what is older, the device forgets
SENT_AFTER = timedelta(seconds=24)  # real ones push 12 to 38 s after the minute's end
ACKNOWLEDGED = 200  # exactly; the guide names no other


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """When and how much a counter pushes."""

    url: str
    seed: int
    interval_s: float  # of real time between pushes
    minutes_per_push: int  # simulated time between pushes
    history: int  # minutes that the first push carries beside
    pushes: int  # 0: endless
    first: datetime  # the end of the history: simulated time begins here
    delay_s: float = 0.0  # before the first push, so that counters do not push all at once


class Device:
    """One counter with its memory."""

    def __init__(self, look: Look, habit: Habit, client: httpx.AsyncClient, record: Record, clock: Clock) -> None:
        self._look, self._habit, self._client, self._record, self._clock = look, habit, client, record, clock
        self._kept: deque[Minute] = deque(maxlen=MEMORY)  # since the last 200
        self._now = habit.first - habit.history * MINUTE

    async def run(self, stop: asyncio.Event) -> None:
        """Push until `stop`, or until all pushes are made."""
        await pause(stop, self._habit.delay_s)
        self._count(self._habit.history)
        made = 0
        while not stop.is_set():
            began = self._clock.monotonic()
            self._count(self._habit.minutes_per_push)
            await self._push()
            made += 1
            if made == self._habit.pushes:
                return
            await pause(stop, max(0.0, self._habit.interval_s - (self._clock.monotonic() - began)))

    def _count(self, minutes: int) -> None:
        new = people.minutes(self._habit.seed, self._look.serial, self._now, minutes)
        self._now += minutes * MINUTE
        self._kept.extend(new)
        self._record.minutes_produced(self._look.serial, new)

    async def _push(self) -> None:
        sent = list(self._kept)
        answer = await self._post(message.body(self._look, sent, self._now + SENT_AFTER))
        self._record.answered(answer)
        if answer == str(ACKNOWLEDGED):
            self._kept.clear()
            self._record.minutes_acknowledged(self._look.serial, sent)

    async def _post(self, body: bytes) -> str:
        """The status, or what came instead of one."""
        try:
            answer = await self._client.post(self._habit.url, content=body)
        except httpx.TimeoutException:
            return "timeout"
        except httpx.TransportError as error:
            return type(error).__name__
        return str(answer.status_code)
