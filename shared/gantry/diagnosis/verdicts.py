"""Is it all right? Facts of a site → problems, each with its cause and the next step. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gantry.diagnosis import causes, sentences, words
from gantry.diagnosis.facts import NOBODY, Breaker, Facts, HeldLane, Holder, Overdrive, Process, Server
from gantry.ledger import Ledger
from gantry.streams.controls import By, Pause
from gantry.streams.lanes import LONGEST_LEGAL_DELAY_S
from gantry.topology import PROCESSOR_DUTY

SOURCES = ("ingest-dahua", "ingest-axis")
NEEDED = ("processor", "publisher")
SOON_H = 24.0


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that a person should know."""

    cause: str
    step: str  # what to do next
    wrong: bool = True  # False: somebody wants it so, or it waits for a decision; nothing is broken


def problems(facts: Facts) -> list[Problem]:
    """Everything that needs a person, the most basic first; empty when all is right."""
    return [
        *_of_server(facts.server),
        *_of_processes(facts.processes),
        *_of_ledger(facts.ledger),
        *_of_breakers(facts.breakers),
        *_of_pauses(facts.pauses, facts.now_ms),
        *_of_holders(facts.holders, facts.processes),
        *_of_lanes(facts.held, facts.now_ms),
        *_of_overdrives(facts.overdrives, facts.quota),
        *_of_letters(facts.ledger),
    ]


def _of_server(server: Server) -> Iterator[Problem]:
    for weakness in server.weaknesses:
        yield Problem(f"the server may lose what it acknowledged: {weakness}", "set it in the server's configuration")
    if server.stopped:
        yield Problem(
            f"memory stands at {server.percent:.0f} % of maxmemory, so {', '.join(server.stopped)} wait",
            "see which lanes are long (`gantry streams`), or raise maxmemory",
        )


def _of_processes(processes: tuple[Process, ...]) -> Iterator[Problem]:
    alive = {process.service for process in processes}
    for service in NEEDED:
        if service not in alive:
            yield Problem(
                f"no {service} is alive",
                f"start it (`gantry up`, or the command `{service}`); if it runs, its log says what it waits for",
            )
    if not alive.intersection(SOURCES):
        yield Problem("no source is alive (ingest-dahua, ingest-axis)", "start one (`gantry up`)")
    for process in processes:
        if process.state != "ready":
            reason = process.reason or "it gives no reason"
            yield Problem(f"{process.service} {process.instance} is {process.state}: {reason}", "see its log")


def _of_ledger(ledger: Ledger | None) -> Iterator[Problem]:
    if ledger is not None and not ledger.balanced:
        yield Problem("the ledger does not balance", "`gantry audit` says which term; keep the data folder and logs")


def _of_breakers(breakers: Iterable[Breaker]) -> Iterator[Problem]:
    for breaker in breakers:
        cause = sentences.breaker(breaker)
        if breaker.by_hand:
            yield Problem(cause, f"`gantry breaker reset {breaker.target}` closes it at once", wrong=False)
        elif breaker.state != "closed":
            step = causes.step(breaker.reason, breaker.target)
            yield Problem(cause, f"{step}; measures are kept meanwhile (`gantry breaker status`)")
        elif breaker.quiet_s:
            yield Problem(cause, "nothing: it goes on by itself; measures are kept meanwhile", wrong=False)
        elif breaker.at_ceiling:
            step = "raise IOTA_MAX_REQUESTS_PER_S if the platform allows more; measures wait meanwhile"
            yield Problem(f"{breaker.target} stands at its ceiling of requests", step, wrong=False)


def _of_pauses(pauses: Iterable[Pause], now_ms: int) -> Iterator[Problem]:
    for pause in pauses:
        step = f"`gantry resume {pause.target}` lets it go on; measures are kept meanwhile"
        yield Problem(sentences.pause(pause, now_ms), step, wrong=False)


def _of_holders(holders: Iterable[Holder], processes: tuple[Process, ...]) -> Iterator[Problem]:
    alive = {process.instance for process in processes}
    for holder in holders:
        if holder.instance and holder.instance not in alive:
            yield Problem(
                f"{holder.duty} is held by {holder.instance}, which is not alive",
                "another instance takes it over within seconds; start one if there is none",
            )
        if not holder.instance and holder.duty == PROCESSOR_DUTY and any(p.service == "processor" for p in processes):
            yield Problem("a processor is alive, but none holds the duty", "ask again in a few seconds; see its log")


def _of_lanes(held: tuple[HeldLane, ...], now_ms: int) -> Iterator[Problem]:
    for target in dict.fromkeys(each.target for each in held):
        here = [each for each in held if each.target == target]
        by_platform = [each for each in here if each.by == By.PLATFORM]
        by_people = [each for each in here if each.by == By.OPERATOR]
        by_nobody = [each for each in here if each.by == NOBODY]
        if by_platform:
            yield Problem(
                f"the platform does not know {sentences.some([each.lane for each in by_platform])} of {target} "
                f"({by_platform[0].reason}), {sentences.measures(sum(each.waiting for each in by_platform))}; each is "
                f"probed every {words.duration(LONGEST_LEGAL_DELAY_S)} at the latest",
                "provision what is missing there; `gantry release --all-platform` then tries at once",
            )
        if by_people:
            who = [f"{each.lane} ({sentences.blame(each, now_ms)})" for each in by_people]
            step = "`gantry hold` lists them, `gantry release DEVICE` lets one go on"
            yield Problem(f"of {target} people hold {sentences.some(who)}", step, wrong=False)
        if by_nobody:
            names = sentences.some([each.lane for each in by_nobody])
            yield Problem(
                f"standing still without a hold, of {target}: {names}", "let them go: `gantry release DEVICE`"
            )


def _of_overdrives(overdrives: tuple[Overdrive, ...], quota: int) -> Iterator[Problem]:
    """Known long before it hurts; wrong once a person has less than a day left."""
    for target in dict.fromkeys(each.target for each in overdrives):
        here = sorted(
            (each for each in overdrives if each.target == target), key=lambda each: each.overrun.hours_until(quota)
        )
        yield Problem(
            f"of {target} more comes than may go out: {sentences.some([sentences.overdrive(e, quota) for e in here])}",
            "raise IOTA_MAX_PER_MINUTE, or max_per_minute of [device.ID] in devices.toml, as the platform allows",
            wrong=here[0].overrun.hours_until(quota) < SOON_H,
        )


def _of_letters(ledger: Ledger | None) -> Iterator[Problem]:
    events, measures = (ledger.events["dead_in"], ledger.outcomes["dead_out"]) if ledger else (0, 0)
    if events or measures:
        yield Problem(
            f"dead letters wait for a decision: {events} of events, {measures} of measures",
            "`gantry dead list` shows them with their reasons",
            wrong=False,
        )
