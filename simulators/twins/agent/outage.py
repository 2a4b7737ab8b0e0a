"""An outage: every request gets the same answer, or no connection is taken at all, until it is over."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from gantry.errors import Malformed
from twins.agent.answers import ANSWERS, Row

REFUSE = "refuse"
MAX_S = 86_400.0


class Gate(Protocol):
    """The port that an outage shuts."""

    def shut(self) -> None: ...

    def reopen(self) -> None: ...


class Outage:
    """None, or one at a time."""

    def __init__(self) -> None:
        self.mode = ""  # "": none; "refuse"; the name of an answer
        self.row: Row | None = None  # what all requests get
        self.gate: Gate | None = None
        self.reachable = False  # the pages under /twin/ stand on a port of their own, too
        self._end: asyncio.TimerHandle | None = None

    def begin(self, given: Any) -> None:
        """`given`: {"mode": "refuse", an answer's name or null, "seconds": how long}. Raises Malformed."""
        mode, seconds = _read(given)
        if mode == REFUSE and not seconds and not self.reachable:
            raise Malformed("nobody could end it: give seconds, or start the twin with --control-port")
        self.end()
        if not mode:
            return
        self.mode, self.row = mode, ANSWERS.get(mode)
        if mode == REFUSE and self.gate:
            self.gate.shut()
        if seconds:
            self._end = asyncio.get_running_loop().call_later(seconds, self.end)

    def end(self) -> None:
        if self._end:
            self._end.cancel()
        if self.mode == REFUSE and self.gate:
            self.gate.reopen()
        self.mode, self.row, self._end = "", None, None


def _read(given: Any) -> tuple[str, float]:
    if not isinstance(given, dict) or not set(given) <= {"mode", "seconds"}:
        raise Malformed("give an object with mode, and seconds if you like")
    mode, seconds = given.get("mode") or "", given.get("seconds") or 0
    if mode and mode != REFUSE and mode not in ANSWERS:
        raise Malformed('mode: "refuse", the name of an answer, or null')
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= MAX_S:
        raise Malformed(f"seconds: a number up to {MAX_S:.0f}")
    return str(mode), float(seconds)
