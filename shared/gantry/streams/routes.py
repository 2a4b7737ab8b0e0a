"""Which node a site lives on: asked anew for every connection, since a failover or a moved slot changes it.

All keys of a site are in one slot, so one node of a cluster has the whole of it at any time: no more is needed than
to find that one, as one finds the master among sentinels. What nodes announce of themselves is what is used: behind
an address translation they must announce (`cluster-announce-ip`, `-port`, `-hostname`) what we can reach.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import redis.exceptions

from gantry.streams.address import NODES_AT_MOST, Node

FIND_S = 4.0  # for all who are asked
ASK_S = 1.5  # for one, its connection included

_REFUSALS = (redis.exceptions.AuthenticationError, redis.exceptions.NoPermissionError)
Ask = Callable[..., Awaitable[Any]]  # (node, word, word, …) → reply; raises RedisError


class Route(Protocol):
    """The way to the node that a site lives on."""

    wants_master: bool  # whether whom it names must say of itself that it is a master

    async def find(self) -> Node:
        """Raises redis.exceptions.ConnectionError when nobody says it."""
        ...

    def doubt(self) -> None:
        """The node found was not the right one: somebody else is asked next."""


@dataclass
class Fixed:
    """A server that has an address."""

    node: Node
    wants_master: bool = False

    async def find(self) -> Node:
        return self.node

    def doubt(self) -> None:
        """There is nobody else."""


@dataclass
class Asked:
    """Whom to ask: those that the settings name, then those heard of; the one that answered last is the first."""

    ask: Ask
    nodes: tuple[Node, ...]
    heard_of: tuple[Node, ...] = ()
    first: int = 0

    async def until_one_says(self, what: str, *words: str, read: Callable[[Node, Any], Node | None]) -> Node:
        """The first node that `read` finds in an answer.

        Raises redis.exceptions.ConnectionError; its cause is the refusal, where somebody did not let us in.
        """
        reasons: list[str] = []
        refusal = None
        try:
            async with asyncio.timeout(FIND_S):
                for number, node in self._in_turn():
                    try:
                        found = read(node, await self.ask(node, *words))
                    except (redis.exceptions.RedisError, OSError) as error:
                        reasons.append(f"{node}: {error}")
                        refusal = error if isinstance(error, _REFUSALS) else refusal
                        continue
                    if found:
                        self.first = number
                        return found
                    reasons.append(f"{node} does not know it")
        except TimeoutError:
            reasons.append(f"given up after {FIND_S:g} s")
        self.first += 1
        said = "; ".join(reasons[:3])
        raise redis.exceptions.ConnectionError(f"nobody says where {what} is ({said})") from refusal

    def _in_turn(self) -> Iterator[tuple[int, Node]]:
        known = tuple(dict.fromkeys((*self.nodes, *self.heard_of)))[:NODES_AT_MOST]
        numbered = list(enumerate(known))
        start = self.first % len(known)
        return itertools.chain(numbered[start:], numbered[:start])


@dataclass
class InCluster:
    """The owner of a slot."""

    asked: Asked
    slot: int
    wants_master: bool = field(default=False, init=False)  # another than the owner says so with MOVED

    async def find(self) -> Node:
        return await self.asked.until_one_says(f"slot {self.slot}", "CLUSTER", "SLOTS", read=self._read)

    def doubt(self) -> None:
        self.asked.first += 1

    def _read(self, asked: Node, reply: Any) -> Node | None:
        owner, masters = owner_of(self.slot, reply, asked)
        self.asked.heard_of = masters
        return owner


@dataclass
class BySentinels:
    """The master of a name."""

    asked: Asked
    master: str
    wants_master: bool = field(default=True, init=False)  # a sentinel may not have heard yet

    async def find(self) -> Node:
        words = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.master)
        return await self.asked.until_one_says(f"master {self.master!r}", *words, read=lambda _, reply: named(reply))

    def doubt(self) -> None:
        self.asked.first += 1


def owner_of(slot: int, reply: Any, asked: Node) -> tuple[Node | None, tuple[Node, ...]]:
    """From CLUSTER SLOTS: who owns the slot (None: nobody), and all masters.

    A node that does not know its own address leaves the host empty: it is the one that was asked.
    """
    owner, masters = None, []
    for begin, end, (host, port, *_), *_ in reply:
        name = _text(host)
        master = Node(asked.host if name in ("", "?") else name, int(port))
        masters.append(master)
        if begin <= slot <= end:
            owner = master
    return owner, tuple(dict.fromkeys(masters))


def named(reply: Sequence[Any] | None) -> Node | None:
    """From SENTINEL GET-MASTER-ADDR-BY-NAME; None where no such master is known."""
    return Node(_text(reply[0]), int(reply[1])) if reply else None


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value or "")
