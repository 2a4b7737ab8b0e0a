"""`gantry streams`: what XINFO says, beside the lanes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Group as Above
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from gantry import topology
from gantry.diagnosis import facts, words
from gantry.settings import Settings
from gantry.streams.client import Client
from gantry.streams.controls import By, Hold, Pause
from gantry.streams.scripts import text
from gantry_cli.connection import NoAnswer, Site, expect_streams, opened
from gantry_cli.output import Output, add_row, table

EX_NO_ANSWER = 2
LONGEST = 50  # lanes shown per target
_WIDE = 120  # columns of a terminal that has room for entry ids
_CHUNK = 1000  # lanes asked about per round trip
_STATE = ("attempts", "batch", "token", "reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """XINFO GROUPS, one row; `lag` is None where the server does not know."""

    name: str
    consumers: tuple[str, ...]
    pending: int
    lag: int | None
    last: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """XINFO STREAM."""

    name: str
    length: int
    first: str  # empty when the stream is
    last: str
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One device at one target; `due_s` is None for a lane that stands still."""

    name: str
    length: int
    due_s: float | None
    attempts: int
    batch: int | None  # None: the default
    leased: bool
    reason: str
    hold: Hold | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The longest lanes of a target, and how many there are beside them."""

    target: str
    lanes: tuple[Lane, ...]
    more: int
    held: int  # all that are held, shown here or not
    pause: Pause | None


async def run(config: Settings, out: Output, *, as_json: bool) -> int:
    """Print streams, groups and lanes; 2 when there is nothing to look at."""
    try:
        async with opened(config) as site:
            await expect_streams(site)
            k = site.keys
            streams = [await stream(site.client, key) for key in (k.raw, k.events, k.receipts, k.outcomes, k.dead)]
            pauses = {each.target: each for each in await site.controls.pauses(await facts.now_ms(site.client))}
            targets = [await lanes(site, target, pauses.get(target)) for target in topology.TARGETS]
    except NoAnswer as error:
        out.error(str(error))
        return EX_NO_ANSWER
    if as_json:
        out.json(report(streams, targets))
    else:
        out.show(stream_table(streams, out.console.width), *map(lane_table, targets))
    return 0


async def stream(client: Client, key: str) -> Stream:
    """One stream with its groups; one that does not exist yet is empty."""
    if not await client.exists(key):
        return Stream(name=key, length=0, first="", last="", groups=())
    about = await client.xinfo_stream(key)
    ends = [text(entry[0]) if (entry := about[end]) else "" for end in ("first-entry", "last-entry")]
    rows = await client.xinfo_groups(key)
    groups = tuple([await _group(client, key, row) for row in rows])
    return Stream(name=key, length=int(about["length"]), first=ends[0], last=ends[1], groups=groups)


async def _group(client: Client, key: str, row: dict[str, Any]) -> Group:
    name = text(row["name"])
    consumers = await client.xinfo_consumers(key, name)
    return Group(
        name=name,
        consumers=tuple(text(consumer["name"]) for consumer in consumers),
        pending=int(row["pending"]),
        lag=None if row.get("lag") is None else int(row["lag"]),
        last=text(row["last-delivered-id"]),
    )


async def lanes(site: Site, target: str, pause: Pause | None) -> Target:
    """The longest lanes of a target."""
    client, keys = site.client, site.keys
    now = await facts.now_ms(client)
    holds = {each.lane: each for each in await site.controls.holds(target)}
    scored: Any = await client.zrange(keys.due(target), 0, -1, withscores=True)
    due: list[tuple[bytes, float]] = list(scored)
    lengths = await _lengths(client, [keys.lane(target, text(name)) for name, _ in due])
    rows = sorted(zip(due, lengths, strict=True), key=lambda row: (-row[1], row[0][0]))[:LONGEST]
    pipe = client.pipeline(transaction=False)
    for (name, _), _ in rows:
        pipe.hmget(keys.lane_state(target), [f"{text(name)}:{field}" for field in _STATE])
    states = await pipe.execute() if rows else []
    shown = [
        _lane(text(name), length, score - now, state, holds.get(text(name)))
        for ((name, score), length), state in zip(rows, states, strict=True)
    ]
    return Target(target=target, lanes=tuple(shown), more=len(due) - len(rows), held=len(holds), pause=pause)


async def _lengths(client: Client, keys: Sequence[str]) -> list[int]:
    lengths: list[int] = []
    for start in range(0, len(keys), _CHUNK):
        pipe = client.pipeline(transaction=False)
        for key in keys[start : start + _CHUNK]:
            pipe.llen(key)
        lengths += await pipe.execute()
    return lengths


def _lane(name: str, length: int, ahead_ms: float, state: Sequence[bytes | None], hold: Hold | None) -> Lane:
    attempts, batch, token, reason = state
    return Lane(
        name=name,
        length=length,
        due_s=None if ahead_ms == float("inf") else round(ahead_ms / 1000, 1),
        attempts=int(attempts or 0),
        batch=int(batch) if batch else None,
        leased=bool(token),
        reason=text(reason or b""),
        hold=hold,
    )


def report(streams: Sequence[Stream], targets: Sequence[Target]) -> dict[str, Any]:
    """The picture for a program."""
    return {"streams": [asdict(each) for each in streams], "targets": [asdict(each) for each in targets]}


def stream_table(streams: Sequence[Stream], width: int) -> Table:
    """One row per group, or per stream without one; entry ids where `width` leaves room for them."""
    heads, tails = ["stream", "#length", "first", "last"], ["group", "#pending", "#lag", "delivered", "consumers"]
    wide = width >= _WIDE
    made = table("streams", *(heads if wide else heads[:2]), *(tails if wide else [*tails[:3], tails[4]]))
    for each in streams:
        ends = [each.first, each.last] if wide else []
        head = [each.name, str(each.length), *ends]
        for group in each.groups:
            lag = "?" if group.lag is None else str(group.lag)
            last = [group.last] if wide else []
            add_row(made, [*head, group.name, str(group.pending), lag, *last, ", ".join(group.consumers)])
            head = [""] * len(head)
        if not each.groups:
            add_row(made, head)
    return made


def lane_table(target: Target) -> RenderableType:
    """The longest lanes."""
    title = f"lanes of {target.target}" + (f" (and {target.more} shorter ones)" if target.more else "")
    if target.pause:
        title += f", PAUSED by {target.pause.owner or '?'}: {target.pause.reason or '?'}"
    if target.held:
        title += f", {target.held} held (`gantry hold` lists them)"
    if not target.lanes:
        return Text(f"{title}: none", style="italic")
    made = table("", "lane", "#length", "state", "#attempts", "#batch", "reason")
    for lane in target.lanes:
        batch = "" if lane.batch is None else str(lane.batch)
        reason = lane.hold.reason if lane.hold else lane.reason
        add_row(made, [lane.name, str(lane.length), _state(lane, target.pause), str(lane.attempts), batch, reason])
    return Above(Text(title, style="italic"), made)  # a table's own title is as narrow as the table


def _state(lane: Lane, pause: Pause | None) -> str:
    by_person = lane.hold is not None and lane.hold.by == By.OPERATOR
    if lane.leased and lane.due_s is not None and lane.due_s > 0:
        end = f"lease ends in {words.duration(lane.due_s)}"
        return f"being sent, then held ({end})" if by_person else f"being sent ({end})"
    if lane.hold and by_person:
        return f"held by {lane.hold.owner or '?'}"
    if lane.due_s is None:
        return "stands still without a hold"
    when = "now" if lane.due_s <= 0 else f"in {words.duration(lane.due_s)}"
    if lane.hold:
        return f"held by the platform, probed {when}"
    return "paused" if pause and lane.due_s <= 0 else when
