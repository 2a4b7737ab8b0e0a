"""The recorder itself: who is attached, what is generated, what each connection was sent."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any

from twins.recorder.invention import CODES, Event, Invention

BOUNDARY = "myboundary"
REMEMBERED = 500_000  # events kept for /twin/sent
LISTED = 100_000  # events in one answer of /twin/sent
_TICK_S = 0.01
_BURST = 500  # events in one write at the most, however late a tick comes
_CLOGGED_BYTES = 4 << 20  # a client that reads no more; generation waits for it


def framed(text: bytes) -> bytes:
    """A part as the firmware of the last years writes it."""
    head = f"--{BOUNDARY}\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\n\r\n"
    return head.encode() + text + b"\r\n\r\n" * (text == b"Heartbeat") + b"\r\n" * (text != b"Heartbeat")


@dataclass
class Connection:
    """One attached client."""

    number: int
    writer: asyncio.StreamWriter
    codes: tuple[str, ...]
    events: int = 0
    sent_bytes: int = 0
    heartbeats: int = 0
    unsent_bytes: int = 0  # written, and still in our buffer when the connection ended
    ended: str = ""

    def write(self, data: bytes) -> None:
        self.sent_bytes += len(data)
        self.writer.write(data)

    def end(self, why: str) -> None:
        if not self.ended:
            self.ended = why
            self.unsent_bytes = self.writer.transport.get_write_buffer_size()
            self.writer.transport.abort()

    def view(self) -> dict[str, Any]:
        names = ("number", "events", "heartbeats", "sent_bytes", "unsent_bytes", "ended")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class Sent:
    """A line of /twin/sent: what was generated, in order; `time_ms` and `event_id` as in the event."""

    n: int
    connection: int
    channel: int
    code: str
    action: str
    time_ms: int | None
    event_id: int


@dataclass
class Recorder:
    """State of the twin. Every attached client gets every event of its codes."""

    invention: Invention
    rate: float  # events a second
    wanted: int  # events in all; 0 for ever
    paused: bool = False
    logins_ok: int = 0
    logins_failed: int = 0
    challenged: int = 0
    generated: int = 0
    connections: list[Connection] = field(default_factory=list)
    sent: deque[Sent] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    @property
    def attached(self) -> list[Connection]:
        return [each for each in self.connections if not each.ended]

    def attach(self, writer: asyncio.StreamWriter, codes: tuple[str, ...]) -> Connection:
        """A further client; `codes` empty for all."""
        connection = Connection(len(self.connections) + 1, writer, codes or CODES)
        self.connections.append(connection)
        return connection

    async def generate(self) -> None:
        """Keep the rate while somebody is attached; nothing is generated unseen, and no arrears are made up."""
        owed, last = 0.0, time.monotonic()
        while True:
            await asyncio.sleep(_TICK_S)
            now = time.monotonic()
            elapsed, last = now - last, now
            if self.paused or not self.attached or self._clogged() or (self.wanted and self.generated >= self.wanted):
                owed = 0.0
                continue
            owed = min(owed + elapsed * self.rate, _BURST)
            count = min(int(owed), self.wanted - self.generated if self.wanted else _BURST)
            owed -= count
            self._send(count)

    def _clogged(self) -> bool:
        return any(each.writer.transport.get_write_buffer_size() > _CLOGGED_BYTES for each in self.attached)

    def _send(self, count: int) -> None:
        """Make the next events and write them to all, in one piece each."""
        attached = self.attached
        asked = tuple({code for each in attached for code in each.codes})
        pieces: dict[int, list[bytes]] = {each.number: [] for each in attached}
        for _ in range(count):
            event = self.invention.next(int(time.time() * 1000), asked)
            if event is None:
                break
            receivers = [each for each in attached if event.code in each.codes]
            self._note(event, receivers)
            for each in receivers:
                pieces[each.number].append(framed(event.text))
                each.events += 1
        for each in attached:
            if pieces[each.number]:
                each.write(b"".join(pieces[each.number]))

    def _note(self, event: Event, receivers: list[Connection]) -> None:
        self.generated += 1
        newest = receivers[-1].number if receivers else 0
        fields = (event.channel, event.code, event.action, event.time_ms, event.event_id)
        self.sent.append(Sent(self.generated, newest, *fields))

    def drop(self) -> int:
        """Cut every connection, as a power cut would; how many."""
        attached = self.attached
        for each in attached:
            each.end("dropped")
        return len(attached)

    def state(self) -> dict[str, Any]:
        """The answer of /twin/state."""
        return {
            "generated": self.generated,
            "wanted": self.wanted,
            "paused": self.paused,
            "attached": len(self.attached),
            "connections": [each.view() for each in self.connections[-1000:]],
            "logins": {"ok": self.logins_ok, "failed": self.logins_failed, "challenged": self.challenged},
        }

    def sent_from(self, number: int) -> list[dict[str, Any]]:
        """The answer of /twin/sent: from event `number` (the first is 1), at most LISTED."""
        first = self.sent[0].n if self.sent else 1
        start = max(0, number - first)
        return [asdict(self.sent[i]) for i in range(start, min(len(self.sent), start + LISTED))]
