"""Dead letters: reading them page by page, and the two things that a person can decide about one.

retry    an event goes back to `raw` as it was received, a measure to `events` behind its lane
drop     it is gone, and counted as dropped
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import redis.exceptions

from gantry import codec, topology
from gantry.codec import Letter
from gantry.errors import Unavailable
from gantry.streams.client import Client
from gantry.streams.scripts import Once
from gantry.topology import Topology

PAGE = 100  # letters read at once: a letter holds up to 16 kB of an event, a measure is smaller
BATCH = 50  # letters a call of the script
_HIGHEST = 2**64 - 1
LAST = f"{_HIGHEST}-{_HIGHEST}"  # behind every entry id

_ENTRY_ID = re.compile(r"[0-9]{1,15}-[0-9]{1,15}")
_OWNER = re.compile(r"[\w.@+-]{1,64}")


class Done(IntEnum):
    """What letter.lua says of one letter."""

    DONE = 1
    GONE = 0  # somebody else retried or dropped it, or an earlier call of ours did whose answer was lost
    UNFIT = -1  # it lacks a field, or names a target that this version does not know


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which letters are meant; what is empty matches every letter."""

    kind: str = ""  # of event.LetterClass
    target: str = ""
    device: str = ""  # the lane or the device's key; `*` stands for anything
    reason: str = ""  # a part of the reason
    text: str = ""  # a part of the content or of the platform's answer
    events: frozenset[str] = frozenset()  # event ids
    since_ms: int | None = None  # when it became a letter, by the server's clock
    until_ms: int | None = None

    def matches(self, letter: Letter) -> bool:
        """Whether a letter is meant; the times are not asked again, since `Letters.pages` reads only between them."""
        return (
            self.kind in ("", letter.kind)
            and self.target in ("", letter.target)
            and (not self.device or any(_like(self.device, name) for name in (letter.lane, letter.dev) if name))
            and self.reason.lower() in letter.reason.lower()
            and (
                not self.text or self.text.lower() in f"{letter.body.decode(errors='replace')}\n{letter.answer}".lower()
            )
            and (not self.events or letter.event_id in self.events)
        )


def is_entry_id(text: str) -> bool:
    """Whether it looks like a letter's entry id, e.g. "1760000000000-0"."""
    return _ENTRY_ID.fullmatch(text) is not None


def is_owner(text: str) -> bool:
    """Whether it can stand in the ledger as a person's name."""
    return _OWNER.fullmatch(text) is not None


class Letters:
    """The letters of one site. Everything here raises Unavailable when the server is away."""

    def __init__(self, client: Client, calls: Once, keys: Topology) -> None:
        self._client, self._calls, self._keys = client, calls, keys

    async def count(self) -> int:
        """How many lie there."""
        return int(await self._ask(self._client.xlen(self._keys.dead)))

    async def newest(self) -> str:
        """The newest letter's entry id, empty if there is none: what dies later is not concerned by what begins now."""
        rows = await self._ask(self._client.xrevrange(self._keys.dead, count=1))
        return str(rows[0][0].decode()) if rows else ""

    async def get(self, entry_id: str) -> Letter | None:
        """One letter."""
        rows = await self._ask(self._client.xrange(self._keys.dead, entry_id, entry_id))
        return codec.letter(*rows[0]) if rows else None

    async def pages(
        self, wanted: Wanted, *, last: str = LAST, newest_first: bool = False, behind: str = ""
    ) -> AsyncIterator[list[Letter]]:
        """The letters that are meant, a page at a time; a page may be empty.

        None newer than the entry id `last`; only those that come, in the order asked for, after the entry id `behind`.
        """
        low = "0-0" if wanted.since_ms is None else f"{wanted.since_ms}-0"
        high = LAST if wanted.until_ms is None else f"{wanted.until_ms}-{_HIGHEST}"
        high = min(high, last, key=_place)
        while True:
            if behind and newest_first and _place(behind) <= _place(high):
                high = f"({behind}"
            elif behind and not newest_first and _place(behind) >= _place(low):
                low = f"({behind}"
            rows = await self._page(low, high, newest_first=newest_first)
            yield [letter for row in rows if wanted.matches(letter := codec.letter(*row))]
            if len(rows) < PAGE:
                return
            behind = rows[-1][0].decode()

    async def retry(self, entry_ids: Sequence[str], owner: str) -> list[Done]:
        """Put letters back; one answer each. Whether their content allows it, `Letter.final` says."""
        return await self._decide("retry", entry_ids, owner)

    async def drop(self, entry_ids: Sequence[str], owner: str) -> list[Done]:
        """Delete letters; one answer each."""
        return await self._decide("drop", entry_ids, owner)

    async def _decide(self, verb: str, entry_ids: Sequence[str], owner: str) -> list[Done]:
        if not is_owner(owner) or not all(map(is_entry_id, entry_ids)):
            raise ValueError("an owner is a short word, and a letter is named by its entry id")
        k = self._keys
        keys = [k.dead, k.raw, k.events, k.ledger, k.inside, k.outcomes, *map(k.lane_state, topology.TARGETS)]
        head = [verb, owner, len(topology.TARGETS), *topology.TARGETS]
        answers: list[Done] = []
        for start in range(0, len(entry_ids), BATCH):
            batch = entry_ids[start : start + BATCH]
            answers += map(Done, await self._calls.once("letter", keys, [*head, *batch]))
        return answers

    async def _page(self, low: str, high: str, *, newest_first: bool) -> list[tuple[bytes, dict[bytes, bytes]]]:
        dead = self._keys.dead
        if newest_first:
            return list(await self._ask(self._client.xrevrange(dead, high, low, count=PAGE)))
        return list(await self._ask(self._client.xrange(dead, low, high, count=PAGE)))

    @staticmethod
    async def _ask(reply: Any) -> Any:
        try:
            return await reply
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as error:
            raise Unavailable(f"dead: {error}") from error


def _place(entry_id: str) -> tuple[int, int]:
    """An entry id as it is ordered."""
    ms, _, seq = entry_id.lstrip("(").partition("-")
    return int(ms), int(seq)


def _like(pattern: str, name: str) -> bool:
    """Whether a name is the pattern, in which only `*` is special."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name, re.DOTALL) is not None
