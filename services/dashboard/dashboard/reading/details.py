"""One device in detail."""

from __future__ import annotations

from typing import Any

from dashboard.reading import devices
from dashboard.reading.shapes import DeviceDetail
from dashboard.reading.sources import Sources, lossy, number
from gantry.streams.letters import PAGE, Wanted

LETTERS_LOOKED_AT = 5000


async def device(sources: Sources, target: str, lane: str) -> DeviceDetail | None:
    """None for a lane that nobody has ever heard of."""
    rows = await devices.everything(sources)
    row = next((each for each in rows if (each.target, each.lane) == (target, lane)), None)
    if row is None:
        return None
    keys = sources.keys
    fields = [f"{lane}:{name}" for name in ("newest", "attempts", "batch", "reason")]
    newest, attempts, batch, reason = await sources.client.hmget(keys.lane_state(target), fields)
    head = await sources.client.lindex(keys.lane(target, lane), 0)
    letters, more = await _letters(sources, target, lane)
    known = devices.parse_newest(newest or b"")
    return DeviceDetail(
        device=row,
        newest_measure=dict(known.measure) or None,
        newest_id=known.event_id,
        attempts=number(lossy(attempts or b"0")),
        batch=number(lossy(batch)) if batch else None,
        reason=lossy(reason or b""),
        letters=letters,
        letters_more=more,
        oldest_waiting_ms=_received_ms(head),
    )


def _received_ms(item: Any) -> int:
    """Of a measure in a lane: entry id, event id, dev, seq, t_rx and body, one a line."""
    parts = (item or b"").split(b"\n", 5)
    return number(lossy(parts[4])) // 1000 if len(parts) > 4 else 0  # noqa: PLR2004 - the fifth


async def _letters(sources: Sources, target: str, lane: str) -> tuple[int, bool]:
    """How many letters of this lane are among the newest ones, and whether there are more to look at."""
    count = looked = 0
    async for page in sources.letters.pages(Wanted(target=target), newest_first=True):
        count, looked = count + sum(letter.lane == lane for letter in page), looked + PAGE
        if looked >= LETTERS_LOOKED_AT:
            return count, True
    return count, False
