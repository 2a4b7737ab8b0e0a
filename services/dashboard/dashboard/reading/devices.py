"""Every device at every target: what came, what waits, what is held; some dozen round trips for thousands of them."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dashboard.reading import backlogs, processes
from dashboard.reading.last import measure
from dashboard.reading.shapes import Device, Devices, Held
from dashboard.reading.sources import Sources, iso, lossy, number
from gantry import topology
from gantry.diagnosis import facts
from gantry.pace import WINDOW_MS, Flow, Overrun
from gantry.streams.controls import Hold

PAGE, MOST = 100, 5000
STATES = ("held", "over_limit", "waiting", "ok", "unused")
SORTS = ("lane", "seen", "waiting", "backlog")
_SCAN = 1000
_OLD_MS = 600_000
Key = tuple[str, str]  # target, lane


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which devices, and in which order; what is empty lets everything through."""

    text: str = ""  # a part of lane, name or key
    target: str = ""
    state: str = ""
    sort: str = "lane"
    cursor: str = ""  # "<target>/<lane>" of the last device of the page before
    limit: int = PAGE


@dataclass(slots=True)
class Source:
    """What a key at the door says, of those that feed one lane."""

    dev: str
    seen_ms: int
    units: int
    src: str
    what: str


@dataclass(slots=True)
class Newest:
    """The newest delivered measure of a lane."""

    instant_ms: int = 0
    event_id: str = ""
    measure: dict[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class Found:
    """Everything that one look brings, by lane."""

    sources: dict[Key, list[Source]] = field(default_factory=dict)
    newest: dict[Key, Newest] = field(default_factory=dict)
    leased: set[Key] = field(default_factory=set)
    due: dict[Key, float] = field(default_factory=dict)
    waiting: Mapping[Key, int] = field(default_factory=dict)
    holds: dict[Key, Hold] = field(default_factory=dict)
    overruns: dict[Key, Overrun] = field(default_factory=dict)
    flows: dict[Key, Flow] = field(default_factory=dict)

    def lanes(self) -> list[Key]:
        """Every lane that is known, sorted."""
        return sorted({*self.sources, *self.newest, *self.due, *self.holds, *self.overruns, *self.flows})


async def devices(sources: Sources, wanted: Wanted) -> Devices:
    """One page of those that are wanted."""
    rows = await everything(sources)
    chosen = [row for row in rows if matches(row, wanted)]
    ordered = sorted(chosen, key=_order(wanted.sort))
    start = next((i + 1 for i, row in enumerate(ordered) if f"{row.target}/{row.lane}" == wanted.cursor), 0)
    page = ordered[start : start + wanted.limit]
    more = start + len(page) < len(ordered)
    return Devices(
        count=len(chosen),
        total=len(rows),
        devices=page,
        next=f"{page[-1].target}/{page[-1].lane}" if more and page else None,
    )


async def everything(sources: Sources) -> list[Device]:
    """Every device, sorted by target and lane; one look a second for all who ask."""

    async def look() -> list[Device]:
        found = await gathered(sources)
        limits = processes.limits(await processes.alive(sources))
        general = limits.per_minute if limits else 0.0
        now = await facts.now_ms(sources.client)
        return [device(key, found, general, now) for key in found.lanes()]

    return await sources.cache.get("devices", look)


def matches(row: Device, wanted: Wanted) -> bool:
    """Whether a device is wanted. Pure."""
    words = wanted.text.casefold()
    return (
        wanted.target in ("", row.target)
        and wanted.state in ("", row.state)
        and (not words or any(words in name.casefold() for name in (row.lane, row.name, *row.devs)))
    )


def _order(sort: str) -> Callable[[Device], tuple[float, str, str]]:
    def order(row: Device) -> tuple[float, str, str]:
        figures = {"seen": row.seen_ms, "waiting": row.waiting, "backlog": row.backlog_h or 0}
        return (-figures.get(sort, 0), row.target, row.lane)

    return order


def device(key: Key, found: Found, general: float, now_ms: int) -> Device:
    """One row. `general`: measures a minute that may go out of a lane without a limit of its own; 0: unknown. Pure."""
    own, overrun, flow = found.sources.get(key, []), found.overruns.get(key), found.flows.get(key)
    allowed = overrun.allowed if overrun else general
    waiting, due, hold = found.waiting.get(key, 0), found.due.get(key), found.holds.get(key)
    newest = found.newest.get(key, Newest())
    arriving = overrun.arriving if overrun else mean_per_minute(flow, now_ms) if flow else 0.0
    return Device(
        target=key[0],
        lane=key[1],
        devs=[each.dev for each in own],
        src=own[0].src if own else "",
        what=own[0].what if own else "",
        name=str(newest.measure.get("name", "")),
        seen_ms=own[0].seen_ms if own else 0,
        units=sum(each.units for each in own),
        waiting=waiting,
        newest=iso(newest.instant_ms),
        due_ms=None if due is None or math.isinf(due) else int(due),
        under_way=key in found.leased,
        arriving_per_min=round(arriving, 1),
        allowed_per_min=allowed or None,
        over_limit=overrun is not None,
        backlog_h=backlogs.hours_of(waiting, allowed),
        hold=held(hold),
        state=_state(waiting, own, stopped=hold is not None, over=overrun is not None),
    )


def mean_per_minute(flow: Flow, now_ms: int) -> float:
    """What came of late: in the running window of five minutes and the whole one before. Pure."""
    passed, into = divmod(max(0, now_ms - flow.start_ms), WINDOW_MS)
    came = {0: flow.last + flow.this, 1: flow.this}.get(passed, 0)
    return came * 60_000 / (WINDOW_MS + into)


def held(hold: Hold | None) -> Held | None:
    """A hold as it is shown."""
    if hold is None:
        return None
    return Held(by=hold.by.value, owner=hold.owner, since_ms=hold.since_ms, reason=hold.reason)


def _state(waiting: int, own: Sequence[Source], *, stopped: bool, over: bool) -> str:
    if stopped:
        return "held"
    if over:
        return "over_limit"
    if waiting:
        return "waiting"
    return "ok" if own else "unused"


async def gathered(sources: Sources) -> Found:
    """Ask the server for all of it."""
    found = Found(waiting=await backlogs.lengths(sources))
    await _seen(sources, found)
    for target in topology.TARGETS:
        await _lane_state(sources, target, found)
        await _of_target(sources, target, found)
    return found


async def _seen(sources: Sources, found: Found) -> None:
    async for name, said in sources.client.hscan_iter(sources.keys.seen, count=_SCAN):
        words = lossy(said).split("\n")
        if len(words) < 5:  # noqa: PLR2004 - as the scripts write it
            continue
        t_rx, units, src, what, lanes = words[:5]
        each = Source(lossy(name), number(t_rx) // 1000, number(units), src, what)
        for lane in lanes.split(" "):
            target, _, rest = lane.partition("/")
            if rest:
                found.sources.setdefault((target, rest), []).append(each)
    for own in found.sources.values():
        own.sort(key=lambda each: (-each.seen_ms, each.dev))


async def _lane_state(sources: Sources, target: str, found: Found) -> None:
    """Piece by piece: a site's whole lane-state can be megabytes."""
    async for name, said in sources.client.hscan_iter(sources.keys.lane_state(target), count=_SCAN):
        lane, _, what = lossy(name).rpartition(":")
        if what == "token":
            found.leased.add((target, lane))
        elif what == "newest":
            found.newest[target, lane] = parse_newest(said)
        elif what == "seq":
            found.newest.setdefault((target, lane), Newest())


def parse_newest(said: Any) -> Newest:
    """One a line: instant (ms), entry id, event id, dev, seq, t_rx (µs) and the measure, as the turn keeps it."""
    parts = said.split(b"\n", 6)
    if len(parts) < 7:  # noqa: PLR2004 - another version's
        return Newest()
    return Newest(number(lossy(parts[0])), lossy(parts[2]), measure(parts[6]))


async def _of_target(sources: Sources, target: str, found: Found) -> None:
    client, keys = sources.client, sources.keys
    due: Any = await client.zrange(keys.due(target), 0, -1, withscores=True)
    found.due |= {(target, lossy(lane)): score for lane, score in due}
    found.holds |= {(target, hold.lane): hold for hold in await sources.controls.holds(target)}
    for lane, said in (await client.hgetall(keys.over_limit(target))).items():
        with contextlib.suppress(ValueError):
            found.overruns[target, lossy(lane)] = Overrun.parse(lossy(said))
    for lane, said in (await client.hgetall(keys.flow(target))).items():
        with contextlib.suppress(ValueError):
            found.flows[target, lossy(lane)] = Flow.parse(lossy(said))
