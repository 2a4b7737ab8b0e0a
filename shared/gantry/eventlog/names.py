"""The files of the event log: events.json, and events-<UTC of its rotation>.json.gz for each older part."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

CURRENT = "events.json"
_PART = re.compile(r"^(events-(\d{8}T\d{6}\.\d{6}Z))\.json(\.gz)?$")
_FORM = "%Y%m%dT%H%M%S.%fZ"


def stem(at: datetime) -> str:
    """Of the part that is rotated away at this time."""
    return f"events-{at.astimezone(UTC).strftime(_FORM)}"


def rotated_at(name: str) -> datetime | None:
    """When the part with this stem or file name was rotated; None for what is no part."""
    match = _PART.match(name if ".json" in name else f"{name}.json")
    try:
        return datetime.strptime(match[2], _FORM).replace(tzinfo=UTC) if match else None
    except ValueError:  # digits that are no date
        return None


def stems(names: Iterable[str]) -> list[str]:
    """Parts among file names, newest first; one that is being packed is there twice and counts once."""
    found = {match[1] for name in names if (match := _PART.match(name)) and rotated_at(match[1])}
    return sorted(found, reverse=True)


def stem_after(newest: str | None, at: datetime) -> str:
    """A stem for a rotation at this time that sorts after `newest`, also when the clock stepped back."""
    last = rotated_at(newest) if newest else None
    return stem(max(at, last + timedelta(microseconds=1)) if last else at)


def plain(folder: Path, part: str) -> Path:
    """The part before it is packed."""
    return folder / f"{part}.json"


def packed(folder: Path, part: str) -> Path:
    """The part once it is packed."""
    return folder / f"{part}.json.gz"
