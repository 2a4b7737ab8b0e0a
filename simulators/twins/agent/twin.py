"""The agent's life of a request: judged and counted when it arrives, applied when its answer is ready."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from twins.agent.answers import ANSWERS, Ending, Row
from twins.agent.grammar import GARBAGE, Judged, Request, judge, parameters
from twins.agent.north import North
from twins.agent.outage import Outage
from twins.agent.record import Record
from twins.agent.registry import Scope
from twins.agent.script import Script


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the twin behaves."""

    keys: Mapping[str, str]  # API key → target
    latency_ms: int = 0
    seed: int = 0
    old: bool = False  # before 3.5.0: no X-Processing-Time, 100 kB, errors in the body as 500
    idle_s: float = 6.0  # Node 20 closes after its 5 s and one more
    record: Path | None = None
    north: bool = False  # groups, devices and entities are kept
    north_token: str = field(default="", repr=False)
    scope: Scope = ("gantry", "/gantry")  # Fiware-Service and -ServicePath of the groups that are there at the start
    groups: bool = True  # with `north`: each key's group exists at the start


@dataclass(slots=True)
class Visit:
    """One request in hand."""

    request: Request
    judged: Judged
    row: Row
    number: int
    name: str  # what it is in flight under
    delay_s: float
    present: bool = True  # its client still waits


class Twin:
    """The agent without its sockets."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.record = Record(options.record)
        self.script = Script(options.seed)
        self.outage = Outage()
        self.latency_ms = options.latency_ms
        self.north: North | None = None
        if options.north:
            token, scope = options.north_token, options.scope
            self.north = North(options.keys, token=token, scope=scope, groups=options.groups, old=options.old)

    def arrive(self, request: Request) -> Visit:
        judged = judge(request, self.north.keys if self.north else self.options.keys, old=self.options.old)
        if self.north:
            judged = self.north.judge(judged, parameters(request.query)[0])
        number, name, nth = self.record.arrive(judged.target, judged.device)
        earned = ANSWERS[judged.answer]
        row = self.outage.row or self.script.pick(judged.target, judged.device, request.body, nth) or earned
        if row.applied and judged.answer != "ok":  # a fault of the connection adds to what the request earns
            row = replace(earned, ending=row.ending, delay_ms=row.delay_ms)
        if row.name == "garbage" and judged.answer == "ok":
            judged = replace(judged, measures=((GARBAGE, True), *((body, False) for body, _ in judged.measures)))
        delay_s = (self.latency_ms + row.delay_ms) / 1000
        return Visit(request, judged, row, number, name, delay_s)

    def apply(self, visit: Visit) -> None:
        """Write down what the broker got. Happens even when the client has given up, as with the real one."""
        judged, row, now_us = visit.judged, visit.row, time.time_ns() // 1000
        heard = (visit.number, row.name, row.receipt and visit.present)
        self.record.answers[row.name] += 1
        for body, reaches in judged.measures:
            applied = reaches and row.applied
            self.record.measure(now_us, judged.target, judged.device, heard, applied=applied, body=body)
            if applied and self.north and judged.device:
                self.north.store(key_of(visit), judged.device, body, now_us)
        if row.ending is not Ending.HANG:
            self.leave(visit)

    def leave(self, visit: Visit) -> None:
        """The client has its answer, or has gone."""
        if visit.present:
            visit.present = False
            self.record.leave(visit.name)

    def forget(self) -> None:
        """No measures and no entities; groups and devices stay."""
        self.record.forget()
        if self.north:
            self.north.entities.forget()


def key_of(visit: Visit) -> str:
    """The API key as it was sent, for messages that repeat it."""
    return parameters(visit.request.query)[0]
