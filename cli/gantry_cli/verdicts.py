"""Is it all right? Facts of a site → problems, each with its cause and the next step. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gantry.ledger import Ledger
from gantry.topology import PROCESSOR_DUTY
from gantry_cli import words
from gantry_cli.facts import Breaker, Holder, Process, Server

SOURCES = ("ingest-dahua", "ingest-axis")
NEEDED = ("processor", "publisher")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A site at about one instant."""

    server: Server
    processes: tuple[Process, ...]
    ledger: Ledger | None  # None: no service has ever started on this site
    breakers: tuple[Breaker, ...]
    holders: tuple[Holder, ...]
    held_lanes: int
    now: int  # s since the epoch, on the server's clock


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not all right."""

    cause: str
    step: str  # what to do next


def problems(facts: Facts) -> list[Problem]:
    """Everything that needs a person, the most basic first; empty when all is right."""
    return [
        *_of_server(facts.server),
        *_of_processes(facts.processes),
        *_of_ledger(facts.ledger),
        *_of_breakers(facts.breakers),
        *_of_holders(facts.holders, facts.processes),
        *_of_lanes(facts.held_lanes),
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
        if breaker.state != "closed":
            when = f"next probe in {words.duration(breaker.ahead_s)}" if breaker.ahead_s else "a probe is due"
            yield Problem(
                f"the breaker of {breaker.target} is {breaker.state} ({breaker.reason or 'no reason given'}), {when}",
                "check that the IoT Agent can be reached and takes the API key; measures are kept meanwhile",
            )


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


def _of_lanes(held: int) -> Iterator[Problem]:
    if held:
        yield Problem(f"{held} lane(s) are held", "`gantry streams` shows them with their reasons")
