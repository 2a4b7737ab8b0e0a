"""One event from the device's byte to the receipt: what is told of it anywhere, put in order."""

from __future__ import annotations

import asyncio
from datetime import datetime

from dashboard.reading.searching import Found, Standing, Waiting, search
from dashboard.reading.shapes import Step, Story
from dashboard.reading.sources import Sources
from gantry import eventlog
from gantry.errors import Malformed
from gantry.eventlog import Line
from gantry.eventlog.wanted import received_by_id

_FINAL = ("published", "filtered", "deduplicated", "dropped")


async def story(sources: Sources, event_id: str) -> Story:
    """Everything that is known of it; `found` is False for an id that is nowhere."""
    at = received_by_id(event_id)
    async with sources.reading_log:  # a few at a time: one search may look at thousands of entries
        found = await search(sources, event_id, round(at.timestamp() * 1000) if at else None)
        page = await _logged(sources, event_id)
    return told(event_id, found, page, now_ms=sources.now_ms())


async def _logged(sources: Sources, event_id: str) -> eventlog.Page:
    try:
        return await asyncio.to_thread(sources.log.find, event_id)
    except Malformed:  # no id is so long
        return eventlog.Page(lines=[], next=None)


def told(event_id: str, found: Found, page: eventlog.Page, *, now_ms: int) -> Story:
    """The story. Pure."""
    lines = _together(found.lines, page.lines)
    received = _received(found, lines)
    steps = [
        *([Step(at_ms=received, since_ms=0, what="received")] if received else []),
        *(_of_standing(each, received) for each in found.standing if not each.again),
        *(_of_line(each, received) for each in lines),
        *(_of_line(each, received, what="resent") for each in found.resent),
        *(_of_waiting(each, received, now_ms) for each in found.waiting),
    ]
    sent = next((line.measure for line in lines if isinstance(line.measure, dict)), {})
    devs = [*(s.dev for s in found.standing), *(w.dev for w in found.waiting), *(x.dev for x in lines)]
    return Story(
        id=event_id,
        found=bool(found.standing or found.waiting or found.letters or lines),
        dev=next(filter(None, devs), ""),
        src=next(filter(None, [*(s.src for s in found.standing), *(x.src for x in lines)]), ""),
        what=next((line.what for line in lines if line.what), str(sent.get("event", ""))),
        device_time=found.device_time or str(sent.get("TimeInstant", "")),
        received_ms=received,
        state=_state(found, lines),
        steps=sorted(steps, key=lambda step: step.at_ms),
        lines=lines,
        letters=found.letters,
        unknown=_unknown(found, page),
    )


def _together(*lists: list[Line]) -> list[Line]:
    """What the journal has written stands in both; oldest first."""
    once = {line.at: line for lines in lists for line in lines}
    return sorted(once.values(), key=lambda line: (line.ended or "", line.at))


def _received(found: Found, lines: list[Line]) -> int:
    known = [each.received_ms for each in found.standing] + [each.received_ms for each in found.waiting]
    known += [_ms(line.received) for line in lines]
    return min(filter(None, known), default=0)


def _state(found: Found, lines: list[Line]) -> str:
    """Where it is now; of several measures the one that is least far."""
    if any(each.stream == "raw" for each in found.standing):
        return "in_raw"
    if found.waiting or any(not each.taken_up for each in found.standing):
        return "waiting"
    if found.letters:
        return "dead"
    last = next((line.outcome for line in reversed(lines) if line.outcome in _FINAL), "")
    return last or "unknown"


def _unknown(found: Found, page: eventlog.Page) -> list[str]:
    """What could not be looked at; that streams are trimmed matters only where the log does not remember either."""
    said = {"no_event_log": page.missing, "log_bounded": page.cut, "log_damaged": bool(page.damaged)}
    codes = [code for code, true in said.items() if true]
    return [*dict.fromkeys(found.unknown), *codes, *(["older_than_streams"] if codes and found.trimmed else [])]


def _of_standing(each: Standing, received: int) -> Step:
    """An entry's id is the time of its appending: to raw, or to events once it was accepted."""
    at = int(each.entry.partition("-")[0])
    return Step(
        at_ms=at,
        since_ms=_since(at, received),
        what="pending" if each.stream == "raw" else "accepted",
        target=each.target,
        lane=each.lane,
        seq=each.seq or None,
        entry=f"{each.stream}/{each.entry}",
    )


def _of_waiting(each: Waiting, received: int, now_ms: int) -> Step:
    return Step(
        at_ms=now_ms,
        since_ms=_since(now_ms, received),
        what="waiting",
        target=each.target,
        lane=each.lane,
        seq=each.seq,
        detail=str(each.place),
    )


def _of_line(line: Line, received: int, *, what: str = "") -> Step:
    at = _ms(line.ended)
    return Step(
        at_ms=at,
        since_ms=_since(at, received),
        what=what or line.outcome,
        target=line.target,
        lane=line.device if line.target else "",
        seq=line.seq,
        detail=line.detail,
        attempts=line.attempts,
        entry=line.at,
    )


def _since(at: int, received: int) -> int | None:
    return at - received if received and at else None


def _ms(said: str | None) -> int:
    """Of an ISO text; 0 for what is none."""
    try:
        return round(datetime.fromisoformat(said).timestamp() * 1000) if said else 0
    except ValueError:
        return 0
