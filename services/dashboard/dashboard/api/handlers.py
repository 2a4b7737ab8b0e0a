"""What answers the paths of the site itself."""

from __future__ import annotations

from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.responses import PlainTextResponse, Response

from dashboard import telemetry
from dashboard.api.answers import BadQuery, answer, fault
from dashboard.api.asked import Asked
from dashboard.parts import Parts

HEARTBEAT_S = 15


async def healthz(_parts: Parts, _asked: Asked) -> Response:
    """The process lives; what it needs is told behind METRICS_PORT."""
    return PlainTextResponse("OK\n")


async def status(parts: Parts, _asked: Asked) -> Response:
    return answer(await parts.reading.status())


async def rate(parts: Parts, asked: Asked) -> Response:
    return answer(await parts.reading.rates(asked["window"]))


async def timeline(parts: Parts, asked: Asked) -> Response:
    if asked["minutes"] and asked["hours"]:
        raise BadQuery("give minutes or hours, not both")
    minutes = asked["minutes"] or (0 if asked["hours"] else 10)
    return answer(await parts.reading.timeline(minutes=minutes, hours=asked["hours"]))


async def last_evd(parts: Parts, _asked: Asked) -> Response:
    found = await parts.reading.last("evd")
    return answer(found) if found else fault(404, "there has been no EVD event yet")


async def last_crowd(parts: Parts, _asked: Asked) -> Response:
    found = await parts.reading.last("crowd")
    return answer(found) if found else fault(404, "there has been no CROWD event yet")


async def last_unknown(parts: Parts, _asked: Asked) -> Response:
    found = await parts.reading.unknown()
    return answer(found) if found else fault(404, "nothing unknown has come yet")


async def ledger(parts: Parts, _asked: Asked) -> Response:
    return answer(await parts.reading.ledger())


async def audit(parts: Parts, _asked: Asked) -> Response:
    return answer(await parts.reading.audit())


async def breaker(parts: Parts, _asked: Asked) -> Response:
    return answer(await parts.reading.breakers())


async def streams(parts: Parts, _asked: Asked) -> Response:
    return answer(await parts.reading.streams())


async def configuration(parts: Parts, _asked: Asked) -> Response:
    return answer(await parts.reading.configuration())


async def problems(parts: Parts, asked: Asked) -> Response:
    return answer(await parts.reading.problems(asked["lang"]))


async def live(parts: Parts, asked: Asked) -> Response:
    """Server-sent events: `status` and `lines`, and a comment now and then."""
    if parts.live.full:
        telemetry.live_refused()
        return fault(503, "too many watch already; ask /api/status from time to time")
    await parts.reading.now(asked["lang"])  # while the server is away, say so instead of beginning

    async def told() -> AsyncIterator[ServerSentEvent]:
        async for event, data in parts.live.watch(asked["lang"]):
            yield ServerSentEvent(data=data.decode(), event=event)

    return EventSourceResponse(told(), ping=HEARTBEAT_S, sep="\n")
