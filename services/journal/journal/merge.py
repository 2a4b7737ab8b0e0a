"""Entries of several streams in the order of their writing. Pure.

An entry may be passed on once no stream can still give an earlier one: each has been read to its end in the same
reading, or stands later. So the log stays in the order of time also while one stream is far behind.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from journal.lines import Entry


@dataclass(frozen=True, slots=True)
class Reading:
    """What one stream gave; `ended`: it had no more at that instant."""

    entries: Sequence[Entry]
    ended: bool


class Merge:
    """Entries read and not passed on yet, per stream; bounded, since only streams without any are read."""

    def __init__(self, streams: Sequence[str]) -> None:
        self._held: dict[str, deque[Entry]] = {stream: deque() for stream in streams}
        self._ended: set[str] = set()

    @property
    def wants(self) -> list[str]:
        """Streams to read next."""
        return [stream for stream, held in self._held.items() if not held]

    @property
    def empty(self) -> bool:
        """Nothing is held, so that the reading may wait for news."""
        return not any(self._held.values())

    @property
    def caught_up(self) -> bool:
        """Nothing is held, and no stream had more when they were read."""
        return self.empty and self._ended == set(self._held)

    def add(self, readings: Mapping[str, Reading]) -> None:
        """One reading of the server, of some streams at one instant."""
        self._ended = {stream for stream, reading in readings.items() if reading.ended}
        for stream, reading in readings.items():
            self._held[stream].extend(reading.entries)

    def take(self, most_bytes: int) -> list[Entry]:
        """What may be passed on, in order; at least one entry if there is any, and not much more than `most_bytes`."""
        open_ended = [
            held[-1].order if held else (0, 0) for name, held in self._held.items() if name not in self._ended
        ]
        horizon = min(open_ended, default=None)
        taken: list[Entry] = []
        size = 0
        while size < most_bytes:
            ready = [held for held in self._held.values() if held and (horizon is None or held[0].order <= horizon)]
            if not ready:
                break
            taken.append(min(ready, key=lambda held: held[0].order).popleft())
            size += taken[-1].size
        return taken
