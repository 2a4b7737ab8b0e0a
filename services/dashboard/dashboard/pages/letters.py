"""What could not be delivered: /letters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from dashboard.pages import asked, rendering
from dashboard.parts import Parts
from gantry import topology
from gantry.event import LetterClass
from gantry.streams.letters import Wanted, is_entry_id

KINDS = tuple(each.value for each in LetterClass)
LOOKED_AT = 10_000  # letters that the counts are made of; the page says so when there are more
FRESH_S = 3.0
_FILTERS = ("kind", "target", "device", "reason", "text", "since", "until")


@dataclass(frozen=True, slots=True)
class Census:
    """How many letters are meant, and why they died."""

    count: int
    reasons: Mapping[str, int]
    partial: bool  # there are more than were looked at


def wanted_of(request: Request) -> Wanted:
    """The letters that the address means."""
    return Wanted(
        kind=asked.choice(request, "kind", KINDS),
        target=asked.choice(request, "target", topology.TARGETS),
        device=asked.text(request, "device"),
        reason=asked.text(request, "reason"),
        text=asked.text(request, "text"),
        since_ms=asked.day_ms(asked.text(request, "since")),
        until_ms=asked.day_ms(asked.text(request, "until")),
    )


async def show(request: Request, parts: Parts) -> Response:
    wanted = wanted_of(request)
    cursor = asked.text(request, "cursor")
    given = {name: asked.text(request, name) for name in _FILTERS}
    return rendering.page(
        request,
        parts,
        "letters.html",
        found=await parts.reading.letters(wanted, cursor=cursor if is_entry_id(cursor) else ""),
        census=await census(parts, wanted),
        given=given,
        export=export_of(wanted),
        filters={name: value for name, value in given.items() if value},
        kinds=KINDS,
        targets=topology.TARGETS,
    )


async def one(request: Request, parts: Parts) -> Response:
    entry = request.path_params["entry"]
    letter = await parts.reading.letter(entry) if is_entry_id(entry) else None
    if letter is None:
        return rendering.missing(request, parts)
    return rendering.page(request, parts, "letter.html", letter=letter)


def export_of(wanted: Wanted) -> str:
    """The address of these letters as NDJSON."""
    since, until = (ms // 1000 if ms is not None else "" for ms in (wanted.since_ms, wanted.until_ms))
    given = {"class": wanted.kind, "target": wanted.target, "device": wanted.device, "reason": wanted.reason}
    return rendering.query("/api/letters.ndjson", **given, text=wanted.text, since=since, until=until)


async def census(parts: Parts, wanted: Wanted) -> Census:
    """Counted from the letters themselves, so that a button says how many it would concern; once for all who look."""
    return await parts.reading.sources.cache.get(f"census {wanted}", lambda: _count(parts, wanted), fresh_s=FRESH_S)


async def _count(parts: Parts, wanted: Wanted) -> Census:
    reasons: Counter[str] = Counter()
    looked = 0
    async for page in parts.letters.pages(wanted, newest_first=True):
        reasons.update(letter.reason for letter in page)
        looked += 100
        if looked >= LOOKED_AT:
            return Census(reasons.total(), dict(reasons.most_common(20)), partial=True)
    return Census(reasons.total(), dict(reasons.most_common(20)), partial=False)
