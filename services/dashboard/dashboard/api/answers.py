"""Answers as JSON, and the plain errors."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from dashboard.reading.shapes import Fault

JSON = "application/json"
_ENCODER = msgspec.json.Encoder()


class BadQuery(Exception):
    """A query that cannot be answered; the message is for whoever asked."""


def answer(shape: Any, *, status: int = 200) -> Response:
    """Never cached: it says how things are now."""
    return Response(_ENCODER.encode(shape), status_code=status, media_type=JSON, headers={"cache-control": "no-store"})


def fault(status: int, reason: str) -> Response:
    """What is wrong, in one sentence."""
    return answer(Fault(error=reason), status=status)
