"""What this process knows of its connection to one recorder, for those who look from outside. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from gantry.clock import Clock

ANOTHER = "another instance attaches"
NOBODYS = "the lease is nobody's at the moment"
NOT_YET = "no sign of life from the recorder yet"
MAX_REASON = 200


class State(Enum):
    STANDBY = "standby"  # the recorder is not ours
    SEEKING = "seeking"
    CONNECTED = "connected"  # attached, and a heartbeat or an event came


@dataclass(slots=True, kw_only=True)
class Link:
    """One recorder, as the reading loop last saw it. Times are µs since the epoch, 0 for never."""

    host: str
    clock: Clock
    silent_s: float  # a host that sent nothing for so long may be gone
    queued: Callable[[], int] = lambda: 0  # events that wait in the spool
    state: State = State.STANDBY
    reason: str = "it is not known yet who attaches"
    _since: int = 0
    _last_byte: int = 0
    _last_event: int = 0
    _heard: float | None = None  # monotonic
    _connects: bool | None = None  # what the last probe found, unless the host was heard since

    def __post_init__(self) -> None:
        self._since = self.clock.now_us()

    def stand_by(self, reason: str = ANOTHER) -> None:
        """The recorder is not ours to attach to, or not any more."""
        self._enter(State.STANDBY, reason)

    def seek(self) -> None:
        """It is ours now."""
        self._enter(State.SEEKING, NOT_YET)

    def byte_came(self, at_us: int) -> None:
        self._last_byte = at_us
        self._hear()

    def event_came(self, at_us: int) -> None:
        self._last_event = at_us

    def alive(self) -> None:
        """A heartbeat or an event came; what comes after the recorder was let go changes nothing."""
        if self.state is State.SEEKING:
            self._enter(State.CONNECTED, "")

    def lost(self, reason: str, *, answered: bool = False) -> None:
        """Not connected, and why; `answered`: the recorder itself said no."""
        if answered:
            self._hear()
        if self.state is not State.STANDBY:
            self._enter(State.SEEKING, reason)

    @property
    def in_doubt(self) -> bool:
        """Whether only a probe can tell if the host answers; never where another instance attaches."""
        return self.state is not State.STANDBY and not self._heard_lately()

    def probed(self, *, connects: bool) -> None:
        """What a connection attempt found."""
        self._connects = connects

    @property
    def reachable(self) -> bool | None:
        """Whether the host answers; None where this process does not know."""
        if self.state is State.STANDBY:
            return None
        return True if self._heard_lately() else self._connects

    def says(self) -> dict[str, Any]:
        """The same for JSON; times in ms since the epoch."""
        return {
            "host": self.host,
            "connected": self.state is State.CONNECTED,
            "since_ms": self._since // 1000,
            "last_byte_ms": self._last_byte // 1000,
            "last_event_ms": self._last_event // 1000,
            "spooled": self.queued(),
            "reachable": self.reachable,
            "reason": self.reason,
        }

    def _enter(self, state: State, reason: str) -> None:
        if state is not self.state:
            self.state, self._since = state, self.clock.now_us()
        self.reason = reason[:MAX_REASON]

    def _hear(self) -> None:
        self._heard, self._connects = self.clock.monotonic(), None

    def _heard_lately(self) -> bool:
        return self._heard is not None and self.clock.monotonic() - self._heard <= self.silent_s
