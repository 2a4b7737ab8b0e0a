"""What answers the paths of devices, events and letters."""

from __future__ import annotations

from starlette.responses import Response, StreamingResponse

from dashboard.api.answers import BadQuery, answer, fault
from dashboard.api.asked import Asked
from dashboard.parts import Parts
from dashboard.reading import devices as device_lists
from dashboard.reading import events as event_lists
from gantry.streams.letters import Wanted as WantedLetters


async def devices(parts: Parts, asked: Asked) -> Response:
    return answer(await parts.reading.devices(device_lists.Wanted(**asked)))


async def device(parts: Parts, asked: Asked) -> Response:
    found = await parts.reading.device(asked["target"], asked["lane"])
    return answer(found) if found else fault(404, "no device of this name has ever been heard of at this target")


async def events(parts: Parts, asked: Asked) -> Response:
    return answer(await parts.reading.events(event_lists.Wanted(**asked)))


async def event(parts: Parts, asked: Asked) -> Response:
    """Found or not, the answer says where was looked."""
    found = await parts.reading.story(asked["id"])
    return answer(found, status=200 if found.found else 404)


async def letters(parts: Parts, asked: Asked) -> Response:
    wanted = _wanted(asked)
    return answer(await parts.reading.letters(wanted, cursor=asked["cursor"], limit=asked["limit"]))


async def letter(parts: Parts, asked: Asked) -> Response:
    found = await parts.reading.letter(asked["entry"])
    return answer(found) if found else fault(404, "no letter lies there now: it was retried or dropped, or never was")


async def export(parts: Parts, asked: Asked) -> Response:
    """Everything that the filters choose, as it is read."""
    headers = {"cache-control": "no-store", "content-disposition": 'attachment; filename="letters.ndjson"'}
    await parts.letters.count()  # while the server is away, say so before the first byte
    return StreamingResponse(parts.reading.export(_wanted(asked)), media_type="application/x-ndjson", headers=headers)


def _wanted(asked: Asked) -> WantedLetters:
    since, until = asked["since"] or None, asked["until"] or None
    if since and until and since > until:
        raise BadQuery("since lies behind until")
    return WantedLetters(
        kind=asked["class"],
        target=asked["target"],
        device=asked["device"],
        reason=asked["reason"],
        text=asked["text"],
        events=frozenset(filter(None, [asked["event"]])),
        since_ms=since and since * 1000,
        until_ms=until and until * 1000,
    )
