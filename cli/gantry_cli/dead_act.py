"""`gantry dead retry` and `drop`: count, ask, and act on the letters that were there when the command began."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from gantry.clock import Clock, SystemClock
from gantry.codec import Letter
from gantry.diagnosis import facts, words
from gantry.errors import Unavailable
from gantry.runtime import pause
from gantry.settings import Settings
from gantry.streams.letters import BATCH, Done, Letters
from gantry_cli import dead_words
from gantry_cli.connection import NoAnswer, Site, expect_streams, opened
from gantry_cli.dead_choice import Choice, chosen
from gantry_cli.dead_show import EX_CANNOT, EX_NOTHING, of
from gantry_cli.dead_survey import Survey, survey
from gantry_cli.output import Output
from gantry_cli.recording import record

SAY_EVERY_S = 5.0
_PAST = {"retry": "retried", "drop": "dropped"}
_WHY = {
    Done.GONE: "were gone: somebody else dealt with them",
    Done.UNFIT: "stay: they lack a field, or name a target that this version does not know",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to be done with which letters."""

    verb: Literal["retry", "drop"]
    choice: Choice
    owner: str
    confirm: Callable[[str], bool] | None  # None: nobody is there to be asked
    per_s: float = 0.0  # letters a second; 0: as fast as it goes


@dataclass(slots=True)
class Progress:
    """What came of it so far."""

    answers: Counter[Done] = field(default_factory=Counter)
    final: int = 0  # passed over
    unsure: int = 0  # of a call whose answer did not come
    stopped: bool = False

    @property
    def done(self) -> int:
        return self.answers[Done.DONE]


async def run(config: Settings, out: Output, task: Task) -> int:
    """Do it and say how many; 0 all of them, 1 none or not all, 2 when it cannot be done at all or to the end."""
    try:
        async with opened(config) as site:
            await expect_streams(site)
            dead, now_ms = of(site), await facts.now_ms(site.client)
            last = await dead.newest()
            found = (
                await survey(dead, task.choice, now_ms=now_ms, last=last) if last else Survey(missing=task.choice.ids)
            )
            _say_scope(out, task, found, now_ms)
            refusal = _refusal(out, task, found)
            if refusal is not None:
                return refusal
            with _stop_signal() as stop:
                progress = await _act(dead, out, task, (now_ms, last), stop)
                for row in await _write_down(site, task, found, progress):
                    out.error(row)
    except NoAnswer as error:
        out.error(str(error))
        return EX_CANNOT
    return _say_result(out, task, found, progress)


def _say_scope(out: Output, task: Task, found: Survey, now_ms: int) -> None:
    for missing in found.missing:
        out.error(f"no letter {missing}: it was retried or dropped, or never was one")
    if not found.count:
        if not task.choice.ids:
            out.error(f"no letter to {task.verb}: {task.choice}")
        return
    out.lines([f"{task.verb} {dead_words.letters(found.count)}: {task.choice}"])
    out.show(dead_words.kinds(found, now_ms))
    if task.verb == "retry":
        out.lines([f"{count:,} of them can never be retried, and stay: {why}" for why, count in found.final.items()])


def _refusal(out: Output, task: Task, found: Survey) -> int | None:
    """The exit code if nothing is to be done; None: go on."""
    count = found.retriable if task.verb == "retry" else found.count
    if not count:
        return EX_NOTHING
    meant = found.count == 1 and bool(
        task.verb == "retry" or task.choice.ids
    )  # what is dropped is gone: named, or confirmed
    if meant or (task.confirm and task.confirm(_question(task, count))):
        return None
    if task.confirm:
        out.lines(["nothing was done"])
        return EX_NOTHING
    out.error(f"nobody is here to confirm {dead_words.letters(count)}: say --yes. Nothing was done")
    return EX_CANNOT


def _question(task: Task, count: int) -> str:
    what = dead_words.letters(count)
    if task.verb == "drop":
        return f"Drop {what} for good? (`gantry dead export` keeps a copy)"
    pace = f" at {task.per_s:g} a second, {words.duration(count / task.per_s)}" if task.per_s else ""
    return f"Retry {what}{pace}?"


async def _act(
    dead: Letters, out: Output, task: Task, scope: tuple[int, str], stop: asyncio.Event, clock: Clock | None = None
) -> Progress:
    """Until all are dealt with, `stop` is set, or the server goes away. `scope`: the time and entry id of the start."""
    progress, pace = Progress(), _Pace(clock or SystemClock(), task.per_s)
    decide = dead.retry if task.verb == "retry" else dead.drop
    async for batch in _batches(dead, task, scope, progress):
        await pace.wait(stop)
        if stop.is_set():
            progress.stopped = True
            break
        try:
            progress.answers.update(await decide([letter.entry_id for letter in batch], task.owner))
        except Unavailable as error:
            out.error(f"the server went away: {error}")
            progress.unsure = len(batch)
            break
        if pace.time_to_speak():
            out.lines([f"{progress.done:,} {_PAST[task.verb]} so far; Ctrl-C stops"])
    return progress


async def _batches(
    dead: Letters, task: Task, scope: tuple[int, str], progress: Progress
) -> AsyncIterator[list[Letter]]:
    """The letters to act on, as many as go in one step."""
    now_ms, last = scope
    size = 1 if task.per_s else BATCH
    async for page in chosen(dead, task.choice, now_ms=now_ms, last=last):
        fit = [letter for letter in page if task.verb == "drop" or not letter.final]
        progress.final += len(page) - len(fit)
        for start in range(0, len(fit), size):
            yield fit[start : start + size]


async def _write_down(site: Site, task: Task, found: Survey, progress: Progress) -> list[str]:
    """In the list of actions; the sentence to say where that failed."""
    result = f"{progress.done} of {found.count} {_PAST[task.verb]}"
    result += f", {progress.unsure} in doubt" if progress.unsure else ", stopped" if progress.stopped else ""
    scope = f"letter {' '.join(task.choice.ids)}" if task.choice.ids else str(task.choice.filters) or "all letters"
    return await record(site, task.owner, f"dead.{task.verb}", scope, count=progress.done, result=result)


def _say_result(out: Output, task: Task, found: Survey, progress: Progress) -> int:
    past = _PAST[task.verb]
    out.lines([f"{past} {dead_words.letters(progress.done)} of {found.count:,}, by {task.owner}"])
    out.lines([f"{count:,} {_WHY[each]}" for each, count in progress.answers.items() if each in _WHY])
    if progress.unsure:
        what = "letter" if progress.unsure == 1 else f"{progress.unsure} letters"
        out.error(
            f"whether the last {what} came through is not known; the same command goes on, and does nothing twice"
        )
        return EX_CANNOT
    if progress.stopped:
        out.lines(["stopped; the others are where they were, and the same command goes on with them"])
    return 0 if progress.done == found.count and not found.missing else EX_NOTHING


class _Pace:
    """At most so many steps a second, evenly; and when to say something."""

    def __init__(self, clock: Clock, per_s: float) -> None:
        self._clock, self._gap = clock, 1 / per_s if per_s else 0.0
        self._next = self._said = clock.monotonic()

    async def wait(self, stop: asyncio.Event) -> None:
        now = self._clock.monotonic()
        if now < self._next:
            await pause(stop, self._next - now)
        self._next = max(now, self._next) + self._gap  # time that was lost is not made up for by a burst

    def time_to_speak(self) -> bool:
        now = self._clock.monotonic()
        if now - self._said < SAY_EVERY_S:
            return False
        self._said = now
        return True


@contextlib.contextmanager
def _stop_signal() -> Iterator[asyncio.Event]:
    """Ctrl-C and SIGTERM set it: the call under way is finished first."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
