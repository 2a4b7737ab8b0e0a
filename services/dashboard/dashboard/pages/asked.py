"""What a page's address asks for, bounded. What is not understood asks for nothing, as an old bookmark would."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from starlette.requests import Request

LONGEST = 200
_LONGEST_NUMBER = 9


def text(request: Request, name: str, *, most: int = LONGEST) -> str:
    """A search word; what is longer than any of ours could be is cut."""
    return request.query_params.get(name, "").strip()[:most]


def choice(request: Request, name: str, among: Collection[str], otherwise: str = "") -> str:
    """One of `among`."""
    said = request.query_params.get(name, "")
    return said if said in among else otherwise


def whole(request: Request, name: str, *, most: int) -> int:
    """0 to `most`; 0 for anything else."""
    said = request.query_params.get(name, "")
    return min(int(said), most) if said.isascii() and said.isdigit() and len(said) <= _LONGEST_NUMBER else 0


def day_ms(said: str) -> int | None:
    """Midnight UTC of a day (2026-05-28), or a moment (2026-05-28T20:26), in ms since the epoch."""
    try:
        moment = datetime.fromisoformat(said)
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
