"""The breakers' states as they were seen from outside, and whether the twin's record keeps to them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from end_to_end.record import CLASS_OF, Request
from gantry import topology
from gantry.streams.client import Client
from gantry.topology import Topology

LOOK_S = 0.01
UNDER_WAY_US = 1_000_000  # what was granted before the breaker opened arrives within this
SENT_AGAIN = (  # the transport tries at once, once
    *("close", "close_after_apply", "close_half"),
    *("reset", "reset_after_apply", "reset_half"),
)


@dataclass
class Opening:
    """One time that a breaker opened, up to its next opening or its end; times of the server, µs."""

    target: str
    trips: int
    streak: int
    from_us: int
    until_us: int  # when a probe may go, as first seen
    to_us: int = 0  # when it was last seen so


@dataclass
class Watch:
    """Looks at the breakers every LOOK_S; what lasts less is not seen, and then not judged."""

    client: Client
    openings: list[Opening] = field(default_factory=list)
    state: dict[str, str] = field(default_factory=dict)
    trips: dict[str, int] = field(default_factory=dict)

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            for target in topology.TARGETS:
                await self._look(target)
            await asyncio.sleep(LOOK_S)

    async def _look(self, target: str) -> None:
        pipe = self.client.pipeline(transaction=True)
        pipe.time()
        pipe.hmget(Topology().breaker(target), "state", "until", "trips", "streak")
        (seconds, micros), (state, until, trips, streak) = await pipe.execute()
        now_us = int(seconds) * 1_000_000 + int(micros)
        self.state[target] = (state or b"closed").decode()
        self.trips[target] = int(trips or 0)
        if self.state[target] == "closed":
            return
        last = next((each for each in reversed(self.openings) if each.target == target), None)
        if last is None or (last.trips, last.streak) != (int(trips), int(streak)):
            last = Opening(target, int(trips), int(streak), now_us, int(until) * 1000)
            self.openings.append(last)
        last.to_us = now_us

    def of(self, target: str) -> list[Opening]:
        return [opening for opening in self.openings if opening.target == target]


def probes(opening: Opening, found: Iterable[Request]) -> list[Request]:
    """What arrived while a probe was allowed, as far as it was watched."""
    return [
        request
        for request in found
        if request.lane[0] == opening.target and opening.until_us - 2000 <= request.at_us <= opening.to_us
    ]


def wrong(
    openings: Sequence[Opening], found: Sequence[Request], *, lease_us: int, resumed_us: Sequence[int] = ()
) -> list[str]:
    """Sentences: requests while a breaker was open, and more than one probe in a half-open period.

    `resumed_us`: when publishers that had been stopped went on: what they had in hand is under way again.
    """
    return [
        sentence
        for opening in openings
        for sentence in (*_while_open(opening, found, resumed_us), *_probes(opening, found, lease_us, resumed_us))
    ]


def _while_open(opening: Opening, found: Sequence[Request], resumed_us: Sequence[int]) -> Iterable[str]:
    grace = UNDER_WAY_US if opening.streak == 1 else UNDER_WAY_US // 10
    for request in found:
        inside = opening.from_us + grace <= request.at_us < min(opening.until_us - 2000, opening.to_us)
        if request.lane[0] == opening.target and inside and not _just_resumed(request, resumed_us):
            yield f"{opening} was open, and this went out: {request}"


def _probes(opening: Opening, found: Sequence[Request], lease_us: int, resumed_us: Sequence[int]) -> Iterable[str]:
    sent = [request for request in probes(opening, found) if not _just_resumed(request, resumed_us)]
    again = sum(request.lane == before.lane and before.answer in SENT_AGAIN for before, request in pairwise(sent))
    died = (opening.to_us - opening.until_us) // lease_us  # a prober that died is replaced when its lease has run out
    if len(sent) - again - died > 1:
        yield f"{opening} had {len(sent)} probes: {'; '.join(map(str, sent[:4]))}"


def _just_resumed(request: Request, resumed_us: Sequence[int]) -> bool:
    return any(0 <= request.at_us - at <= UNDER_WAY_US for at in resumed_us)


def classes(found: Iterable[Request]) -> dict[str, int]:
    """How often the twin gave an answer of each class."""
    counts: dict[str, int] = {}
    for request in found:
        name = CLASS_OF.get(request.answer, request.answer)
        counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items()))
