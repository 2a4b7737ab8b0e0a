"""Streams, groups, lanes, leases and the memory ladder, as the server says them."""

from __future__ import annotations

from typing import Any

from dashboard.reading import backlogs, states
from dashboard.reading.devices import held
from dashboard.reading.site import gathered, paused
from dashboard.reading.sources import Sources, lossy
from gantry import topology
from gantry.diagnosis import facts
from gantry.streams.controls import Hold
from gantry.streams.scripts import LADDER

LONGEST = 50  # lanes shown per target
_STATE = ("attempts", "batch", "token", "reason")


async def streams(sources: Sources) -> states.Streams:
    """Everything, at about one instant."""

    async def look() -> states.Streams:
        k, seen = sources.keys, await gathered(sources)
        names = {"raw": k.raw, "events": k.events, "receipts": k.receipts, "outcomes": k.outcomes, "dead": k.dead}
        return states.Streams(
            streams=[await _stream(sources, name, key, seen.now_ms) for name, key in names.items()],
            targets=[await _lanes(sources, target, seen) for target in topology.TARGETS],
            leases=_leases(seen),
            memory=_memory(seen.server),
        )

    return await sources.cache.get("streams", look)


def _leases(seen: facts.Facts) -> list[states.Lease]:
    alive = {process.instance for process in seen.processes}
    return [states.Lease(duty=each.duty, instance=each.instance, alive=each.instance in alive) for each in seen.holders]


def _memory(server: facts.Server) -> states.Memory:
    return states.Memory(
        product=server.product,
        used=server.used,
        maximum=server.maximum,
        percent=round(server.percent, 1),
        ladder=[
            states.Rung(step=step, percent=limit, stopped=step in server.stopped) for step, limit in LADDER.items()
        ],
        weaknesses=list(server.weaknesses),
    )


async def _stream(sources: Sources, name: str, key: str, now_ms: int) -> states.StreamState:
    """One that does not exist yet is empty."""
    if not await sources.client.exists(key):
        return states.StreamState(name=name, length=0, first="", last="", oldest_s=None, groups=[])
    about = await sources.client.xinfo_stream(key)
    first, last = (lossy(entry[0]) if (entry := about[end]) else "" for end in ("first-entry", "last-entry"))
    age = max(0.0, (now_ms - int(first.partition("-")[0])) / 1000) if first else None
    rows = await sources.client.xinfo_groups(key)
    return states.StreamState(
        name=name,
        length=int(about["length"]),
        first=first,
        last=last,
        oldest_s=age,
        groups=[await _group(sources, key, row) for row in rows],
    )


async def _group(sources: Sources, key: str, row: dict[str, Any]) -> states.GroupState:
    name = lossy(row["name"])
    consumers = await sources.client.xinfo_consumers(key, name)
    return states.GroupState(
        name=name,
        consumers=[lossy(consumer["name"]) for consumer in consumers],
        pending=int(row["pending"]),
        lag=None if row.get("lag") is None else int(row["lag"]),
        last=lossy(row["last-delivered-id"]),
    )


async def _lanes(sources: Sources, target: str, seen: facts.Facts) -> states.TargetLanes:
    lengths = {lane: n for (of, lane), n in (await backlogs.lengths(sources)).items() if of == target}
    holds = {each.lane: each for each in await sources.controls.holds(target)}
    longest = sorted(lengths, key=lambda lane: (-lengths[lane], lane))[:LONGEST]
    pipe = sources.client.pipeline(transaction=False)
    for lane in longest:
        pipe.zscore(sources.keys.due(target), lane)
        pipe.hmget(sources.keys.lane_state(target), [f"{lane}:{name}" for name in _STATE])
    answers = await pipe.execute() if longest else []
    rows = zip(longest, answers[::2], answers[1::2], strict=True)
    pause = next((each for each in seen.pauses if each.target == target), None)
    return states.TargetLanes(
        target=target,
        lanes=[_lane(lane, lengths[lane], score, state, holds.get(lane), seen.now_ms) for lane, score, state in rows],
        more=len(lengths) - len(longest),
        held=len(holds),
        waiting=sum(lengths.values()),
        pause=paused(pause) if pause else None,
    )


def _lane(
    lane: str, length: int, score: float | None, state: list[bytes | None], hold: Hold | None, now_ms: int
) -> states.LaneState:
    attempts, batch, token, reason = state
    return states.LaneState(
        lane=lane,
        length=length,
        due_s=None if score is None or score == float("inf") else round((score - now_ms) / 1000, 1),
        attempts=int(attempts or 0),
        batch=int(batch) if batch else None,
        leased=bool(token),
        reason=lossy(reason or b""),
        hold=held(hold),
    )
