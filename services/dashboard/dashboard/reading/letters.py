"""Dead letters as they are shown."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from dashboard.reading.sources import Sources
from dashboard.reading.states import LettersPage, LetterState
from gantry.codec import Letter
from gantry.streams.letters import Wanted

PAGE, MOST = 50, 500
LOOKED_AT = 20_000  # letters that one page looks through; a filter may find few


async def page(sources: Sources, wanted: Wanted, *, cursor: str = "", limit: int = PAGE) -> LettersPage:
    """Newest first. `cursor`: entry id of the last letter of the page before."""
    found: list[Letter] = []
    async for letters in sources.letters.pages(wanted, newest_first=True, behind=cursor):
        found += letters
        if len(found) > limit:
            break
    shown = [letter_state(each) for each in found[:limit]]
    more = len(found) > limit
    return LettersPage(
        total=await sources.letters.count(), letters=shown, next=shown[-1].entry if more and shown else None
    )


async def letter(sources: Sources, entry: str) -> LetterState | None:
    """One, by its entry id."""
    found = await sources.letters.get(entry)
    return letter_state(found) if found else None


async def export(sources: Sources, wanted: Wanted) -> AsyncIterator[bytes]:
    """All that are wanted and lie there now, oldest first, as NDJSON, a page at a time."""
    last = await sources.letters.newest()
    if not last:
        return
    async for letters in sources.letters.pages(wanted, last=last):
        yield b"".join(msgspec.json.encode(letter_state(each)) + b"\n" for each in letters)


def letter_state(each: Letter) -> LetterState:
    """One letter. Pure."""
    return LetterState(
        entry=each.entry_id,
        kind=each.kind,
        id=each.event_id,
        src=each.src,
        dev=each.dev,
        target=each.target,
        lane=each.lane,
        seq=each.seq,
        device_time=each.t_dev,
        received_ms=each.t_rx // 1000,
        died_ms=each.died_ms,
        attempts=each.attempts,
        reason=each.reason,
        answer=each.answer,
        body=each.body.decode("utf-8", "replace"),
        final=each.final,
    )
