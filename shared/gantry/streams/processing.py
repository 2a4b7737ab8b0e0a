"""The processor's two steps: read the next batch, commit what was decided about it; both fenced by its lease."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import structlog

from gantry import topology
from gantry.codec import Unreadable, raw_entries
from gantry.errors import Fenced, Newer
from gantry.event import Accept, Bury, Decided, Filter, RawEntry
from gantry.streams.scripts import LADDER, Argument, Calls, text
from gantry.topology import Topology

log = structlog.get_logger()

BATCH = 200
READ_BYTES = 1_000_000  # of bodies in one batch, within twenty entries
FORGET_S = 3600  # a fingerprint is purged so long after it was stored
MOST_FINGERPRINTS = 200_000  # about 65 MB; beyond them the oldest go sooner


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit did: entries that this call finished, and the batch's duplicates with their originals (event ids).

    After a lost reply the repeat finishes nothing and names the same duplicates.
    """

    finished: int
    duplicates: dict[str, str]


class Processing:
    """Reading `raw` and finishing what was read."""

    def __init__(
        self,
        calls: Calls,
        keys: Topology,
        *,
        dedup_ttl_s: float,
        ladder: int = LADDER["commit"],
        most_fingerprints: int = MOST_FINGERPRINTS,
        test_clock: str = "",
    ) -> None:
        self._calls, self._keys, self._ladder, self.test_clock = calls, keys, ladder, test_clock
        self._window_us, self._most_fingerprints = int(dedup_ttl_s * 1_000_000), most_fingerprints

    async def read(self, token: str, count: int = BATCH) -> list[tuple[str, RawEntry | Unreadable]]:
        """The next entries, those left pending first. Raises Fenced.

        Pending entries that somebody deleted from the stream are acknowledged here and left out: there is nothing to
        decide about them, and the audit says that units are missing. Raises Newer where a later version wrote the next
        entry: it stays pending, and so does what is behind it.
        """
        while True:
            rows = await self._read(token, count)
            vanished = [entry_id for entry_id, entry in rows if entry is None]
            if vanished:
                await self._finish(token, [argument for each in vanished for argument in _of_vanished(each)])
                for each in vanished:
                    log.error("raw_entry_vanished", entry_id=each, reason="deleted from raw by another hand than ours")
            if len(vanished) < len(rows) or not rows:
                return _before_newer([(entry_id, entry) for entry_id, entry in rows if entry is not None])

    async def _read(self, token: str, count: int) -> list[tuple[str, RawEntry | Unreadable | None]]:
        keys = [self._keys.raw, self._keys.lease(topology.PROCESSOR_DUTY)]
        arguments = [topology.PROCESSOR_GROUP, topology.PROCESSOR_CONSUMER, token, count, READ_BYTES]
        reply = await self._calls.sure("read", keys, arguments)
        if reply in (b"FENCED", "FENCED"):
            raise Fenced("the processor's lease has gone to another process")
        return raw_entries(reply)

    async def commit(self, token: str, decided: Sequence[Decided]) -> Committed | None:
        """Finish a batch; None when memory does not allow it yet. Raises Fenced."""
        return await self._finish(token, [argument for each in decided for argument in _arguments(each)])

    async def _finish(self, token: str, flat: list[Argument]) -> Committed | None:
        k = self._keys
        keys = [
            k.raw,
            k.events,
            k.dead,
            k.ledger,
            k.inside,
            k.lease(topology.PROCESSOR_DUTY),
            k.dedup,
            k.dedup_of,
            *(k.outcomes, k.last, k.seen),
            *map(k.rollup, ("seconds", "minutes", "hours")),
        ]
        keys += [k.lane_state(target) for target in topology.TARGETS]
        head: list[Argument] = [
            topology.PROCESSOR_GROUP,
            token,
            self._window_us,
            FORGET_S * 1_000_000,
            self._ladder,
            self._most_fingerprints,
        ]
        names: list[Argument] = [len(topology.TARGETS), *topology.TARGETS]
        status, *rest = await self._calls.sure("commit", keys, [*head, *names, *flat, self.test_clock])
        match text(status):
            case "FENCED":
                raise Fenced("the processor's lease has gone to another process")
            case "MEMORY":
                return None
            case _:
                pairs = [text(value) for value in rest[1:]]
                return Committed(int(rest[0]), dict(zip(pairs[::2], pairs[1::2], strict=True)))


def _before_newer(batch: list[tuple[str, RawEntry | Unreadable]]) -> list[tuple[str, RawEntry | Unreadable]]:
    for at, (entry_id, entry) in enumerate(batch):
        if isinstance(entry, Unreadable) and entry.newer:
            if at == 0:
                raise Newer(f"a later version wrote entry {entry_id} of raw ({entry.reason}): start that version")
            return batch[:at]
    return batch


def _of_vanished(entry_id: str) -> list[Argument]:
    return [entry_id, "vanished", "", "", 0, "", "", "", "", "", 0]


def _arguments(each: Decided) -> list[Argument]:
    raw, decision = each.raw, each.decision
    common: list[Argument] = [raw.dev]
    tail: list[Argument] = [raw.t_rx, raw.id]
    told: list[Argument] = [raw.src, raw.t_dev, each.what]
    match decision:
        case Accept(fingerprint, measures):
            flat: list[Argument] = []
            for measure in measures:
                number = topology.TARGETS.index(measure.target) + 1
                flat += [number, measure.lane, " ".join(measure.flags), measure.body]
            return [each.entry_id, "accept", *common, fingerprint, *tail, "", *told, len(measures), *flat]
        case Filter(reason):
            return [each.entry_id, "filter", *common, "", *tail, reason, *told, 0]
        case Bury(letter, reason, body):
            return [each.entry_id, letter.value, *common, "", *tail, reason, *told, 1, body]
        case _:
            assert_never(decision)
