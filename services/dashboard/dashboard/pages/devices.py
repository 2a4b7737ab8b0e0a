"""Which device, and everything about one: /devices."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from dashboard.pages import asked, rendering
from dashboard.parts import Parts
from dashboard.reading import devices, events
from gantry import topology

PAGE = 200
LAST_EVENTS = 20


async def show(request: Request, parts: Parts) -> Response:
    wanted = devices.Wanted(
        text=asked.text(request, "q"),
        target=asked.choice(request, "target", topology.TARGETS),
        state=asked.choice(request, "state", devices.STATES),
        sort=asked.choice(request, "sort", devices.SORTS, devices.SORTS[0]),
        cursor=asked.text(request, "cursor", most=400),
        limit=PAGE,
    )
    return rendering.page(
        request,
        parts,
        "devices.html",
        found=await parts.reading.devices(wanted),
        wanted=wanted,
        targets=topology.TARGETS,
        states=devices.STATES,
    )


async def one(request: Request, parts: Parts) -> Response:
    target, lane = request.path_params["target"], request.path_params["lane"]
    detail = await parts.reading.device(target, lane) if target in topology.TARGETS else None
    if detail is None:
        return rendering.missing(request, parts)
    lines = await parts.reading.events(events.Wanted(device=lane, limit=LAST_EVENTS))
    return rendering.page(request, parts, "device.html", detail=detail, device=detail.device, lines=lines.events)
