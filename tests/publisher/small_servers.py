"""Servers of our own, for what the twin's sockets cannot show."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from pydantic import SecretStr

from gantry.clock import SystemClock
from publisher.platform import Address, Platform

MEASURE = b'{"TimeInstant":"2026-01-15T10:00:00.000Z","intensity":1}'
RECEIPT = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\n{}"

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None, *, scheme: str = "http") -> AsyncIterator[str]:
    """The base URL of a server that closes each connection when `handler` is done with it."""
    handled: set[asyncio.Event] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handled.add(done := asyncio.Event())
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            await handler(reader, writer)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        done.set()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/iot/json"
    for done in handled:
        await done.wait()


@contextlib.asynccontextmanager
async def a_platform(
    base: str,
    keys: Mapping[str, str],
    *,
    timeout_s: float = 5.0,
    connections: int = 8,
    **options: Any,
) -> AsyncIterator[Platform]:
    held = {target: SecretStr(key) for target, key in keys.items()}
    address = Address(base=base, keys=held, timeout_s=timeout_s, connections=connections, **options)
    async with Platform(address, SystemClock()) as opened:
        yield opened


class Agent:
    """Answers the requests of each connection in turn by its lines, then closes it; remembers heads and connections.

    A line: what is said to each request. The last line also serves all connections after it.
    """

    def __init__(self, *lines: tuple[bytes, ...]) -> None:
        self.lines = lines
        self.connections, self.heads = 0, list[bytes]()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = self.lines[min(self.connections, len(self.lines) - 1)]
        self.connections += 1
        for said in line:
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            await reader.readexactly(len(MEASURE))
            writer.write(said)
