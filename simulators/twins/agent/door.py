"""The ports on which the twin listens; one of them can be shut and opened again."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from twins.agent.north import North
from twins.agent.server import Connection
from twins.agent.twin import Twin

BACKLOG = 1024


class Door:
    """One port and its connections. Shut, it refuses as a dead process does, and nobody else can take the port."""

    def __init__(self, twin: Twin, host: str, port: int, north: North | None = None) -> None:
        self._host = host
        self.connections: set[Connection] = set()
        self._make: Callable[[], Connection] = lambda: Connection(twin, self.connections, north)
        self._socket = _bound(host, port)
        self._server: asyncio.Server | None = None
        self._opening: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    @property
    def base(self) -> str:
        return f"http://{self._host}:{self.port}"

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._make, sock=self._socket, backlog=BACKLOG)

    def shut(self) -> None:
        """Refuse from now on, and cut what is connected; who asks for it still hears the answer."""
        port = self.port
        self.stop_listening()
        self._socket = _bound(self._host, port)
        for connection in list(self.connections):
            connection.abort()

    def reopen(self) -> None:
        """Listen at once; what connects before the loop comes round waits in the backlog."""
        self._socket.listen(BACKLOG)
        self._opening = asyncio.get_running_loop().create_task(self.open())

    def stop_listening(self) -> None:
        if self._opening:
            self._opening.cancel()
        if self._server:
            self._server.close()
            self._server = None
        self._socket.close()


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # unnamed, asyncio would not set TCP_NODELAY
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((host, port))
    return made
