"""Reading single values out of a device's JSON: what is not of the wanted kind is as good as absent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Fields = Mapping[str, Any]

LARGEST = 2**53 - 1  # the largest integer that every JSON reader keeps exactly

_WORD = re.compile(r"[A-Za-z][A-Za-z_-]{0,63}")
_NOTHING = frozenset({"unknown", "unknow", "null", "none"})  # "unknow" is how devices spell it


def section(fields: Fields, name: str) -> Fields:
    """The object called `name`; an empty one if there is none."""
    value = fields.get(name)
    return value if isinstance(value, Mapping) else {}


def number(value: object) -> float | None:
    """A number; true and false are none."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def integer(value: object) -> int | None:
    """A whole number that is exact in JSON; 3.0 is 3."""
    given = number(value)
    if given is None or abs(given) > LARGEST or given != int(given):
        return None
    return int(given)


def word(value: object) -> str:
    """A plain word such as `LeftToRight` or `Light-duty`; empty for anything that could be free text or a plate."""
    if not isinstance(value, str) or not _WORD.fullmatch(value) or value.lower() in _NOTHING:
        return ""
    return value


def text(value: object) -> str:
    """A text without blanks around it; empty for anything else."""
    return value.strip() if isinstance(value, str) else ""
