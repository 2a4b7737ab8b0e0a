"""What the twin was given: every measure in the order in which it was applied, and counts of everything."""

from __future__ import annotations

import itertools
from collections import Counter, deque
from pathlib import Path
from typing import Any, BinaryIO

import orjson

REMEMBERED = 200_000
MAX_DEVICES = 50_000
UNTRACKED = "(more)"  # one name for all devices beyond MAX_DEVICES

Line = tuple[int, int, str | None, str | None, int, bool, str, bool, bytes]


class Record:
    """Bounded memory: the newest measures, and the whole as NDJSON in `path` if one is given."""

    def __init__(self, path: Path | None = None, *, remembered: int = REMEMBERED) -> None:
        self._file: BinaryIO | None = path.open("ab", buffering=0) if path else None
        self._lines: deque[Line] = deque(maxlen=remembered)
        self._total = self._arrived = 0
        self.in_flight: Counter[str] = Counter()
        self.forget()

    def forget(self) -> None:
        """Begin again from nothing; numbers go on, and so does what is in flight."""
        self._lines.clear()
        self.requests = 0
        self.applied = self.unsaid = 0
        self.answers: Counter[str] = Counter()
        self.most_in_flight: dict[str, int] = {}
        self.asked: Counter[str] = Counter()
        self._most = 0

    def arrive(self, target: str | None, device: str | None) -> tuple[int, str, int]:
        """Count a request in: its number, the name it is in flight under, and how many this device has made."""
        self.requests += 1
        self._arrived += 1
        name = f"{target}/{device}"
        if name not in self.asked and len(self.asked) >= MAX_DEVICES:
            name = UNTRACKED
        self.asked[name] += 1
        now = self.in_flight[name] + 1
        self.in_flight[name] = now
        if now > self.most_in_flight.get(name, 0):
            self.most_in_flight[name] = now
        self._most = max(self._most, len(self.in_flight))
        return self._arrived, name, self.asked[name]

    def leave(self, name: str) -> None:
        """The request has its answer, or its client has gone."""
        left = self.in_flight[name] - 1
        if left > 0:
            self.in_flight[name] = left
        else:
            self.in_flight.pop(name, None)

    def measure(
        self,
        t: int,
        target: str | None,
        device: str | None,
        visit: tuple[int, str, bool],
        *,
        applied: bool,
        body: bytes,
    ) -> None:
        """`visit`: number of the request, its answer, and whether its client is told 200 `{}`."""
        self._total += 1
        self.applied += applied
        self.unsaid += applied and not visit[2]
        line = (self._total, t, target, device, visit[0], applied, visit[1], visit[2], body)
        self._lines.append(line)
        if self._file:
            self._file.write(orjson.dumps(_shown(line)) + b"\n")

    def since(self, first: int, limit: int) -> list[dict[str, Any]]:
        """Remembered measures with n ≥ `first`, oldest first."""
        oldest = self._total - len(self._lines) + 1
        skipped = max(0, first - oldest)
        return [_shown(line) for line in itertools.islice(self._lines, skipped, skipped + limit)]

    def state(self) -> dict[str, Any]:
        return {
            "requests": self.requests,
            "measures_applied": self.applied,
            "applied_without_receipt": self.unsaid,
            "answers": dict(self.answers),
            "in_flight": sum(self.in_flight.values()),
            "devices_in_flight_max": self._most,
            "in_flight_max_per_device": max(self.most_in_flight.values(), default=0),
            "in_flight_max": self.most_in_flight,
            "last_n": self._total,
            "remembered": len(self._lines),
        }

    def close(self) -> None:
        if self._file:
            self._file.close()


def _shown(line: Line) -> dict[str, Any]:
    n, t, target, device, request, applied, answer, receipt, body = line
    return {
        "n": n,
        "t": t,
        "target": target,
        "device": device,
        "request": request,
        "applied": applied,
        "answer": answer,
        "receipt": receipt,
        "body": orjson.Fragment(body),
    }
