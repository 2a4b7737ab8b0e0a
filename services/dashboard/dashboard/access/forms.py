"""What a form sent: read once, bounded, and only if it carries the session's token."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request

from dashboard.access.who import Who
from gantry.errors import Malformed

LARGEST = 32_768  # bytes
MOST_FIELDS = 40
_KIND = "application/x-www-form-urlencoded"


async def fields(request: Request) -> dict[str, str]:
    """The form's fields, the last of those that have one name. Raises Malformed."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _KIND:
        raise Malformed("this is not a form")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST:
            raise Malformed("this form is too large")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"))
    except ValueError as error:  # UnicodeDecodeError is one
        raise Malformed("this form cannot be read") from error


def carries_token(form: Mapping[str, str], who: Who) -> bool:
    """Whether the form was made for this session."""
    return bool(who.csrf) and secrets.compare_digest(form.get("csrf", "").encode(), who.csrf.encode())


def address(request: Request) -> str:
    """Where a request comes from, as far as it can be told."""
    return request.client.host if request.client else "unknown"
