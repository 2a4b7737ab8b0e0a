"""The publisher's two steps: pull events into lanes, and the turn that settles one request and grants the next."""

from __future__ import annotations

import functools
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gantry import topology
from gantry.codec import READABLE
from gantry.streams.scripts import LADDER, Argument, Calls, text
from gantry.topology import Topology

PULL_BATCH = 200
CANDIDATES = 4  # most lanes named in one turn, beside the one that is settled
HINTS = 32  # most due lanes that a turn names for later ones
LONGEST_LEGAL_DELAY_S = 600  # a due time further ahead can only come from a clock that stepped


@dataclass(frozen=True, slots=True)
class Rate:
    """What one device may send: on average, and at once after a silence."""

    per_minute: float
    burst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a turn enforces for one target."""

    lease_s: float
    batch_max: int
    rate: Rate  # of each device that has none of its own
    rates: Mapping[str, Rate] = field(default_factory=dict)  # lane → its own
    counts: str  # "measures" or "requests"
    ceiling_per_s: float = 0.0  # requests of the whole target; 0: none
    open_after: int
    cooldown_s: float

    def rate_of(self, lane: str) -> Rate:
        return self.rates.get(lane, self.rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One measure in a lane."""

    entry_id: str
    event_id: str
    dev: str
    seq: int
    t_rx: int  # µs since the epoch
    body: bytes


@dataclass(frozen=True, slots=True)
class Grant:
    """A lane leased to one request, with its oldest measures."""

    token: str
    lane: str
    attempts: int  # failed tries of these measures before this one
    items: tuple[Item, ...]
    resent: bool = False  # the newest measure once more, because an older one went out after it


class Outcome(StrEnum):
    """What a request's answer means for its lane."""

    DELIVERED = "delivered"
    RETRY = "retry"  # the same measures again, later
    SLOW = "slow"  # the same, and nothing else of this target until then
    SHRINK = "shrink"  # the same later, in requests of half the size
    REFUSED = "refused"  # several: halve the batch; one: dead letter
    HOLD = "hold"  # the device is not known there: hold it, and ask again from time to time
    OPEN = "open"  # nothing of this target can go through: open its breaker
    RETURNED = "returned"  # never sent: as if it had not been granted


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """How a grant ended."""

    grant: Grant
    outcome: Outcome
    delay_s: float = 0.0
    speaks: bool = False  # a failure that speaks of the target, not of these measures: the breaker counts it
    alone: bool = True  # it does so too from the only active lane; an answer that nobody knows takes more than one
    reason: str = ""
    answer: str = field(default="", repr=False)  # redacted; goes into a letter


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A turn's reply."""

    settled: str  # settled, again (a repeat), stale (the lease was lost), or "" (nothing to settle)
    grants: tuple[Grant, ...]
    hints: tuple[str, ...]  # lanes to name next time
    wait_s: float | None  # nothing will be due before; None: nothing is due at all
    breaker: str  # closed, open, half
    breaker_reason: str  # of the last opening
    paused: bool = False  # an operator paused this target
    at_us: int = 0  # the server's time: replies of turns that ran side by side may come in another order


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull did: entries moved, and the lanes by target that have become due."""

    moved: int
    lanes: dict[str, list[str]]
    after: str  # the group's last-delivered id before this pull: news come behind it
    raced: bool = False  # somebody else pulled these: ask again
    memory_full: bool = False
    newer: str = ""  # the next entry's version, where a later one than ours wrote it: it stays where it is


class Lanes:
    """Lanes, leases, limits and breakers of one site."""

    def __init__(self, calls: Calls, keys: Topology, *, ladder: int = LADDER["pull"], test_clock: str = "") -> None:
        self._calls, self._keys, self._ladder, self.test_clock = calls, keys, ladder, test_clock

    async def pull(self, count: int = PULL_BATCH) -> Pulled:
        """Move the next entries, in stream order, to their lanes; none when somebody else was faster."""
        arguments: list[Argument] = [topology.PUBLISHER_GROUP, count, max(READABLE)]
        at, newer, *flat = await self._calls.sure("peek", [self._keys.events], arguments)
        names = [text(value) for value in flat]
        if not names:
            return Pulled(0, {}, text(at), newer=text(newer))
        lanes = list(dict.fromkeys(zip(names[::2], names[1::2], strict=True)))
        keys = [
            self._keys.events,
            *map(self._keys.due, topology.TARGETS),
            *map(self._keys.flow, topology.TARGETS),
            *(self._keys.lane(*lane) for lane in lanes),
        ]
        arguments = [
            topology.PUBLISHER_GROUP,
            topology.PUBLISHER_CONSUMER,
            text(at),
            len(names) // 2,
        ]
        arguments += [self._ladder, len(topology.TARGETS)]
        for target, lane in lanes:
            arguments += [topology.TARGETS.index(target) + 1, target, lane]
        moved = int(await self._calls.sure("pull", keys, [*arguments, self.test_clock]))
        if moved < 0:
            return Pulled(0, {}, text(at), raced=moved == -1, memory_full=moved != -1)
        due: dict[str, list[str]] = {}
        for target, lane in lanes:
            due.setdefault(target, []).append(lane)
        return Pulled(moved, due, text(at))

    async def turn(
        self,
        target: str,
        limits: Limits,
        candidates: Sequence[str],
        *,
        settle: Settlement | None = None,
        want: int = 1,
        hints: int = HINTS,
    ) -> Turn:
        """Settle and grant in one step. The new lease's token is made here and never changes between repeats.

        `hints`: how many due lanes the reply shall name; with 0 it does not say either how long to wait.
        """
        k, token = self._keys, secrets.token_hex(8)
        named = [settle.grant.lane] if settle else []
        named += [lane for lane in dict.fromkeys(candidates) if lane not in named][:CANDIDATES]
        keys = list(self._heads(target))
        for lane in named:
            keys += [k.lane(target, lane), k.limit(target, lane)]
        arguments = [
            topology.PUBLISHER_GROUP,
            target,
            token,
            want,
            *_limits(limits, hints),
            *_settlement(settle),
            *(word for lane in named for word in _rate(limits.rate_of(lane), lane)),
        ]
        reply = await self._calls.sure("turn", keys, [*arguments, self.test_clock])
        return _turn(token, reply)

    @functools.cache  # noqa: B019 - one per process, and two targets
    def _heads(self, target: str) -> tuple[str, ...]:
        k = self._keys
        of_target = (k.due(target), k.lane_state(target), k.breaker(target))
        return (
            *(k.events, *of_target, k.ledger, k.dead, k.receipts, k.inside),
            *(k.paused, k.holds(target), k.ceiling(target)),
            *(k.outcomes, k.rollup("minutes"), k.rollup("hours")),
        )


def _limits(limits: Limits, hints: int) -> list[Argument]:
    return [
        int(limits.lease_s * 1000),
        limits.batch_max,
        limits.counts,
        limits.open_after,
        int(limits.cooldown_s * 1000),
        LONGEST_LEGAL_DELAY_S * 1000,
        hints,
        int(1_000_000 / limits.ceiling_per_s) if limits.ceiling_per_s else 0,
        max(1, int(limits.ceiling_per_s)),
    ]


def _rate(rate: Rate, lane: str) -> list[Argument]:
    return [lane, int(60_000_000 / rate.per_minute), rate.burst]


def _settlement(settle: Settlement | None) -> list[Argument]:
    if settle is None:
        return ["", "", 0, 0, 0, "", ""]
    delay_ms = min(int(settle.delay_s * 1000), LONGEST_LEGAL_DELAY_S * 1000)
    measures, speaks = len(settle.grant.items), 0 if not settle.speaks else 1 if settle.alone else 2
    return [
        settle.grant.token,
        settle.outcome.value,
        measures,
        delay_ms,
        speaks,
        settle.reason,
        settle.answer,
    ]


def _turn(token: str, reply: list[Any]) -> Turn:
    settled, grants, hints, wait_ms, breaker, reason, paused, at_us = reply
    return Turn(
        settled=text(settled),
        grants=tuple(
            Grant(token, text(lane), int(attempts), tuple(map(_item, items)), bool(resent))
            for lane, attempts, resent, *items in grants
        ),
        hints=tuple(map(text, hints)),
        wait_s=None if wait_ms < 0 else wait_ms / 1000,
        breaker=text(breaker),
        breaker_reason=text(reason),
        paused=bool(paused),
        at_us=int(at_us),
    )


def _item(flat: bytes) -> Item:
    entry_id, event_id, dev, seq, t_rx, body = flat.split(b"\n", 5)
    return Item(
        entry_id=entry_id.decode(),
        event_id=event_id.decode(),
        dev=dev.decode(),
        seq=int(seq),
        t_rx=int(t_rx),
        body=body,
    )
