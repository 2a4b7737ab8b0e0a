"""uvicorn's HTTP protocol with what it lacks: limits on a request's head, in bytes and in seconds."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from ingest_axis import telemetry

_crashes = logging.getLogger("ingest_axis.protocol")
_crashes.setLevel(logging.ERROR)  # uvicorn writes a line for every request that is not HTTP; telemetry bounds them

_SENTENCES = {
    400: "not HTTP",
    408: "the head of the request came too slowly",
    431: "the head of the request is too large",
}


class CarefulProtocol(HttpToolsProtocol):
    """Closes connections whose next head is not complete in time or grows too large (431, 408).

    Beside heads, whatever brings no body counts as head: trailers and chunk extensions have no end either.
    """

    HEAD_S: ClassVar[float] = 10.0
    HEAD_BYTES: ClassVar[int] = 16_384
    HEADERS: ClassVar[int] = 100

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.logger = _crashes
        self._head_timer: asyncio.TimerHandle | None = None
        self._in_head = True  # between two messages, or in the head of one
        self._begun = False  # the head has begun
        self._moved = False  # whether this piece of data finished a head or brought body
        self._barren = 0  # bytes since the last that did
        self._head_size = 0
        self._refusal = 400
        self._deaf = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deaf or self.transport.is_closing():
            return
        self._moved = False
        super().data_received(data)
        self._barren = 0 if self._moved else self._barren + len(data)
        if self._barren > self.HEAD_BYTES:
            self._refuse(431)
        elif self._in_head and not self._moved:
            self._start_timer()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begun, self._head_size = True, 0
        self._start_timer()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._grow(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._grow(len(name) + len(value) + 4)  # ": " and the line's end

    def on_headers_complete(self) -> None:
        self._moved, self._in_head, self._begun = True, False, False
        self._stop_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._moved = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._moved = self._in_head = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's sentence; ours tell more
        self._refuse(self._refusal)

    def _grow(self, size: int) -> None:
        self._head_size += size
        if self._head_size > self.HEAD_BYTES or len(self.headers) > self.HEADERS:
            self._refusal = 431
            raise ValueError("head too large")  # the parser stops and turns it into send_400_response

    def _refuse(self, code: int) -> None:
        """Answer and close; behind a request still in hand, only close once that one is answered."""
        self._stop_timer()
        self._deaf = True
        if self.cycle is not None and not self.cycle.response_complete:
            self._close_behind(code)
        else:
            self._say(code)

    def _close_behind(self, code: int) -> None:
        self.cycle.keep_alive = False
        if not self.cycle.more_body:
            self.flow.pause_reading()
        elif self.cycle.response_started:
            self.transport.close()
        else:
            self._say(code)

    def _say(self, code: int) -> None:
        telemetry.head_refused(
            code, _SENTENCES[code], peer=self.client[0] if self.client else "", now_s=self.loop.time()
        )
        text = _SENTENCES[code].encode() + b"\n"
        head = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(text)
        self.transport.write(STATUS_LINE[code] + head + text)
        self.transport.close()

    def _start_timer(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.HEAD_S, self._late)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _late(self) -> None:
        self._head_timer = None
        if self.transport.is_closing():
            return
        if self._begun or self._barren:
            self._refuse(408)
        else:
            self.transport.close()
