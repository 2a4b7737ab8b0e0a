"""What the streams of receipts and outcomes tell, set against the ledger: the journal writes nothing else."""

from __future__ import annotations

import re
from collections import Counter

from gantry.ledger import Ledger
from gantry.streams.client import Client
from gantry.topology import Topology


async def tally(client: Client, keys: Topology) -> Counter[str] | None:
    """Units by how they ended; None once old entries have been trimmed."""
    told: Counter[str] = Counter()
    for stream in (keys.receipts, keys.outcomes):
        rows = await client.xrange(stream)
        if len(rows) != (await client.xinfo_stream(stream))["entries-added"]:
            return None
        for _, row in rows:
            kind = row.get(b"kind", b"resent" if row.get(b"resent") == b"1" else b"published").decode()
            told[kind] += int(row.get(b"n", b"1"))
    return told


def expected(ledger: Ledger) -> Counter[str]:
    """The same, as the ledger has it; letters that a person decided about are told once more."""
    dropped = ledger.outcomes["dropped"] + ledger.events["dropped_in"]
    retried = ledger.beside.get("retried", 0) + ledger.beside.get("retried_in", 0)
    here = ledger.outcomes["dead_out"] + ledger.events["dead_in"]
    return +Counter(
        published=ledger.outcomes["published"],
        resent=ledger.beside.get("resent", 0),
        filtered=ledger.events["filtered"],
        deduplicated=ledger.events["deduplicated"],
        dead=here + retried + dropped,
        retried=retried,
        dropped=dropped,
    )


async def rolled_up(client: Client, keys: Topology, period: str) -> Counter[str]:
    """All buckets of a rollup together."""
    total: Counter[str] = Counter()
    for field, n in (await client.hgetall(keys.rollup(period))).items():
        if found := re.fullmatch(r"\d+:(.+)", field.decode()):
            total[found[1]] += int(n)
    return total
