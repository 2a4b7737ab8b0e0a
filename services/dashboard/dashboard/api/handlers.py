"""One function per path of the site itself."""

from __future__ import annotations

from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from dashboard import telemetry
from dashboard.api.answers import BadQuery, answer, fault
from dashboard.api.queries import known, one_of, whole
from dashboard.parts import Parts
from dashboard.reading import history

LANGUAGES = ("en", "es")
HEARTBEAT_S = 15


async def healthz(_parts: Parts, _request: Request) -> Response:
    """The process lives; what it needs is behind METRICS_PORT's /readyz."""
    return PlainTextResponse("OK\n")


async def rate(parts: Parts, request: Request) -> Response:
    known(request, "window")
    return answer(await parts.reading.rates(whole(request, "window", history.WINDOW_S, most=history.MOST_WINDOW_S)))


async def timeline(parts: Parts, request: Request) -> Response:
    known(request, "minutes", "hours")
    if {"minutes", "hours"} <= request.query_params.keys():
        raise BadQuery("give minutes or hours, not both")
    minutes = whole(request, "minutes", 10, most=history.MOST_MINUTES)
    hours = whole(request, "hours", 0, most=history.MOST_HOURS)
    return answer(await parts.reading.timeline(minutes=minutes, hours=hours))


async def last_evd(parts: Parts, request: Request) -> Response:
    return await _last(parts, request, "evd")


async def last_crowd(parts: Parts, request: Request) -> Response:
    return await _last(parts, request, "crowd")


async def _last(parts: Parts, request: Request, family: str) -> Response:
    known(request)
    found = await parts.reading.last(family)
    return answer(found) if found else fault(404, f"there has been no {family.upper()} event yet")


async def last_unknown(parts: Parts, request: Request) -> Response:
    known(request)
    found = await parts.reading.unknown()
    return answer(found) if found else fault(404, "nothing unknown has come yet")


async def ledger(parts: Parts, request: Request) -> Response:
    known(request)
    return answer(await parts.reading.ledger())


async def audit(parts: Parts, request: Request) -> Response:
    known(request)
    return answer(await parts.reading.audit())


async def breaker(parts: Parts, request: Request) -> Response:
    known(request)
    return answer(await parts.reading.breakers())


async def streams(parts: Parts, request: Request) -> Response:
    known(request)
    return answer(await parts.reading.streams())


async def configuration(parts: Parts, request: Request) -> Response:
    known(request)
    return answer(await parts.reading.configuration())


async def problems(parts: Parts, request: Request) -> Response:
    known(request, "lang")
    return answer(await parts.reading.problems(one_of(request, "lang", LANGUAGES, "en")))


async def live(parts: Parts, request: Request) -> Response:
    """Server-sent events: `status` and `lines`, and a comment now and then."""
    known(request, "lang")
    language = one_of(request, "lang", LANGUAGES, "en")
    if parts.live.full:
        telemetry.live_refused()
        return fault(503, "too many watch already; ask /api/status from time to time")

    async def told() -> AsyncIterator[ServerSentEvent]:
        async for event, data in parts.live.watch(language):
            yield ServerSentEvent(data=data.decode(), event=event)

    return EventSourceResponse(told(), ping=HEARTBEAT_S, sep="\n", headers={"cache-control": "no-store"})
