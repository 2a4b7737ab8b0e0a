"""What the counters of this process have said and got acknowledged, for a test to compare with the other end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import orjson

from twins.counter.people import Minute, utc


class Record:
    """Sums, and with a path also NDJSON: one line when a minute is produced, one more when it is acknowledged."""

    def __init__(self, path: Path | None) -> None:
        self._file: IO[bytes] | None = path.open("ab") if path else None
        self.produced = self.acknowledged = 0
        self.answers: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()

    def minutes_produced(self, serial: str, minutes: Iterable[Minute]) -> None:
        self.produced += self._write(serial, minutes, acked=False)

    def minutes_acknowledged(self, serial: str, minutes: Iterable[Minute]) -> None:
        self.acknowledged += self._write(serial, minutes, acked=True)

    def answered(self, answer: str) -> None:
        """`answer`: a status code, or a word where none came."""
        self.answers[answer] += 1

    def summary(self) -> dict[str, object]:
        """The last line that the twin prints."""
        sums = {"produced": self.produced, "acknowledged": self.acknowledged, "pushes": self.answers.total()}
        return {**sums, "answers": dict(self.answers)}

    def _write(self, serial: str, minutes: Iterable[Minute], *, acked: bool) -> int:
        lines = [_line(serial, minute, acked=acked) for minute in minutes]
        if self._file:
            self._file.write(b"".join(lines))
            self._file.flush()
        return len(lines)


def _line(serial: str, minute: Minute, *, acked: bool) -> bytes:
    counts = minute.counts
    people = {"in": counts.inward if counts else None, "out": counts.outward if counts else None}
    fields = {"serial": serial, "utcFrom": utc(minute.start), "utcTo": utc(minute.end), **people, "acked": acked}
    return orjson.dumps(fields) + b"\n"
