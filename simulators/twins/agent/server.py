"""The twin's sockets: HTTP/1.1 with keep-alive, and every way to break off an exchange."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import math
import socket
import struct
import time
import zlib
from collections import deque
from http import HTTPStatus

import httptools

from twins.agent import control
from twins.agent.answers import JSON, Ending, Row, content
from twins.agent.grammar import HEADERS, MAX_BODY, Request
from twins.agent.north import North
from twins.agent.twin import Twin, Visit, key_of

MAX_HEAD = 16 << 10  # Node's
STALLED_S = 60.0  # a request that does not come to its end
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of zero: close() sends RST
_GZIP_OR_ZLIB = 47


class Connection(asyncio.Protocol):
    """One client. Requests are answered one after the other."""

    def __init__(self, twin: Twin, connections: set[Connection], north: North | None = None) -> None:
        """`north`: what this port serves instead of measures."""
        self._twin, self._connections, self._north = twin, connections, north
        self._asking = False  # a page of the twin's own is being answered
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._visit: Visit | None = None
        self._waiting: deque[tuple[Request, bool]] = deque()
        self._since = self._loop.time()
        self._watch: asyncio.TimerHandle | None = None
        self._receiving = self._closing = self._refused = False
        self.on_message_begin()
        self._receiving = False

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - tells mypy what create_server gives
        self._transport = transport
        self._connections.add(self)
        self._watch = self._loop.call_later(self._twin.options.idle_s, self._look)

    def connection_lost(self, _: Exception | None) -> None:
        self._connections.discard(self)
        self._transport = None
        self._waiting.clear()
        if self._watch:
            self._watch.cancel()
        if self._visit:
            self._twin.leave(self._visit)

    def data_received(self, data: bytes) -> None:
        self._since = self._loop.time()
        if self._refused:
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refuse(400)

    def _look(self) -> None:
        """Close what has been idle for too long, or stopped in the middle of a request."""
        allowed = STALLED_S if self._receiving else self._twin.options.idle_s
        left = self._since + allowed - self._loop.time()
        if left <= 0 and self._visit is None:
            self.close()
        else:
            self._watch = self._loop.call_later(max(left, 0.05), self._look)

    def close(self) -> None:
        """Close now if nothing is in hand, else after the answer."""
        self._closing = True
        if self._visit is None and not self._asking and self._transport:
            self._transport.close()

    def abort(self) -> None:
        """Cut it; who asks for that hears the answer first."""
        if self._asking:
            self.close()
        elif self._transport:
            self._transport.abort()

    # The parser's side

    def on_message_begin(self) -> None:
        self._url, self._head, self._size = b"", 0, 0
        self._body: list[bytes] = []
        self._content_type: str | None = None
        self._coding, self._expects = "", False
        self._headers: dict[str, str] = {}
        self._receiving = True

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._bound(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._bound(name + value)
        match name.lower():
            case b"content-type":
                self._content_type = value.decode("latin-1")
            case b"content-encoding":
                self._coding = value.decode("latin-1").strip().lower()
            case b"expect":
                self._expects = value.lower() == b"100-continue"
            case other if self._north and other.decode("latin-1") in HEADERS:
                self._headers[other.decode("latin-1")] = value.decode("latin-1")

    def _bound(self, part: bytes) -> None:
        self._head += len(part)
        if self._head > MAX_HEAD:
            self._refuse(431)

    def on_headers_complete(self) -> None:
        if self._expects and self._transport:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size <= MAX_BODY:
            self._body.append(body)
        else:
            self._body.clear()

    def on_message_complete(self) -> None:
        self._receiving = False
        if self._refused:
            return
        request = self._request()
        self._waiting.append((request, self._parser.should_keep_alive()))
        if self._visit is None and len(self._waiting) == 1:
            self._next()
        elif self._transport:
            self._transport.pause_reading()

    def _request(self) -> Request:
        body, too_large = b"".join(self._body), self._size > MAX_BODY
        if self._coding in ("gzip", "deflate") and body:
            with contextlib.suppress(zlib.error):  # what cannot be unpacked is judged as it stands: not JSON
                body = zlib.decompressobj(_GZIP_OR_ZLIB).decompress(body, MAX_BODY + 1)
            too_large = too_large or len(body) > MAX_BODY
        path, _, query = self._url.partition(b"?")
        method = self._parser.get_method().decode("latin-1")
        body = b"" if too_large else body
        return Request(method, path.decode("latin-1"), query, self._content_type, body, too_large, self._headers)

    # The answers

    def _next(self) -> None:
        while self._waiting and self._visit is None and self._transport:
            request, keep = self._waiting.popleft()
            self._closing = self._closing or not keep
            if self._north or request.path.startswith(control.PREFIX):
                self._write(*self._page(request))
                continue
            visit = self._visit = self._twin.arrive(request)
            started = self._loop.time()
            if visit.delay_s:
                self._loop.call_later(visit.delay_s, self._finish, visit, started)
            else:
                self._finish(visit, started)
        if not self._waiting and self._transport and not self._transport.is_closing():
            self._transport.resume_reading()

    def _page(self, request: Request) -> tuple[int, bytes, str]:
        if self._north and not request.path.startswith(control.PREFIX):
            return self._north.answer(request)
        self._asking = True
        try:
            return *control.answer(self._twin, request), JSON
        finally:
            self._asking = False

    def _finish(self, visit: Visit, started: float) -> None:
        self._twin.apply(visit)
        if self._transport is None or visit.row.ending is Ending.HANG:
            return
        self._visit = None
        self._since = self._loop.time()
        match visit.row.ending:
            case Ending.CLOSE:
                self._transport.close()
            case Ending.RESET:
                self._reset(self._transport)
            case _:
                self._answer(visit, int((self._since - started) * 1000))
                if visit.delay_s:
                    self._next()

    def _reset(self, transport: asyncio.Transport) -> None:
        connected: socket.socket = transport.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()

    def _answer(self, visit: Visit, took_ms: int) -> None:
        row, judged = visit.row, visit.judged
        body = content(
            row,
            key=key_of(visit),
            device=judged.device or "",
            sent=visit.request.body,
            detail=judged.detail or "as scripted",
        )
        headers = row.headers
        if row.content_type == JSON and row.status == HTTPStatus.OK and not row.error and not self._twin.options.old:
            headers = (*headers, ("X-Processing-Time", str(took_ms)))
        if row.retry_after_s:
            headers = (*headers, ("Retry-After", _retry_after(row)))
        ending = row.ending
        cut = 1 if ending in (Ending.HALF, Ending.HALF_RESET) else 0
        self._write(row.status, body, row.content_type, headers, cut=cut)
        if self._transport is None:
            return
        if ending is Ending.HALF_RESET:
            self._reset(self._transport)
        elif ending in (Ending.HALF, Ending.CLOSE_AFTER):
            self._transport.close()

    def _write(
        self,
        status: int,
        body: bytes,
        content_type: str,
        headers: tuple[tuple[str, str], ...] = (),
        *,
        cut: int = 0,
    ) -> None:
        if self._transport is None:
            return
        lines = [f"HTTP/1.1 {status} {_phrase(status)}", "X-Powered-By: Express"]
        lines += [f"{name}: {value}" for name, value in headers]
        if content_type:
            lines.append(f"Content-Type: {content_type}")
        if status != HTTPStatus.NO_CONTENT:
            lines.append(f"Content-Length: {len(body)}")
        lines.append(
            "Connection: close\r\n\r\n" if self._closing else "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n"
        )
        self._transport.write("\r\n".join(lines).encode("latin-1") + body[: len(body) - cut])
        if self._closing:
            self._transport.close()

    def _refuse(self, status: int) -> None:
        if self._refused:
            return
        self._refused = True
        if self._visit is None:
            self._closing = True
            self._write(status, b"", "")
        else:
            self.abort()


def _retry_after(row: Row) -> str:
    """A date has whole seconds: it is rounded up, so that it is never earlier than it says."""
    at = math.ceil(time.time()) + row.retry_after_s
    return email.utils.formatdate(at, usegmt=True) if row.retry_at else str(row.retry_after_s)


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase
