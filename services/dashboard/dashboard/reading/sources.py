"""Where everything is read from, and what the readers share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from dashboard.config import Config
from gantry.clock import Clock
from gantry.eventlog import EventLog
from gantry.streams.books import Books
from gantry.streams.client import Client
from gantry.streams.controls import Controls
from gantry.streams.letters import Letters
from gantry.streams.scripts import text
from gantry.topology import Topology

T = TypeVar("T")

CHUNK = 1000  # commands in one round trip
FRESH_S = 1.0  # many viewers cost one read


@dataclass
class Cache:
    """Answers that are kept for a moment; who asks meanwhile waits for the one that is being made."""

    clock: Clock
    most: int = 64
    _kept: dict[str, tuple[float, asyncio.Future[Any]]] = field(default_factory=dict)

    async def get(self, name: str, make: Callable[[], Awaitable[T]], *, fresh_s: float = FRESH_S) -> T:
        """The answer called `name`, at most `fresh_s` old. A failure is not kept."""
        now = self.clock.monotonic()
        kept = self._kept.get(name)
        if kept and (now - kept[0] < fresh_s or not kept[1].done()):
            return cast("T", await asyncio.shield(kept[1]))
        making = asyncio.ensure_future(make())
        self._kept[name] = (now, making)
        making.add_done_callback(lambda done: self._forget(name, done))
        while len(self._kept) > self.most:
            del self._kept[next(iter(self._kept))]
        return await asyncio.shield(making)

    def clear(self) -> None:
        """Keep nothing: what comes next is asked for anew."""
        self._kept.clear()

    def _forget(self, name: str, done: asyncio.Future[Any]) -> None:
        failed = done.cancelled() or done.exception() is not None
        if failed and self._kept.get(name, (0.0, None))[1] is done:
            del self._kept[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """One of each."""

    config: Config
    client: Client
    keys: Topology
    clock: Clock
    books: Books
    controls: Controls
    letters: Letters
    log: EventLog
    cache: Cache
    reading_log: asyncio.Semaphore  # its files are read in threads, and events searched for, a few at a time

    def now_ms(self) -> int:
        """By this machine's clock."""
        return self.clock.now_us() // 1000


def texts(fields: Mapping[Any, Any]) -> dict[str, str]:
    """A hash's reply as texts; what is not UTF-8 is shown as far as it goes."""
    return {lossy(name): lossy(value) for name, value in fields.items()}


def lossy(value: Any) -> str:
    """A reply as text, whatever bytes it holds."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else text(value)


def number(word: str) -> int:
    """A counter's text; 0 for what is none."""
    return int(word) if word.isdecimal() and len(word) < 19 else 0  # noqa: PLR2004 - fits 64 bits


def iso(ms: int) -> str:
    """E.g. "2026-05-28T20:26:40.123Z"; empty for 0."""
    if not ms:
        return ""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
