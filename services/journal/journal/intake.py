"""Reading `receipts` and `outcomes` as the group `journal`: what is pending first, then what is new.

The consumer's name is fixed, so that a journal that starts again finds what it had in hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis.exceptions

from gantry import topology
from gantry.errors import Unavailable
from gantry.streams import groups
from gantry.streams.client import Client
from gantry.streams.scripts import raise_if_away, text
from gantry.topology import Topology
from journal.lines import STREAMS, Entry
from journal.merge import Reading

CONSUMER = "journal"
COUNT = 100  # entries of a stream in one reading; a receipt of 30 measures has some 10 kB, at most about 1 MB
BLOCK_S = 1.0
_NEW = ">"
_PAGE = 1000
_GONE = ("NOGROUP", "UNBLOCKED")  # somebody removed the stream or its group


class Intake:
    """Both streams on one server. Everything raises Unavailable; after that, begin anew."""

    def __init__(
        self, client: Client, waiting: Client, keys: Topology, *, count: int = COUNT, block_s: float = BLOCK_S
    ) -> None:
        """`waiting`: a client for readings that block; nothing else gets through it meanwhile."""
        self._block_ms = round(block_s * 1000)
        self._client, self._waiting, self._prepared, self._count = client, waiting, keys, count
        self._keys = dict(zip(STREAMS, (keys.receipts, keys.outcomes), strict=True))
        self._from = dict.fromkeys(STREAMS, "0")

    async def begin(self) -> set[str]:
        """Start from what is pending; the names of those entries."""
        with _away():
            await groups.prepare(self._client, self._prepared)
            self._from = dict.fromkeys(STREAMS, "0")
            return {f"{stream}/{entry_id}" for stream in STREAMS for entry_id in await self._pending(stream)}

    async def _pending(self, stream: str) -> list[str]:
        found: list[str] = []
        while True:
            first = f"({found[-1]}" if found else "-"
            rows = await self._client.xpending_range(
                self._keys[stream], topology.JOURNAL_GROUP, min=first, max="+", count=_PAGE
            )
            found += [text(row["message_id"]) for row in rows]
            if len(rows) < _PAGE:
                return found

    async def read(self, streams: Sequence[str], *, wait: bool) -> dict[str, Reading]:
        """One reading of some streams at one instant. `wait`: for news, up to `block_s`, if nothing is pending."""
        given: dict[Any, Any] = {self._keys[stream]: self._from[stream] for stream in streams}
        client, block = (self._waiting, self._block_ms) if wait else (self._client, None)
        with _away():
            reply: Any = await client.xreadgroup(
                topology.JOURNAL_GROUP, CONSUMER, given, count=self._count, block=block
            )
        rows = {text(key): found for key, found in reply or ()}
        return {stream: self._reading(stream, rows.get(self._keys[stream], ())) for stream in streams}

    def _reading(self, stream: str, rows: Sequence[Any]) -> Reading:
        entries = [Entry(stream, text(entry_id), fields) for entry_id, fields in rows]
        if self._from[stream] == _NEW:
            return Reading(entries, ended=len(entries) < self._count)
        self._from[stream] = entries[-1].id if entries else _NEW
        return Reading(entries, ended=False)

    async def acknowledge(self, entries: Sequence[Entry]) -> None:
        """All of them or none: what is written and not acknowledged is always the end of the log."""
        with _away():
            pipe = self._client.pipeline(transaction=True)
            for stream in STREAMS:
                if ids := [entry.id for entry in entries if entry.stream == stream]:
                    pipe.xack(self._keys[stream], topology.JOURNAL_GROUP, *ids)
            await pipe.execute()

    async def behind(self) -> dict[str, int]:
        """Entries of each stream that are not in the log; a stream whose lag the server does not know is left out."""
        with _away():
            found = {stream: await self._client.xinfo_groups(key) for stream, key in self._keys.items()}
        rows = [(stream, row) for stream, rows in found.items() for row in rows]
        ours = [(stream, row) for stream, row in rows if text(row["name"]) == topology.JOURNAL_GROUP]
        return {stream: row["lag"] + row["pending"] for stream, row in ours if row.get("lag") is not None}


@contextmanager
def _away() -> Iterator[None]:
    try:
        yield
    except redis.exceptions.RedisError as error:
        raise_if_away("journal", error)
        if isinstance(error, redis.exceptions.ResponseError) and str(error).startswith((*_GONE, "no such key")):
            raise Unavailable(f"the journal's group or stream has been removed: {error}") from error
        raise
