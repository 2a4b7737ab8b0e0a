"""The twin's HTTP: its own small server, because a recorder's answers are not those of a well-bred one."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from twins.recorder.digest import Door, Login
from twins.recorder.recorder import BOUNDARY, Connection, Recorder, framed

STREAM = "/cgi-bin/eventManager.cgi"
_BODY_BYTES = 1 << 20
_HEARTBEATS = (1, 60)  # the documented range, seconds
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}


@dataclass(frozen=True, slots=True)
class Request:
    """A request's head."""

    method: str
    target: str
    headers: dict[str, str]

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    def argument(self, name: str) -> str:
        return parse_qs(urlsplit(self.target).query).get(name, [""])[0]


@dataclass
class Player:
    """A body to play byte for byte once a client attaches; `chunk` 0 writes it whole."""

    body: bytes
    chunk: int

    async def play(self, connection: Connection) -> None:
        size = self.chunk or max(1, len(self.body))
        for at in range(0, len(self.body), size):
            if connection.ended:
                return
            connection.write(self.body[at : at + size])
            await connection.writer.drain()
            await asyncio.sleep(0)


@dataclass
class Server:
    """Answers one connection after the other; `heartbeat_s` overrides what a client asks for."""

    recorder: Recorder
    door: Door
    player: Player | None = None
    heartbeat_s: float = 0.0
    clients: dict[asyncio.StreamWriter, asyncio.Event] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client connection, to its end."""
        self.clients[writer] = gone = asyncio.Event()
        try:
            while (request := await _read(reader)) and await self._answer(request, reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass  # a client that goes away or talks nonsense ends its own connection only
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            del self.clients[writer]
            gone.set()

    async def leave(self) -> None:
        """Cut every connection and wait for its end: a connection that is cancelled instead ends in a traceback."""
        for writer, gone in list(self.clients.items()):
            writer.transport.abort()
            await gone.wait()

    async def _answer(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection may serve another request."""
        if request.path.startswith("/twin/"):
            return await self._twin(request, writer)
        login = self.door.check(request.headers.get("authorization", ""), request.method, request.target)
        if login is not Login.OK:
            return await self._refuse(login, writer)
        self.recorder.logins_ok += 1
        heartbeat = request.argument("heartbeat")
        asked = int(heartbeat) if heartbeat.isascii() and heartbeat.isdecimal() else 0
        if request.path != STREAM:
            return await self._say(writer, 404, b"Error\r\nNot Found!\r\n")
        if request.argument("action") != "attach" or (heartbeat and not _HEARTBEATS[0] <= asked <= _HEARTBEATS[1]):
            return await self._say(writer, 400, b"Error\r\nBad Request!\r\n")
        await self._stream(request, reader, writer, self.heartbeat_s or asked)
        return False

    async def _refuse(self, login: Login, writer: asyncio.StreamWriter) -> bool:
        match login:
            case Login.MISSING:
                self.recorder.challenged += 1
            case Login.STALE:
                pass
            case _:
                self.recorder.logins_failed += 1
        if login is Login.OTHER_URI:
            return await self._say(writer, 403, b"Error\r\nForbidden!\r\n")
        challenges = self.door.challenges(stale=login is Login.STALE)
        headers = "".join(f"WWW-Authenticate: {challenge}\r\n" for challenge in challenges)
        return await self._say(writer, 401, b"Error\r\nInvalid Authority!\r\n", headers)

    async def _stream(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heartbeat_s: float
    ) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\nCache-Control: no-cache\r\nPragma: no-cache\r\n"
            b"Expires: Thu, 01 Dec 2099 16:00:00 GMT\r\nConnection: close\r\n"
            b"Content-Type: multipart/x-mixed-replace; boundary=" + BOUNDARY.encode() + b"\r\n\r\n"
        )
        connection = self.recorder.attach(writer, _codes(request.argument("codes")))
        watch = asyncio.create_task(_closed(reader))
        try:
            if self.player:
                await self.player.play(connection)
            while not connection.ended and not watch.done():
                if heartbeat_s:
                    connection.write(framed(b"Heartbeat"))
                    connection.heartbeats += 1
                    await writer.drain()
                await asyncio.wait({watch}, timeout=heartbeat_s or None)
        except ConnectionError:
            pass  # noted below
        finally:
            watch.cancel()
            connection.end("closed by the client")

    async def _twin(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        recorder = self.recorder
        match request.method, request.path:
            case "GET", "/twin/state":
                return await self._json(writer, recorder.state())
            case "GET", "/twin/sent":
                number = request.argument("from") or "1"
                return await self._json(writer, recorder.sent_from(int(number)))
            case "POST", "/twin/pause" | "/twin/resume":
                recorder.paused = request.path == "/twin/pause"
                return await self._json(writer, {"paused": recorder.paused})
            case "POST", "/twin/drop":
                return await self._json(writer, {"dropped": recorder.drop()})
            case _:
                return await self._say(writer, 404, b"")

    async def _json(self, writer: asyncio.StreamWriter, value: object) -> bool:
        return await self._say(writer, 200, json.dumps(value).encode() + b"\n", "Content-Type: application/json\r\n")

    async def _say(self, writer: asyncio.StreamWriter, status: int, body: bytes, headers: str = "") -> bool:
        keep = not self.door.fresh_nonce
        head = f"HTTP/1.1 {status} {_REASONS[status]}\r\n{headers}Content-Length: {len(body)}\r\n"
        writer.write((head + ("" if keep else "Connection: close\r\n") + "\r\n").encode() + body)
        await writer.drain()
        return keep


async def _read(reader: asyncio.StreamReader) -> Request | None:
    """The next request, its body passed by; None at the end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= _BODY_BYTES:
        raise ValueError("a body of that length is not read")
    await reader.readexactly(length)
    return Request(method, target, headers)


async def _closed(reader: asyncio.StreamReader) -> None:
    """Until the client goes away; what it still says is not listened to."""
    with contextlib.suppress(ConnectionError):
        while await reader.read(4096):
            pass


def _codes(argument: str) -> tuple[str, ...]:
    """`[A,B]` as a tuple; empty for all."""
    names = tuple(name for name in unquote(argument).strip("[]").split(",") if name)
    return () if "All" in names else names
