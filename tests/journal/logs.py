"""Invented lines of events.json, and folders of them."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gantry.eventlog import names
from gantry.eventlog.line import Line, encode, iso_ms

T0_MS = 1_760_000_000_000


def a_line(number: int, **changed: Any) -> Line:
    """Line `number`, one second after the one before."""
    ms = T0_MS + number * 1000
    given = {
        "at": f"outcomes/{ms}-0",
        "outcome": "filtered",
        "id": f"e{number}",
        "family": None,
        "device": "r/0",
        "dev": "r/0",
        "src": "r",
        "what": "TrafficJunction",
        "received": iso_ms(ms * 1000 - 500_000),
        "ended": iso_ms(ms * 1000),
        "detail": "stop",
        "target": "",
        "seq": None,
        "attempts": None,
        "receipt": None,
        "letter": None,
        "measure": None,
    }
    return Line(**{**given, **changed})


def text_of(*lines: Line) -> bytes:
    return b"".join(map(encode, lines))


def stem_of(number: int) -> str:
    """Of a part that was rotated at the time of that line."""
    return names.stem(datetime.fromtimestamp((T0_MS + number * 1000) / 1000, UTC))


def write_current(folder: Path, *lines: Line, tail: bytes = b"") -> None:
    (folder / names.CURRENT).write_bytes(text_of(*lines) + tail)


def write_packed(folder: Path, *lines: Line, at: int) -> Path:
    path = names.packed(folder, stem_of(at))
    path.write_bytes(gzip.compress(text_of(*lines)))
    return path


def write_plain(folder: Path, *lines: Line, at: int) -> Path:
    path = names.plain(folder, stem_of(at))
    path.write_bytes(text_of(*lines))
    return path
