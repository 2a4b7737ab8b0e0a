"""Query parameters: each has a type, bounds and a sentence for what is neither. Parsed once, here."""

from __future__ import annotations

import re
from collections.abc import Sequence

from starlette.requests import Request

from dashboard.api.answers import BadQuery

MOST_CHARS = 256


def known(request: Request, *names: str) -> None:
    """Raises BadQuery for a parameter that this path does not have, or has twice."""
    given = [name for name, _ in request.query_params.multi_items()]
    for name in given:
        if name not in names:
            raise BadQuery(f"unknown parameter {name[:40]!r}; there are {', '.join(names) or 'none'}")
        if given.count(name) > 1:
            raise BadQuery(f"{name} is given twice")


def whole(request: Request, name: str, otherwise: int, *, least: int = 1, most: int) -> int:
    """A whole number. Raises BadQuery."""
    given = request.query_params.get(name)
    if given is None:
        return otherwise
    if not re.fullmatch(r"[0-9]{1,9}", given) or not least <= int(given) <= most:
        raise BadQuery(f"{name} must be a whole number from {least} to {most}")
    return int(given)


def words(request: Request, name: str) -> str:
    """A short line of text; empty when it is not given. Raises BadQuery."""
    given = request.query_params.get(name, "")
    if len(given) > MOST_CHARS or not given.isprintable():
        raise BadQuery(f"{name} must be one line of at most {MOST_CHARS} characters")
    return given


def one_of(request: Request, name: str, choices: Sequence[str], otherwise: str = "") -> str:
    """One of some words, in any case; `otherwise` when it is not given. Raises BadQuery."""
    given = request.query_params.get(name, "")
    if not given:
        return otherwise
    found = next((choice for choice in choices if choice.casefold() == given.casefold()), None)
    if found is None:
        raise BadQuery(f"{name} must be one of {', '.join(choices)}")
    return found


def like(request: Request, name: str, pattern: str, what: str) -> str:
    """A text of a given form; empty when it is not given. Raises BadQuery."""
    given = request.query_params.get(name, "")
    if given and not re.fullmatch(pattern, given):
        raise BadQuery(f"{name} must be {what}")
    return given
