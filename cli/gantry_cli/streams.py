"""`gantry streams`: what XINFO says, beside the lanes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from gantry import topology
from gantry.settings import Settings
from gantry.streams.client import Client
from gantry.streams.scripts import text
from gantry.topology import Topology
from gantry_cli import facts, words
from gantry_cli.connection import NoAnswer, expect_streams, opened
from gantry_cli.output import Output

EX_NO_ANSWER = 2
LONGEST = 50  # lanes shown per target
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
    """One device at one target; `due_s` is None for a lane that is held."""

    name: str
    length: int
    due_s: float | None
    attempts: int
    batch: int | None  # None: the default
    leased: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The longest lanes of a target, and how many there are beside them."""

    target: str
    lanes: tuple[Lane, ...]
    more: int


async def run(config: Settings, out: Output, *, as_json: bool) -> int:
    """Print streams, groups and lanes; 2 when there is nothing to look at."""
    try:
        async with opened(config) as site:
            await expect_streams(site)
            k = site.keys
            streams = [await stream(site.client, key) for key in (k.raw, k.events, k.receipts, k.dead)]
            targets = [await lanes(site.client, k, target) for target in topology.TARGETS]
    except NoAnswer as error:
        out.error(str(error))
        return EX_NO_ANSWER
    if as_json:
        out.json(report(streams, targets))
    else:
        out.show(stream_table(streams), *map(lane_table, targets))
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


async def lanes(client: Client, keys: Topology, target: str) -> Target:
    """The longest lanes of a target."""
    now = await facts.now_ms(client)
    scored: Any = await client.zrange(keys.due(target), 0, -1, withscores=True)
    due: list[tuple[bytes, float]] = list(scored)
    lengths = await _lengths(client, [keys.lane(target, text(name)) for name, _ in due])
    rows = sorted(zip(due, lengths, strict=True), key=lambda row: (-row[1], row[0][0]))[:LONGEST]
    pipe = client.pipeline(transaction=False)
    for (name, _), _ in rows:
        pipe.hmget(keys.lane_state(target), [f"{text(name)}:{field}" for field in _STATE])
    states = await pipe.execute() if rows else []
    shown = [
        _lane(text(name), length, score - now, state)
        for ((name, score), length), state in zip(rows, states, strict=True)
    ]
    return Target(target=target, lanes=tuple(shown), more=len(due) - len(rows))


async def _lengths(client: Client, keys: Sequence[str]) -> list[int]:
    lengths: list[int] = []
    for start in range(0, len(keys), _CHUNK):
        pipe = client.pipeline(transaction=False)
        for key in keys[start : start + _CHUNK]:
            pipe.llen(key)
        lengths += await pipe.execute()
    return lengths


def _lane(name: str, length: int, ahead_ms: float, state: Sequence[bytes | None]) -> Lane:
    attempts, batch, token, reason = state
    return Lane(
        name=name,
        length=length,
        due_s=None if ahead_ms == float("inf") else round(ahead_ms / 1000, 1),
        attempts=int(attempts or 0),
        batch=int(batch) if batch else None,
        leased=bool(token),
        reason=text(reason or b""),
    )


def report(streams: Sequence[Stream], targets: Sequence[Target]) -> dict[str, Any]:
    """The picture for a program."""
    return {"streams": [asdict(each) for each in streams], "targets": [asdict(each) for each in targets]}


def stream_table(streams: Sequence[Stream]) -> Table:
    """One row per group, or per stream without one."""
    table = _table(
        "streams", "stream", "#length", "first", "last", "group", "#pending", "#lag", "delivered", "consumers"
    )
    for each in streams:
        head = [each.name, str(each.length), each.first, each.last]
        for group in each.groups:
            lag = "?" if group.lag is None else str(group.lag)
            consumers = ", ".join(group.consumers)
            _row(table, [*head, group.name, str(group.pending), lag, group.last, consumers])
            head = ["", "", "", ""]
        if not each.groups:
            _row(table, [*head, "", "", "", "", ""])
    return table


def lane_table(target: Target) -> Table | Text:
    """The longest lanes."""
    if not target.lanes:
        return Text(f"lanes of {target.target}: none", style="italic")
    title = f"lanes of {target.target}" + (f" (and {target.more} shorter ones)" if target.more else "")
    table = _table(title, "lane", "#length", "due", "#attempts", "#batch", "reason")
    for lane in target.lanes:
        batch = "" if lane.batch is None else str(lane.batch)
        _row(table, [lane.name, str(lane.length), _due(lane), str(lane.attempts), batch, lane.reason])
    return table


def _due(lane: Lane) -> str:
    if lane.due_s is None:
        return "held"
    if lane.leased and lane.due_s > 0:
        return f"being sent (lease ends in {words.duration(lane.due_s)})"
    return "now" if lane.due_s <= 0 else f"in {words.duration(lane.due_s)}"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column.lstrip("#"), justify="right" if column.startswith("#") else "left", overflow="fold")
    return table


def _row(table: Table, cells: Sequence[str]) -> None:
    table.add_row(*map(Text, cells))
