"""/streams, /configuration and /actions-log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import Response

from dashboard.pages import asked, rendering
from dashboard.parts import Parts
from dashboard.reading.states import Process
from gantry.streams.actions import PAGE, Actions
from gantry.streams.letters import is_entry_id


async def streams(request: Request, parts: Parts) -> Response:
    return rendering.page(
        request, parts, "streams.html", found=await parts.reading.streams(), audit=await parts.reading.audit()
    )


async def configuration(request: Request, parts: Parts) -> Response:
    found = await parts.reading.configuration()
    services = by_service(found.processes)
    return rendering.page(
        request,
        parts,
        "configuration.html",
        services=services,
        differing=[name for name, processes in services.items() if len({p.configuration for p in processes}) > 1],
        maps=found.maps,
        limits=found.devices,
    )


async def actions(request: Request, parts: Parts) -> Response:
    cursor = asked.text(request, "cursor")
    lines = await Actions(parts.client, parts.calls, parts.keys).page(
        behind=cursor if is_entry_id(cursor) else "", limit=PAGE
    )
    return rendering.page(
        request, parts, "actions.html", lines=lines, next=lines[-1].entry_id if len(lines) == PAGE else None
    )


def by_service(processes: Iterable[Process]) -> dict[str, list[Process]]:
    """The processes of each service. Pure."""
    found: dict[str, list[Process]] = defaultdict(list)
    for process in processes:
        found[process.service].append(process)
    return dict(found)
