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
    """Newest first. `cursor`: entry id of the last letter that the page before looked at."""
    found: list[Letter] = []
    looked, cut = 0, False
    between = Wanted(since_ms=wanted.since_ms, until_ms=wanted.until_ms)  # the rest is asked here, to know where we are
    async for letters in sources.letters.pages(between, newest_first=True, behind=cursor):
        found += filter(wanted.matches, letters)
        looked += len(letters)
        if len(found) > limit:
            break
        if looked >= LOOKED_AT:
            cursor, cut = letters[-1].entry_id, True
            break
    shown = [letter_state(each) for each in found[:limit]]
    behind = shown[-1].entry if len(found) > limit else cursor if cut else None
    return LettersPage(total=await sources.letters.count(), letters=shown, next=behind, cut=cut)


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
