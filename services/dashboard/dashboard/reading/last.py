"""The status of the site, and the newest event of each family: as `gantry.status` makes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from dashboard.reading.shapes import LastEvent, LastUnknown
from dashboard.reading.sources import Sources
from gantry import status as statements


async def status(sources: Sources) -> dict[str, Any]:
    """The answer of `/api/status`; its struct is status_shapes.Status."""
    return statements.document(await _facts(sources), now=datetime.fromtimestamp(sources.now_ms() / 1000, UTC))


async def last(sources: Sources, family: str) -> LastEvent | None:
    """`family`: evd or crowd; None when there never was one."""
    found = await statements.read_last(sources.client, sources.keys, family)
    return msgspec.convert(statements.last_document(found, family), LastEvent | None)


async def unknown(sources: Sources) -> LastUnknown | None:
    """None when nothing was ever quarantined."""
    found = await statements.read_last(sources.client, sources.keys, "unknown")
    return msgspec.convert(statements.last_document(found, "unknown"), LastUnknown | None)


async def _facts(sources: Sources) -> statements.Facts:
    async def gather() -> statements.Facts:
        return await statements.gather(sources.client, sources.keys, sources.books, sources.controls)

    return await sources.cache.get("status", gather)


def measure(body: str | bytes) -> dict[str, object]:
    """A measure as it is sent; empty for what is no JSON object."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}
