"""What the agent's twin wrote down of every lane, judged: order, repetitions, losses."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from end_to_end.comparison import stamp
from end_to_end.feed import Fed, Lane, spelled
from twins.agent.answers import CLASSES

SETTLING_US = 1_000_000  # from an answer at the twin until its publisher has booked it, on a busy machine
SENDING_US = 500_000  # from a publisher's clock to the twin, likewise
REFUSING = ("permanent", "split", "unknown")
CLASS_OF = {answer: name for name, answers in CLASSES.items() for answer in answers.split()}
MAY_REPEAT = ("timeout", "reset")  # what a publisher says when it has not heard the answer


@dataclass(frozen=True, slots=True)
class Request:
    """One POST as the twin saw it, with the numbers of its measures, as they were sent."""

    at_us: int  # when it arrived
    number: int
    lane: Lane
    numbers: tuple[int, ...]
    instants: tuple[str, ...]
    words: tuple[str, ...]  # the lane as the measures spell it
    answer: str
    applied: bool
    receipt: bool

    def __str__(self) -> str:
        what = "receipt" if self.receipt else "applied" if self.applied else "not applied"
        lane = ":".join(self.lane)
        return f"#{self.number} {lane} {list(self.numbers)} {self.answer} ({what}) at {self.at_us} µs"


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter."""

    lane: Lane
    number: int
    reason: str
    attempts: int


def requests(record: Path, *, latency_ms: int = 0) -> list[Request]:
    """In the order in which they were answered; `latency_ms`: the twin's, which notes a measure when it applies it."""
    rows = map(json.loads, record.read_text(encoding="utf-8").splitlines())
    return [_request(list(group), latency_ms) for _, group in groupby(rows, key=lambda row: row["request"])]


def _request(rows: list[dict[str, Any]], latency_ms: int) -> Request:
    rows.sort(key=lambda row: row["body"].get("ruleId", 0))  # the agent applies an array by the times in it
    first = rows[0]
    return Request(
        at_us=first["t"] - latency_ms * 1000,
        number=first["request"],
        lane=(first["target"], first["device"]),
        numbers=tuple(row["body"].get("ruleId", 0) for row in rows),
        instants=tuple(row["body"].get("TimeInstant", "") for row in rows),
        words=tuple(row["body"].get("direction", "") for row in rows),
        answer=first["answer"],
        applied=first["applied"],
        receipt=first["receipt"],
    )


@dataclass(frozen=True, slots=True)
class End:
    """A publisher was killed or stopped, and these lanes were leased then, some of them to it."""

    at_us: int
    lanes: frozenset[Lane]


@dataclass
class Excuses:
    """What makes a repetition right: ends of publishers, and answers that they did not hear."""

    ends: list[End] = field(default_factory=list)
    latency_us: int = 0  # the twin's
    unheard_us: dict[tuple[Lane, int], list[int]] = field(default_factory=dict)  # lane, first number → when it was sent

    def of(self, request: Request) -> bool:
        """Whether this answer may not have been booked."""
        until_us = request.at_us + self.latency_us + SETTLING_US
        sent_us = self.unheard_us.get((request.lane, request.numbers[0]), ())
        return any(
            request.lane in end.lanes and request.at_us - SENDING_US <= end.at_us <= until_us for end in self.ends
        ) or any(abs(request.at_us - at) <= SENDING_US for at in sent_us)


@dataclass
class Verdict:
    """What is wrong, in sentences, and how often what is allowed has happened."""

    wrong: list[str] = field(default_factory=list)
    repeated: int = 0  # an ambiguous answer, or none that was booked
    resent: int = 0  # the newest once more, behind an older one


def judge(
    found: Iterable[Request], fed: Mapping[Lane, Mapping[int, Fed]], letters: Iterable[Letter], excuses: Excuses
) -> Verdict:
    """All lanes."""
    verdict = Verdict()
    dead = {(letter.lane, letter.number) for letter in letters}
    lanes: dict[Lane, _LaneJudge] = {}
    for request in found:
        if request.lane not in fed:
            verdict.wrong.append(f"nobody sent this: {request}")
            continue
        judged = lanes.setdefault(request.lane, _LaneJudge(request.lane, fed[request.lane], dead, excuses, verdict))
        judged.see(request)
    for lane in fed:
        if lane not in lanes:
            verdict.wrong.append(f"nothing of {lane} ever arrived")
        else:
            lanes[lane].end()
    return verdict


@dataclass
class _LaneJudge:
    """One lane, request by request: numbers only grow, save for what was ambiguous and for the newest sent again."""

    lane: Lane
    fed: Mapping[int, Fed]
    dead: set[tuple[Lane, int]]
    excuses: Excuses
    verdict: Verdict
    high: int = 0  # greatest number with a receipt
    booked: Request | None = None  # the request that it came with
    newest: tuple[str, int] = ("", 0)  # instant and number with the latest instant among the receipts
    stale: bool = False  # an older one went out behind it
    resend_refused: bool = False
    received: set[int] = field(default_factory=set)
    seen: set[int] = field(default_factory=set)

    def see(self, request: Request) -> None:
        self._check_content(request)
        first = request.numbers[0]
        again = first <= self.high
        if again and self.stale and request.numbers == (self.newest[1],):
            self.verdict.resent += 1
            self.resend_refused |= CLASS_OF[request.answer] in REFUSING
            self._note(request, resent=True)
            return
        if len(set(request.numbers)) < len(request.numbers):
            self._wrong(request, "a measure twice")
        if again:
            self._check_repetition(request, first)
            self.high = first - 1  # what came with it may be repeated as well, and in other portions
        elif skipped := [n for n in range(self.high + 1, first) if n not in self.received and not self._is_dead(n)]:
            self._wrong(request, f"sent before {skipped[:5]}, which had no receipt yet")
        self.verdict.repeated += any(n in self.seen for n in request.numbers)
        self._note(request, resent=False)

    def _check_content(self, request: Request) -> None:
        for number, instant, word in zip(request.numbers, request.instants, request.words, strict=True):
            given = self.fed.get(number)
            if given is None or word != spelled(self.lane[1]) or instant != stamp(given.instant_ms):
                self._wrong(request, f"number {number} was not sent like this ({instant}, {word})")

    def _check_repetition(self, request: Request, first: int) -> None:
        booked = self.booked
        assert booked is not None
        if not self.excuses.of(booked):
            self._wrong(request, f"the sequence goes back: {booked} had its receipt, and nothing made that uncertain")
        elif first < booked.numbers[0]:
            self._wrong(request, f"the sequence goes back further than the last request, {booked}")

    def _note(self, request: Request, *, resent: bool) -> None:
        if request.applied:
            self.seen.update(request.numbers)
        if not request.receipt:
            return
        self.received.update(request.numbers)
        self.high, self.booked = max(self.high, *request.numbers), request
        if resent:
            self.stale = False
        for number, instant in zip(request.numbers, request.instants, strict=True):
            if instant >= self.newest[0]:
                self.newest, self.stale = (instant, number), False
            else:
                self.stale = True

    def end(self) -> None:
        lost = sorted(n for n in self.fed if n not in self.received and not self._is_dead(n))
        if lost:
            self.verdict.wrong.append(f"lost: {self.lane} {lost[:10]} ({len(lost)} in all)")
        if self.stale and not self.resend_refused:
            self.verdict.wrong.append(f"{self.lane}: number {self.newest[1]} is the newest and was not sent again")

    def _is_dead(self, number: int) -> bool:
        return (self.lane, number) in self.dead

    def _wrong(self, request: Request, what: str) -> None:
        self.verdict.wrong.append(f"{request}: {what}")


def unjust(letters: Iterable[Letter], found: Iterable[Request]) -> list[str]:
    """Letters that no refusal at the twin explains."""
    refused: dict[tuple[Lane, int], set[str]] = {}
    for request in found:
        if len(request.numbers) == 1:
            refused.setdefault((request.lane, request.numbers[0]), set()).add(CLASS_OF.get(request.answer, ""))
    return [
        f"{letter} was buried; the twin's answers to it alone: {sorted(refused.get((letter.lane, letter.number), ()))}"
        for letter in letters
        if not refused.get((letter.lane, letter.number), set()) & set(REFUSING)
    ]
