"""Appending to `raw`: durable when it returns, each entry once, refused entry by entry when there is no room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum

from gantry.codec import raw_arguments
from gantry.event import RawEntry
from gantry.streams.scripts import LADDER, Once
from gantry.topology import Topology

BATCH = 200  # entries a call: about a millisecond of the server's time
BATCH_BYTES = 1_000_000  # of bodies a call: everybody else waits while it is read and written


class Answer(IntEnum):
    """What append.lua says of one entry."""

    TAKEN = 1
    TAKEN_BEFORE = 0
    DEVICE_FULL = -1  # DEVICE_QUOTA is used up
    SITE_FULL = -2  # the memory ladder

    @property
    def refused(self) -> bool:
        """Offer it again later, before anything newer of the same device."""
        return self < 0


class Inlet:
    """One producer's way into `raw`: a spool (for ever) or one push of a counter (`ttl_s`)."""

    def __init__(
        self,
        calls: Once,
        keys: Topology,
        producer: str,
        *,
        quota: int,
        ttl_s: int = 0,
        ladder: int = LADDER["append"],
    ) -> None:
        self._calls, self._ttl_s, self._ladder, self._quota = calls, ttl_s, ladder, quota
        self._keys = [
            keys.raw,
            keys.ledger,
            keys.inside,
            keys.producer(producer),
            *map(keys.rollup, ("minutes", "hours")),
        ]

    async def append(self, source: str, entries: Sequence[RawEntry]) -> list[Answer]:
        """One answer per entry. Raises Unavailable when the server is away; then the same call may be repeated.

        Numbers (`seq`) of one device must grow. Long or large batches take several calls of the script; a device that
        is refused in one of them is not offered again in the next, so that no later number can hide the hole.
        """
        answers: list[Answer] = []
        refused: dict[str, Answer] = {}
        for part in _parts(entries):
            offered = [entry for entry in part if entry.dev not in refused]
            codes = iter(await self._call(source, offered))
            for entry in part:
                answer = refused[entry.dev] if entry.dev in refused else next(codes)
                answers.append(answer)
            refused |= {e.dev: a for e, a in zip(part, answers[-len(part) :], strict=True) if a.refused}
        return answers

    async def _call(self, source: str, entries: Sequence[RawEntry]) -> list[Answer]:
        if not entries:
            return []
        flat = [argument for entry in entries for argument in raw_arguments(entry)]
        arguments = [self._quota, self._ladder, source, self._ttl_s, *flat]
        return [Answer(code) for code in await self._calls.once("append", self._keys, arguments)]


def _parts(entries: Sequence[RawEntry]) -> Iterator[Sequence[RawEntry]]:
    """Slices of at most BATCH entries and BATCH_BYTES, but at least one entry."""
    start, size = 0, 0
    for at, entry in enumerate(entries):
        if at > start and (at - start == BATCH or size + len(entry.body) > BATCH_BYTES):
            yield entries[start:at]
            start, size = at, 0
        size += len(entry.body)
    if start < len(entries):
        yield entries[start:]
