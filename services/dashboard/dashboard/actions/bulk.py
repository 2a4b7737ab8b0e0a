"""Acting on letters: a few at once while somebody waits for the answer, many in the background, one such at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from dashboard.actions.scope import Scope, Verb
from gantry.clock import Clock
from gantry.codec import Letter
from gantry.errors import Unavailable
from gantry.runtime import pause
from gantry.streams.actions import Action
from gantry.streams.letters import BATCH, Done, Letters

AT_ONCE = 200  # letters that are dealt with before the answer
RETRY_GAP_S = 0.5  # between batches of 50: lanes and quota are for the newest events too
Record = Callable[[Action], Awaitable[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to be done, with which letters, by whom."""

    scope: Scope
    last: str  # entry id: letters that die later are not concerned
    count: int  # that were there when it was decided
    who: str
    role: str
    origin: str

    @property
    def owner(self) -> str:
        """As the ledger names them."""
        return f"{self.who}@dashboard"

    def action(self, *, count: int, result: str) -> Action:
        """The line in the list of actions."""
        return Action(
            who=self.who,
            role=self.role,
            origin=self.origin,
            what=f"dead.{self.scope.verb}",
            scope=str(self.scope),
            count=count,
            result=result,
        )


@dataclass(slots=True)
class Progress:
    """What came of a task so far."""

    task: Task
    began_ms: int
    answers: Counter[Done] = field(default_factory=Counter)
    final: int = 0  # passed over: they can never be retried
    unsure: int = 0  # of a call whose answer has not come
    away: bool = False  # Redis went away before the end
    stopped: bool = False
    recorded: bool = True  # in the list of actions, once it has ended
    ended_ms: int = 0  # 0: it goes on

    @property
    def done(self) -> int:
        return self.answers[Done.DONE]

    @property
    def unfit(self) -> int:
        return self.answers[Done.UNFIT]

    @property
    def gone(self) -> int:
        """Others dealt with them; once it has ended, those too that were not there any more to be looked at."""
        if not self.ended_ms or self.stopped or self.away:
            return self.answers[Done.GONE]
        return max(0, self.task.count - self.done - self.unfit - self.final)

    @property
    def running(self) -> bool:
        return not self.ended_ms

    @property
    def result(self) -> str:
        """In words, for the list of actions."""
        past = "retried" if self.task.scope.verb is Verb.RETRY else "dropped"
        parts = [f"{self.done} {past}"]
        parts += [f"{self.gone} were gone"] if self.gone else []
        parts += [f"{self.unfit} unfit"] if self.unfit else []
        parts += [f"{self.final} can never be retried"] if self.final else []
        parts += ["stopped before the end"] if self.stopped else []
        parts += [f"Redis went away, {self.unsure} in doubt"] if self.away else []
        return ", ".join(parts)


class Bulk:
    """Background work on letters; `progress` is that of the task under way, or of the last one."""

    def __init__(self, letters: Letters, clock: Clock, record: Record, *, gap_s: float = RETRY_GAP_S) -> None:
        self._letters, self._clock, self._record, self._gap_s = letters, clock, record, gap_s
        self._given = asyncio.Event()
        self._halt = asyncio.Event()
        self.progress: Progress | None = None

    def begin(self, task: Task) -> bool:
        """Hand over a task; False while another is under way."""
        if self.progress and self.progress.running:
            return False
        self.progress = self._new(task)
        self._halt.clear()
        self._given.set()
        return True

    def halt(self) -> bool:
        """Stop what is under way after its batch; whether there was something."""
        self._halt.set()
        return bool(self.progress and self.progress.running)

    async def run(self, stop: asyncio.Event) -> None:
        """The loop: one task after the other, until `stop`."""
        stopping = asyncio.ensure_future(self._halt_on(stop))
        try:
            while not stop.is_set():
                given = asyncio.ensure_future(self._given.wait())
                await asyncio.wait({given, stopping}, return_when=asyncio.FIRST_COMPLETED)
                given.cancel()
                if self._given.is_set() and self.progress:
                    self._given.clear()
                    await self._whole(self.progress, self._halt)
        finally:
            stopping.cancel()

    async def at_once(self, task: Task) -> Progress:
        """Do a small task now."""
        progress = self._new(task)
        await self._whole(progress, asyncio.Event())
        return progress

    def _new(self, task: Task) -> Progress:
        return Progress(task, self._clock.now_us() // 1000)

    async def _halt_on(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._halt.set()

    async def _whole(self, progress: Progress, halt: asyncio.Event) -> None:
        """Until all are dealt with, somebody stops it, or Redis goes away; then it is written down."""
        try:
            await self._act(progress, halt)
        finally:
            progress.ended_ms = self._clock.now_us() // 1000
            progress.recorded = await self._record(progress.task.action(count=progress.done, result=progress.result))

    async def _act(self, progress: Progress, halt: asyncio.Event) -> None:
        task = progress.task
        decide = self._letters.retry if task.scope.verb is Verb.RETRY else self._letters.drop
        try:
            async for batch in self._batches(progress):
                if halt.is_set():
                    progress.stopped = True
                    return
                progress.unsure = len(batch)
                progress.answers.update(await decide([letter.entry_id for letter in batch], task.owner))
                progress.unsure = 0
                if task.scope.verb is Verb.RETRY and len(batch) == BATCH:
                    await pause(halt, self._gap_s)
        except Unavailable:
            progress.away = True

    async def _batches(self, progress: Progress) -> AsyncIterator[list[Letter]]:
        """The letters to act on, as many as go in one call."""
        batch: list[Letter] = []
        async for page in self._chosen(progress.task):
            fit = [letter for letter in page if progress.task.scope.verb is Verb.DROP or not letter.final]
            progress.final += len(page) - len(fit)
            batch += fit
            while len(batch) >= BATCH:
                yield batch[:BATCH]
                batch = batch[BATCH:]
        if batch:
            yield batch

    async def _chosen(self, task: Task) -> AsyncIterator[list[Letter]]:
        if task.scope.one:
            letter = await self._letters.get(task.scope.entry_id)
            yield [letter] if letter else []
            return
        async for page in self._letters.pages(task.scope.wanted, last=task.last):
            yield page
