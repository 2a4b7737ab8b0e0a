"""`gantry status`: is it all right, in ten lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from gantry.diagnosis import facts, processes, words
from gantry.diagnosis.facts import Facts, Server
from gantry.diagnosis.phrases import Problem
from gantry.diagnosis.processes import Process, Recorder
from gantry.diagnosis.texts import render
from gantry.diagnosis.verdicts import problems
from gantry.settings import Settings
from gantry_cli.connection import NoAnswer, opened
from gantry_cli.output import Output

EX_PROBLEM = 1


async def run(config: Settings, out: Output, *, as_json: bool) -> int:
    """Print the status; 0 when all is right, else 1 with each cause and next step.

    What people have stopped, or have to decide, is said and is not wrong.
    """
    try:
        async with opened(config) as site:
            seen = await facts.gather(site.client, site.keys, site.books, site.controls, config.device_quota)
    except NoAnswer as error:
        if as_json:
            out.json({"ok": False, "problems": [{"cause": str(error), "next": "start the server"}]})
        else:
            out.error(str(error))
        return EX_PROBLEM
    found = problems(seen)
    wrong = [problem for problem in found if problem.wrong]
    if as_json:
        out.json(report(seen, found))
    else:
        out.lines(text(seen))
        out.lines(closing(wrong), "red" if wrong else "green")
        out.lines(notices([problem for problem in found if not problem.wrong]), "yellow")
    return EX_PROBLEM if wrong else 0


def report(seen: Facts, found: list[Problem]) -> dict[str, Any]:
    """The status for a program."""
    ledger = seen.ledger
    return {
        "ok": not any(problem.wrong for problem in found),
        "problems": [_document(problem) for problem in found if problem.wrong],
        "notices": [_document(problem) for problem in found if not problem.wrong],
        "server": {
            **asdict(seen.server),
            "percent": round(seen.server.percent, 1),
            "stopped": list(seen.server.stopped),
        },
        "services": [asdict(process) for process in seen.processes],
        "ledger": ledger
        and {
            "received": ledger.received,
            "events": dict(ledger.events),
            "measures": ledger.measures,
            "outcomes": dict(ledger.outcomes),
            "balanced": ledger.balanced,
        },
        "breakers": [asdict(breaker) for breaker in seen.breakers],
        "leases": {holder.duty: holder.instance for holder in seen.holders},
        "pauses": [asdict(pause) for pause in seen.pauses],
        "held_lanes": len(seen.held),
        "holds": [asdict(held) for held in seen.held],
        "journal": seen.journal and asdict(seen.journal),
        "backlogs": [asdict(each) for each in seen.backlogs],
        "over_limit": [{"target": o.target, "lane": o.lane, **asdict(o.overrun)} for o in seen.overdrives],
    }


def _document(problem: Problem) -> dict[str, str]:
    told = render(problem)
    return {"cause": told.cause, "next": told.step, "code": problem.code, "link": problem.link}


def text(seen: Facts) -> list[str]:
    """The facts for a person."""
    durable = "durable" if not seen.server.weaknesses else "NOT durable"
    breakers = ", ".join(f"{breaker.target} {breaker.state}" for breaker in seen.breakers)
    leases = "; ".join(f"{holder.duty}: {holder.instance or 'nobody'}" for holder in seen.holders)
    rows = [f"server    {seen.server.product} answers, {durable}", f"memory    {_memory(seen.server)}"]
    rows += [f"services  {_services(seen.processes, seen.now_ms // 1000)}", *_ledger(seen)]
    rows += [f"breakers  {breakers}", f"leases    {leases}"]
    return [*rows, *_devices(seen)]


def _devices(seen: Facts) -> list[str]:
    """What is connected, as far as the services say so."""
    rows = []
    if found := processes.recorders(seen.processes):
        rows.append(f"recorders {', '.join(_recorder(each, seen.now_ms) for each in found)}")
    if doors := processes.endpoints(seen.processes):
        last = max(each.last_push_ms for each in doors)
        counts = f"{sum(each.pushes for each in doors)} pushes, {sum(each.refused for each in doors)} refused"
        rows.append(f"counters  {counts}{f', the last {_ago(last, seen.now_ms)} ago' if last else ''}")
    return rows


def _recorder(each: Recorder, now_ms: int) -> str:
    state = "connected" if each.said.connected else "not connected"
    spooled = f", {each.said.spooled} spooled" if each.said.spooled else ""
    return f"{each.name} {state} ({_ago(each.said.since_ms, now_ms)}{spooled})"


def _ago(at_ms: int, now_ms: int) -> str:
    return words.duration(max(0, now_ms - at_ms) / 1000)


def _memory(server: Server) -> str:
    if not server.maximum:
        return f"{words.size(server.used)}, without a limit"
    step = f"{', '.join(server.stopped)} wait" if server.stopped else "nothing waits for memory"
    return f"{words.size(server.used)} of {words.size(server.maximum)} ({server.percent:.0f} %), {step}"


def _services(found: Iterable[Process], now: int) -> str:
    each = [f"{p.service} {p.state} ({words.duration(max(0, now - p.since))}, {p.version})" for p in found]
    return ", ".join(each) or "none alive"


def _ledger(seen: Facts) -> list[str]:
    if seen.ledger is None:
        return ["ledger    nothing yet: no service has ever started on this site"]
    events, measures = words.lines(seen.ledger)
    outcomes, terms = seen.ledger.outcomes, seen.ledger.events
    return [
        f"events    {events}",
        f"measures  {measures}",
        f"waiting   {outcomes['waiting']} measures, {len(seen.held)} lanes held",
        f"letters   {terms['dead_in']} of events, {outcomes['dead_out']} of measures (stream dead)",
    ]


def closing(wrong: list[Problem]) -> list[str]:
    """The verdict."""
    return ["NOT ALL RIGHT:", *map(_sentence, wrong)] if wrong else ["ALL RIGHT"]


def notices(rest: list[Problem]) -> list[str]:
    """What is not wrong, and worth knowing."""
    return ["to be known:", *map(_sentence, rest)] if rest else []


def _sentence(problem: Problem) -> str:
    told = render(problem)
    return f"  {told.cause.rstrip('.')}. Next: {told.step}"
