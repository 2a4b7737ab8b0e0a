"""Is it all right? Facts of a site → problems, free of any language; `texts.render` says them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gantry.diagnosis import causes, outposts, sentences
from gantry.diagnosis.backlog import Backlog
from gantry.diagnosis.facts import NOBODY, Breaker, Facts, HeldLane, Holder, Overdrive, Server
from gantry.diagnosis.phrases import Figure, Heard, Phrase, Problem, Some, Span, Value, Word, counted
from gantry.diagnosis.processes import Process, Setting
from gantry.ledger import Ledger
from gantry.streams.controls import By, Pause
from gantry.streams.lanes import LONGEST_LEGAL_DELAY_S
from gantry.topology import PROCESSOR_DUTY

SOURCES = ("ingest-dahua", "ingest-axis")
NEEDED = ("processor", "publisher")
SOON_H = 24.0
BEHIND = 10_000  # entries that a journal may be behind
OWN = {"INSTANCE", "METRICS_PORT"}  # each process has its own


def problems(facts: Facts) -> list[Problem]:
    """Everything that needs a person, the most basic first; empty when all is right."""
    return [
        *_of_server(facts.server),
        *_of_processes(facts.processes),
        *outposts.problems(facts.processes, facts.now_ms),
        *_of_ledger(facts.ledger),
        *_of_breakers(facts.breakers),
        *_of_pauses(facts.pauses, facts.now_ms),
        *_of_holders(facts.holders, facts.processes),
        *_of_lanes(facts.held, facts.now_ms),
        *_of_overdrives(facts.overdrives, facts.quota),
        *_of_backlogs(facts.backlogs, facts.overdrives),
        *_of_letters(facts.ledger),
        *_of_journal(facts),
        *_of_settings(facts.processes),
    ]


def _of_server(server: Server) -> Iterator[Problem]:
    for weakness in server.weaknesses:
        yield Problem("server-weak", {"weakness": Heard(weakness)})
    if server.stopped:
        steps = Some(server.stopped, len(server.stopped))
        yield Problem("memory-short", {"percent": Figure(server.percent), "steps": steps}, link="streams")


def _of_processes(processes: tuple[Process, ...]) -> Iterator[Problem]:
    alive = {process.service for process in processes}
    for service in NEEDED:
        if service not in alive:
            yield Problem("service-missing", {"service": service})
    if not alive.intersection(SOURCES):
        yield Problem("source-missing")
    lost = outposts.unattached(processes)  # said in its own words
    for process in processes:
        if process.state != "ready" and not any(outposts.explains(each, process) for each in lost):
            values: dict[str, Value] = {"service": process.service, "instance": process.instance}
            values["state"] = Word("process_state", process.state)
            values["reason"] = Heard(process.reason) if process.reason else Phrase("process.no_reason")
            yield Problem("process-unready", values, link="configuration")


def _of_ledger(ledger: Ledger | None) -> Iterator[Problem]:
    if ledger is not None and not ledger.balanced:
        yield Problem("ledger-unbalanced")


def _of_breakers(breakers: Iterable[Breaker]) -> Iterator[Problem]:
    for breaker in breakers:
        values: dict[str, Value] = {"target": breaker.target, "breaker": sentences.breaker(breaker)}
        if breaker.by_hand:
            yield Problem("breaker-by-hand", values, wrong=False, link="breaker")
        elif breaker.state != "closed":
            remedy = causes.step(breaker.reason, breaker.target)
            yield Problem("breaker-open", {**values, "remedy": remedy}, link="breaker")
        elif breaker.quiet_s:
            yield Problem("breaker-quiet", values, wrong=False, link="breaker")
        elif breaker.at_ceiling:
            yield Problem("target-ceiling", {"target": breaker.target}, wrong=False, link="breaker")


def _of_pauses(pauses: Iterable[Pause], now_ms: int) -> Iterator[Problem]:
    for pause in pauses:
        values: dict[str, Value] = {"target": pause.target, "pause": sentences.pause(pause, now_ms)}
        yield Problem("target-paused", values, wrong=False, link="breaker")


def _of_holders(holders: Iterable[Holder], processes: tuple[Process, ...]) -> Iterator[Problem]:
    alive = {process.instance for process in processes}
    for holder in holders:
        if holder.instance and holder.instance not in alive:
            yield Problem("duty-of-dead", {"duty": holder.duty, "instance": holder.instance}, link="streams")
        if not holder.instance and holder.duty == PROCESSOR_DUTY and any(p.service == "processor" for p in processes):
            yield Problem("duty-unheld", link="streams")


def _of_lanes(held: tuple[HeldLane, ...], now_ms: int) -> Iterator[Problem]:
    for target in dict.fromkeys(each.target for each in held):
        here = [each for each in held if each.target == target]
        by_platform = [each for each in here if each.by == By.PLATFORM]
        by_people = [each for each in here if each.by == By.OPERATOR]
        by_nobody = [each for each in here if each.by == NOBODY]
        if by_platform:
            yield _unknown_there(target, by_platform)
        if by_people:
            who = tuple(
                Phrase("lane.held_by", {"lane": each.lane, "blame": sentences.blame(each, now_ms)})
                for each in by_people
            )
            yield Problem("devices-held", {"target": target, "devices": Some(who)}, wrong=False, link="devices")
        if by_nobody:
            yield Problem("devices-still", {"target": target, "devices": _names(by_nobody)}, link="devices")


def _unknown_there(target: str, held: list[HeldLane]) -> Problem:
    """Devices that the platform does not know."""
    values: dict[str, Value] = {"target": target, "devices": _names(held), "reason": held[0].reason}
    values["measures"] = sentences.measures(sum(each.waiting for each in held))
    return Problem("devices-unknown", {**values, "span": Span(LONGEST_LEGAL_DELAY_S)}, link="devices")


def _names(held: Iterable[HeldLane]) -> Some:
    return Some(tuple(each.lane for each in held))


def _of_overdrives(overdrives: tuple[Overdrive, ...], quota: int) -> Iterator[Problem]:
    """Known long before it hurts; wrong once a person has less than a day left."""
    for target in dict.fromkeys(each.target for each in overdrives):
        here = sorted(
            (each for each in overdrives if each.target == target), key=lambda each: each.overrun.hours_until(quota)
        )
        devices = Some(tuple(sentences.overdrive(each, quota) for each in here))
        soon = here[0].overrun.hours_until(quota) < SOON_H
        yield Problem("over-limit", {"target": target, "devices": devices}, wrong=soon, link="devices")


def _of_letters(ledger: Ledger | None) -> Iterator[Problem]:
    events, measures = (ledger.events["dead_in"], ledger.outcomes["dead_out"]) if ledger else (0, 0)
    if events or measures:
        yield Problem("letters-wait", {"events": events, "measures": measures}, wrong=False, link="letters")


def _of_backlogs(backlogs: tuple[Backlog, ...], overdrives: tuple[Overdrive, ...]) -> Iterator[Problem]:
    """What is over its limit has been named already."""
    named = {(each.target, each.lane) for each in overdrives}
    for each in backlogs:
        if (each.target, each.lane) not in named:
            values: dict[str, Value] = {"target": each.target, "lane": each.lane, "waiting": each.waiting}
            yield Problem("backlog-long", {**values, "span": Span(each.hours * 3600)}, wrong=False, link="devices")


def _of_journal(facts: Facts) -> Iterator[Problem]:
    """Only where there has been a journal: without one, nothing is missing."""
    if facts.journal is None:
        return
    behind = {"entries": counted("journal.entries", facts.journal.behind)}
    if not any(process.service == "journal" for process in facts.processes):
        yield Problem("journal-missing", behind, wrong=False)
    elif facts.journal.behind > BEHIND:
        yield Problem("journal-behind", behind, wrong=False, link="streams")
    if skipped := facts.ledger.beside.get("journal_skipped", 0) if facts.ledger else 0:
        yield Problem("journal-skipped", {"entries": counted("journal.entries", skipped)}, wrong=False, link="streams")


def _of_settings(processes: tuple[Process, ...]) -> Iterator[Problem]:
    """Processes of one service that were started with different settings."""
    for service in dict.fromkeys(process.service for process in processes):
        here = [process for process in processes if process.service == service]
        if len({process.configuration for process in here}) > 1:
            values: dict[str, Value] = {"service": service, "count": len(here), "settings": _differing(here)}
            yield Problem("settings-differ", values, wrong=False, link="configuration")


def _differing(processes: list[Process]) -> Value:
    """The names of the settings that are not the same for all."""
    names = sorted({name for process in processes for name in process.settings} - OWN)
    found = [n for n in names if len({process.settings.get(n, Setting()).value for process in processes}) > 1]
    return Some(tuple(found)) if found else Phrase("process.settings_untold")
