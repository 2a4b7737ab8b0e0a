"""Looking for one event in Redis: in raw, events, lanes, receipts, outcomes and letters, each bounded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from dashboard.reading import backlogs, ends
from dashboard.reading.sources import Sources, lossy, number
from gantry import topology
from gantry.eventlog import Line
from gantry.streams.letters import Wanted

PAGE, MOST_ENTRIES = 200, 10_000  # of each stream
MOST_ITEMS, PIPELINED = 20_000, 100  # measures looked at in lanes; lanes a round trip
MOST_LETTERS = 5_000
SLACK_MS = 600_000  # between the clocks of doors and server
_ITEM_PARTS = 6
STREAMS_BOUNDED, LANES_BOUNDED, LETTERS_BOUNDED = "streams_bounded", "lanes_bounded", "letters_bounded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A measure that waits in a lane."""

    target: str
    lane: str
    seq: int
    place: int  # 1: it goes next
    dev: str
    received_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A unit in `raw`, or a measure in `events`; there it stays for a while after it was taken up."""

    stream: str
    entry: str
    dev: str
    src: str = ""
    target: str = ""
    lane: str = ""
    seq: int = 0  # of a measure
    received_ms: int = 0
    taken_up: bool = False  # by a publisher
    again: bool = False  # a person put its letter back


@dataclass(slots=True)
class Found:
    """Where the event is now, and what the streams say about its ends."""

    standing: list[Standing] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    resent: list[Line] = field(default_factory=list)
    letters: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    device_time: str = ""  # as the device said it
    trimmed: bool = False  # the streams do not reach back to its receipt


async def search(sources: Sources, event_id: str, received_ms: int | None) -> Found:
    """`received_ms`: when it was received, as its id says; what is older need not be looked at."""
    found, since_ms = Found(), max(0, (received_ms or 0) - SLACK_MS)
    await _standing(sources, event_id, since_ms, found)
    await _ends(sources, event_id, since_ms, found)
    await _lanes(sources, event_id, found)
    await _letters(sources, event_id, since_ms, found)
    return found


async def _standing(sources: Sources, event_id: str, since_ms: int, found: Found) -> None:
    taken = await _taken_up(sources)
    for name, key in (("raw", sources.keys.raw), ("events", sources.keys.events)):
        async for entry, fields in _entries(sources, key, since_ms, found):
            if lossy(fields.get(b"id", b"")) != event_id:
                continue
            said = {field: lossy(fields.get(field.encode(), b"")) for field in ("dev", "src", "target", "lane", "seq")}
            seq = number(said.pop("seq"))
            received_ms = number(lossy(fields.get(b"t_rx", b""))) // 1000
            again = b"retried" in fields.get(b"flags", b"").split()
            found.device_time = lossy(fields.get(b"t_dev", b"")) or found.device_time
            taken_up = name == "events" and _place(entry) <= taken
            found.standing.append(
                Standing(
                    stream=name, entry=entry, seq=seq, received_ms=received_ms, taken_up=taken_up, again=again, **said
                )
            )


async def _taken_up(sources: Sources) -> tuple[int, int]:
    """The place in `events` up to which publishers have pulled."""
    if not await sources.client.exists(sources.keys.events):
        return (0, 0)
    rows = await sources.client.xinfo_groups(sources.keys.events)
    last = (lossy(row["last-delivered-id"]) for row in rows if lossy(row["name"]) == topology.PUBLISHER_GROUP)
    return _place(next(last, "0-0"))


def _place(entry: str) -> tuple[int, int]:
    ms, _, seq = entry.partition("-")
    return number(ms), number(seq)


async def _ends(sources: Sources, event_id: str, since_ms: int, found: Found) -> None:
    for key in (sources.keys.receipts, sources.keys.outcomes):
        found.trimmed |= await _is_trimmed(sources, key, since_ms)
    needle = event_id.encode()
    async for entry, fields in _entries(sources, sources.keys.receipts, since_ms, found):
        if needle in fields.get(b"ids", b""):
            mine = [sent for sent in ends.receipt(entry, fields) if sent.event_id == event_id]
            found.lines += [sent.line for sent in mine if not sent.resent]
            found.resent += [sent.line for sent in mine if sent.resent]
    async for entry, fields in _entries(sources, sources.keys.outcomes, since_ms, found):
        if fields.get(b"id") == needle:
            found.lines.append(ends.outcome(entry, fields))
            found.device_time = lossy(fields.get(b"t_dev", b"")) or found.device_time


async def _is_trimmed(sources: Sources, key: str, since_ms: int) -> bool:
    """Whether entries of that time are not kept any more."""
    if not await sources.client.exists(key):
        return False
    about = await sources.client.xinfo_stream(key)
    first = about["first-entry"]
    return about["entries-added"] > about["length"] and (not first or _place(lossy(first[0]))[0] > since_ms)


async def _entries(sources: Sources, key: str, since_ms: int, found: Found) -> AsyncIterator[tuple[str, ends.Fields]]:
    """Oldest first, from a time on; where too many stand there, it is noted that not all were looked at."""
    low, looked = f"{since_ms}-0", 0
    while True:
        rows: Any = await sources.client.xrange(key, low, "+", count=PAGE)
        for entry, fields in rows:
            yield lossy(entry), fields
        looked += len(rows)
        if len(rows) < PAGE:
            return
        if looked >= MOST_ENTRIES:
            found.unknown.append(STREAMS_BOUNDED)
            return
        low = f"({lossy(rows[-1][0])}"


async def _lanes(sources: Sources, event_id: str, found: Found) -> None:
    """The oldest measures of every lane in which something waits, as many as the bound leaves each."""
    lengths = {lane: n for lane, n in (await backlogs.lengths_now(sources)).items() if n}
    each = max(1, MOST_ITEMS // max(1, len(lengths)))
    if sum(lengths.values()) > MOST_ITEMS and any(n > each for n in lengths.values()):
        found.unknown.append(LANES_BOUNDED)
    lanes, needle = list(lengths)[:MOST_ITEMS], f"\n{event_id}\n".encode()
    for start in range(0, len(lanes), PIPELINED):
        chunk = lanes[start : start + PIPELINED]
        pipe = sources.client.pipeline(transaction=False)
        for target, lane in chunk:
            pipe.lrange(sources.keys.lane(target, lane), 0, each - 1)
        for (target, lane), items in zip(chunk, await pipe.execute(), strict=True):
            found.waiting += [
                _waiting(target, lane, place, item) for place, item in enumerate(items, 1) if needle in item[:200]
            ]


def _waiting(target: str, lane: str, place: int, item: bytes) -> Waiting:
    _, _, dev, seq, t_rx, _ = (lossy(part) for part in item.split(b"\n", _ITEM_PARTS - 1))
    return Waiting(target=target, lane=lane, seq=number(seq), place=place, dev=dev, received_ms=number(t_rx) // 1000)


async def _letters(sources: Sources, event_id: str, since_ms: int, found: Found) -> None:
    looked = 0
    wanted = Wanted(events=frozenset([event_id]), since_ms=since_ms)
    async for page in sources.letters.pages(wanted):
        found.letters += [letter.entry_id for letter in page]
        found.device_time = next((letter.t_dev for letter in page if letter.t_dev), found.device_time)
        looked += 100
        if looked >= MOST_LETTERS:
            found.unknown.append(LETTERS_BOUNDED)
            return
