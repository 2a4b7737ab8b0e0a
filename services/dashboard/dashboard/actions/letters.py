"""Retrying and dropping dead letters: the page that says which and how many, and doing it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from dashboard.access import judging
from dashboard.actions.bulk import AT_ONCE, Progress, Task
from dashboard.actions.deeds import Asked, Deed
from dashboard.actions.scope import Scope, Verb, scope
from dashboard.actions.survey import MOST, survey
from dashboard.pages.rendering import page, query
from dashboard.parts import Parts
from gantry.errors import Malformed
from gantry.streams.letters import is_entry_id

CONFIRM, BULK = "/actions/letters", "/actions/bulk"


async def confirm(parts: Parts, request: Request) -> Response:
    """Which letters, and how many of them there are now: what is confirmed concerns these and no others."""
    try:
        wanted = scope(request.query_params)
    except Malformed as error:
        return page(request, parts, "refused.html", status=400, reason=str(error))
    back = judging.local_path(request.query_params.get("back", "/letters"))
    found = await survey(parts.letters, wanted, parts.clock)
    acted = found.retriable if wanted.verb is Verb.RETRY else found.count
    return page(request, parts, "confirm.html", scope=wanted, found=found, acted=acted, back=back, most=MOST)


async def decide(parts: Parts, asked: Asked) -> Deed:
    """Retry or drop: one letter (field id), or those that were counted (filters, last, count, typed)."""
    wanted = scope(asked.form)
    if wanted.one:
        return _said(await parts.access.bulk.at_once(_task(wanted, asked, last="", count=1)))
    task = _task(wanted, asked, last=asked.form.get("last", ""), count=_number(asked.form.get("count", "")))
    if not is_entry_id(task.last) or not 0 < task.count <= MOST:
        raise Malformed("count the letters first")
    if wanted.verb is Verb.DROP and task.count > 1 and _number(asked.form.get("typed", "")) != task.count:
        again = query(CONFIRM, verb=wanted.verb, back=asked.form.get("back", ""), **wanted.filters)
        return Deed(code="typed_wrong", values={"count": task.count}, good=False, back=again)
    if task.count <= AT_ONCE:
        return _said(await parts.access.bulk.at_once(task))
    if not parts.access.bulk.begin(task):
        return Deed(code="bulk_busy", good=False, back=BULK)
    begun = task.action(count=task.count, result="begun")
    return Deed(code=f"bulk_{wanted.verb}", values={"count": task.count}, action=begun, back=BULK)


async def halt(parts: Parts, asked: Asked) -> Deed:
    """Stop the bulk under way after its batch."""
    if not parts.access.bulk.halt():
        return Deed(code="bulk_none", good=False, back=BULK)
    task = parts.access.bulk.progress.task
    action = asked.action("dead.stop", f"{task.scope.verb}: {task.scope}", count=task.count)
    return Deed(code="bulk_halted", action=action, back=BULK)


async def bulk(parts: Parts, request: Request) -> Response:
    """How far the bulk has come, or how the last one ended."""
    return page(request, parts, "bulk.html", progress=parts.access.bulk.progress)


def _task(wanted: Scope, asked: Asked, *, last: str, count: int) -> Task:
    return Task(scope=wanted, last=last, count=count, who=asked.who.name, role=asked.who.role, origin=asked.origin)


def _said(progress: Progress) -> Deed:
    """The sentences for a task that has ended; it has written itself down."""
    verb, values = progress.task.scope.verb, _figures(progress)
    more = [name for name in ("gone", "unfit", "final") if values[name]]
    more += ["letters_away"] if progress.away else []
    more += [] if progress.recorded else ["not_recorded"]
    if progress.task.scope.one and not progress.done:
        return Deed(code="letter_not_done", values=values, more=tuple(more), good=False)
    code = f"letter_{verb}" if progress.task.scope.one else f"letters_{verb}"
    return Deed(code=code, values=values, more=tuple(more), good=bool(progress.done) and not progress.away)


def _figures(progress: Progress) -> dict[str, int]:
    return {
        "done": progress.done,
        "count": progress.task.count,
        "gone": progress.gone,
        "unfit": progress.unfit,
        "final": progress.final,
        "unsure": progress.unsure,
    }


def _number(word: str) -> int:
    """A count as a person types it: 1200, 1,200, 1.200, 1 200; -1 for anything else."""
    bare = word.translate({ord(each): None for each in ",. '\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}"})
    return int(bare) if bare.isascii() and bare.isdecimal() and len(bare) <= len(str(MOST)) + 1 else -1
