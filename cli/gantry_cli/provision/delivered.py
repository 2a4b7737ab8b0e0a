"""What was delivered last, as the site's own keys say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from gantry.streams.scripts import text
from gantry_cli.connection import Site
from gantry_cli.provision.steps import Fields

LOOKED_AT = 500  # receipts


@dataclass(frozen=True, slots=True)
class Delivered:
    """A device, and the measure that the platform should hold of it; None where nobody knows."""

    device: str
    measure: Fields | None = field(repr=False)


async def latest(site: Site, target: str) -> Delivered | None:
    """The device of a target's newest receipt; None without one."""
    rows: Any = await site.client.xrevrange(site.keys.receipts, count=LOOKED_AT)
    for _, fields in rows:
        if text(fields.get(b"target", b"")) == target:
            return await of_device(site, target, text(fields[b"lane"]))
    return None


async def of_device(site: Site, target: str, device: str) -> Delivered:
    """The newest measure that was delivered of this device, which is sent again after any older one."""
    packed: Any = await site.client.hget(site.keys.lane_state(target), f"{device}:newest")
    return Delivered(device, _measure(packed))


def _measure(packed: bytes | None) -> Fields | None:
    """The body is the last line of a packed item."""
    try:
        found = orjson.loads((packed or b"").rpartition(b"\n")[2])
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None
