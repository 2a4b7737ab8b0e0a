"""The publisher's two steps: pull events into lanes, and the turn that settles one request and grants the next."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gantry import topology
from gantry.streams.scripts import LADDER, Argument, Calls, text
from gantry.topology import Topology

PULL_BATCH = 200
CANDIDATES = 4  # lanes named in one turn
LONGEST_LEGAL_DELAY_S = 600  # a due time further ahead can only come from a clock that stepped


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a turn enforces for one target."""

    lease_s: float
    batch_max: int
    per_minute: float
    burst: int
    counts: str  # "measures" or "requests"
    open_after: int
    cooldown_s: float


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


class Outcome(StrEnum):
    """What a request's answer means for its lane."""

    DELIVERED = "delivered"
    TRANSIENT = "transient"  # the same measures again, later
    DEFERRED = "deferred"  # the same, but the answer shows that the platform lives
    REFUSED = "refused"  # several: halve the batch; one: dead letter


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """How a grant ended."""

    grant: Grant
    outcome: Outcome
    delay_s: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A turn's reply."""

    settled: str  # settled, again (a repeat), stale (the lease was lost), or "" (nothing to settle)
    grants: tuple[Grant, ...]
    hints: tuple[str, ...]  # lanes to name next time
    wait_s: float | None  # nothing will be due before; None: nothing is due at all
    breaker: str  # closed, open, half
    breaker_reason: str  # of the last opening
    at_us: int  # the server's time: replies of turns that ran side by side may come in another order


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull did: entries moved, and the lanes by target that have become due."""

    moved: int
    lanes: dict[str, list[str]]
    after: str  # the group's last-delivered id before this pull: news come behind it
    raced: bool = False  # somebody else pulled these: ask again
    memory_full: bool = False


class Lanes:
    """Lanes, leases, limits and breakers of one site."""

    def __init__(self, calls: Calls, keys: Topology, *, ladder: int = LADDER["pull"], test_clock: str = "") -> None:
        self._calls, self._keys, self._ladder, self.test_clock = calls, keys, ladder, test_clock

    async def pull(self, count: int = PULL_BATCH) -> Pulled:
        """Move the next entries, in stream order, to their lanes; none when somebody else was faster."""
        at, *flat = await self._calls.sure("peek", [self._keys.events], [topology.PUBLISHER_GROUP, count])
        names = [text(value) for value in flat]
        if not names:
            return Pulled(0, {}, text(at))
        lanes = list(dict.fromkeys(zip(names[::2], names[1::2], strict=True)))
        keys = [
            self._keys.events,
            *map(self._keys.due, topology.TARGETS),
            *(self._keys.lane(*lane) for lane in lanes),
        ]
        arguments: list[Argument] = [
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
    ) -> Turn:
        """Settle and grant in one step. The new lease's token is made here and never changes between repeats."""
        k, token = self._keys, secrets.token_hex(8)
        named = [settle.grant.lane] if settle else []
        named += [lane for lane in dict.fromkeys(candidates) if lane not in named][:CANDIDATES]
        keys = [
            k.events,
            k.due(target),
            k.lane_state(target),
            k.breaker(target),
            k.ledger,
            k.dead,
            k.receipts,
            k.inside,
        ]
        for lane in named:
            keys += [k.lane(target, lane), k.limit(target, lane)]
        arguments = [
            topology.PUBLISHER_GROUP,
            target,
            token,
            want,
            *_limits(limits),
            *_settlement(settle),
            *named,
        ]
        reply = await self._calls.sure("turn", keys, [*arguments, self.test_clock])
        return _turn(token, reply)


def _limits(limits: Limits) -> list[Argument]:
    return [
        int(limits.lease_s * 1000),
        limits.batch_max,
        int(60_000_000 / limits.per_minute),
        limits.burst,
        limits.counts,
        limits.open_after,
        int(limits.cooldown_s * 1000),
        LONGEST_LEGAL_DELAY_S * 1000,
        CANDIDATES,
    ]


def _settlement(settle: Settlement | None) -> list[Argument]:
    if settle is None:
        return ["", "", 0, 0, ""]
    delay_ms = min(int(settle.delay_s * 1000), LONGEST_LEGAL_DELAY_S * 1000)
    return [settle.grant.token, settle.outcome.value, len(settle.grant.items), delay_ms, settle.reason]


def _turn(token: str, reply: list[Any]) -> Turn:
    settled, grants, hints, wait_ms, breaker, reason, at_us = reply
    return Turn(
        settled=text(settled),
        grants=tuple(
            Grant(token, text(lane), int(attempts), tuple(map(_item, items))) for lane, attempts, *items in grants
        ),
        hints=tuple(map(text, hints)),
        wait_s=None if wait_ms < 0 else wait_ms / 1000,
        breaker=text(breaker),
        breaker_reason=text(reason),
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
