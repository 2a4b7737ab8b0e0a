"""Measures that wait in lanes before a benchmark begins, put there by the processor's and the publisher's own steps."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import islice

from builders import patient
from gantry import topology
from gantry.event import Accept, Decided, Measure, RawEntry, new_event_id
from gantry.streams import groups
from gantry.streams.client import Client
from gantry.streams.inlet import Inlet
from gantry.streams.lanes import Lanes
from gantry.streams.processing import Processing
from gantry.topology import Topology

A_COMMIT = 200  # measures; all of one event, which costs least
TOKEN = "t" * 32
BODY = (
    b'{"TimeInstant":"2026-01-15T10:00:00.000Z","event":"CrossLineDetection","count":1,'
    b'"objectType":"Vehicle","direction":"LeftToRight","ruleId":%d}'
)


class Prefill:
    """Plays the processor: it must not run beside."""

    def __init__(self, client: Client) -> None:
        calls = patient(client)
        self._client, self._calls, self._keys = client, calls, Topology()
        self._processing = Processing(calls, self._keys, dedup_ttl_s=0, ladder=0)
        self._lanes = Lanes(calls, self._keys, ladder=0)
        self._inlet = Inlet(calls, self._keys, "bench", quota=10**9, ladder=0)
        self._number = 0

    async def open(self) -> None:
        await groups.prepare(self._client, self._keys)
        lease = self._keys.lease(topology.PROCESSOR_DUTY)
        await self._calls.once("lease", [lease], ["take", TOKEN, "bench", "", ""])

    async def commit(self, measures: Iterable[tuple[str, str]]) -> int:
        """Append one measure to `events` per (target, lane); how many."""
        source, count = iter(measures), 0
        while part := list(islice(source, A_COMMIT)):
            self._number += 1
            t_rx = time.time_ns() // 1000
            entry = RawEntry(
                id=new_event_id(t_rx),
                src="bench",
                dev="bench",
                seq=self._number,
                t_dev="",
                t_rx=t_rx,
                body=b"",
            )
            await self._inlet.append("bench", [entry])
            accepted = Accept("", tuple(Measure(target=t, lane=lane, body=BODY % count) for t, lane in part))
            read = await self._processing.read(TOKEN)
            await self._processing.commit(TOKEN, [Decided(entry_id, raw, accepted) for entry_id, raw in read])
            count += len(part)
        return count

    async def pull(self) -> None:
        """Everything into its lane."""
        while (await self._lanes.pull()).moved:
            pass


def spread(lanes: int, each: int, targets: tuple[str, ...] = topology.TARGETS) -> Iterator[tuple[str, str]]:
    """`each` measures for each of `lanes` devices a target, in turn."""
    return ((target, f"bench-{lane}") for _ in range(each) for lane in range(lanes) for target in targets)
