"""The server's own snapshot over the wire, as a replica gets it: nothing of its disk is needed, and memory is bounded.

PSYNC makes the server fork; what it sends is its data at that instant. `rdb-only` (Redis 7.0 on) tells it that we want
nothing of what is written later, so that nothing piles up for us. The connection ends with the snapshot.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable
from typing import Any, Self

import redis.exceptions

from gantry.streams.client import Client
from gantry_cli.backup import images
from gantry_cli.backup.manifest import BackupProblem

PIECE = 1 << 20
QUIET_S = 60.0  # a server that saves to its disk first sends an empty line now and then
_MARK = re.compile(rb"\$EOF:([0-9a-f]{40})\r\n")
_LENGTH = re.compile(rb"\$([0-9]{1,18})\r\n")
_MOST_BLANKS = 100_000  # of one byte: a day of them
_NO_RIGHT = "the server does not let this user take a snapshot: it needs +psync and +replconf ({})"


class Snapshot:
    """One snapshot. `begin` returns when the server has forked; then read `pieces` to the end."""

    def __init__(self, client: Client, *, quiet_s: float = QUIET_S) -> None:
        self._connection: Any = client.connection_pool.make_connection()  # type: ignore[no-untyped-call] # redis-py's
        self._quiet_s = quiet_s
        self._length: int | None = None
        self._mark = b""

    async def __aenter__(self) -> Self:
        await self._connection.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connection.disconnect(nowait=True)

    async def begin(self) -> None:
        """Raises BackupProblem when the server does not give one, RedisError or OSError when it is away."""
        try:
            await self._say("REPLCONF", "capa", "eof")  # it need not write to its disk first
            await self._say("REPLCONF", "rdb-only", "1")
        except redis.exceptions.NoPermissionError as error:
            raise BackupProblem(_NO_RIGHT.format(error)) from error
        except redis.exceptions.ResponseError as error:
            raise BackupProblem(f"the server gives no snapshot: {error}") from error
        await self._connection.send_command("PSYNC", "?", "-1")
        _expect_full(await self._line())
        header = await self._line()
        if found := _MARK.fullmatch(header):
            self._mark = found[1]
        elif found := _LENGTH.fullmatch(header):
            self._length = int(found[1])
        else:
            raise BackupProblem(f"the server broke the snapshot off: {_shown(header)}")

    async def pieces(self) -> AsyncIterator[bytes]:
        """The snapshot's bytes. Raises BackupProblem when it ends early."""
        first, tail = True, b""
        source = self._counted(self._length) if self._length is not None else self._marked()
        async for piece in source:
            if first:
                images.magic(piece)
                first = False
            tail = (tail + piece[-images.TAIL_BYTES :])[-images.TAIL_BYTES :]
            yield piece
        if not images.complete(tail):
            raise BackupProblem("the server's snapshot has no proper end")

    async def _counted(self, length: int) -> AsyncIterator[bytes]:
        held = bytearray()
        while length:
            piece = await self._read(min(length, PIECE))
            length -= len(piece)
            held += piece
            if len(held) >= images.MAGIC_BYTES:
                yield bytes(held)
                held.clear()
        if held:
            yield bytes(held)

    async def _marked(self) -> AsyncIterator[bytes]:
        """Until the mark; nothing follows it until a replica answers, which we do not."""
        held = bytearray()
        while not held.endswith(self._mark):
            held += await self._read(PIECE)
            ready = len(held) - len(self._mark)
            if ready >= images.MAGIC_BYTES:
                yield bytes(held[:ready])
                del held[:ready]

    async def _say(self, *words: str) -> None:
        await self._connection.send_command(*words)
        await self._connection.read_response()

    async def _line(self) -> bytes:
        """The next line that is not empty."""
        for _ in range(_MOST_BLANKS):
            line = await self._answered(self._reader.readline())
            if not line:
                raise BackupProblem("the server closed the connection before its snapshot began")
            if line.strip():
                return line
        raise BackupProblem("the server's snapshot does not begin")

    async def _read(self, most: int) -> bytes:
        piece = await self._answered(self._reader.read(most))
        if not piece:
            raise BackupProblem("the server closed the connection in the middle of its snapshot")
        return piece

    async def _answered(self, reading: Awaitable[bytes]) -> bytes:
        try:
            async with asyncio.timeout(self._quiet_s):
                return await reading
        except TimeoutError:
            raise BackupProblem(f"the server has sent nothing for {self._quiet_s:g} s") from None
        except (OSError, ValueError) as error:  # ValueError: a line without an end
            raise BackupProblem(f"the server broke the snapshot off: {error}") from error

    @property
    def _reader(self) -> asyncio.StreamReader:
        reader: asyncio.StreamReader = self._connection._reader  # noqa: SLF001 - a snapshot is no reply that redis-py could read
        return reader


def _expect_full(line: bytes) -> None:
    if line.startswith(b"-NOPERM"):
        raise BackupProblem(_NO_RIGHT.format(_shown(line)))
    if not line.startswith(b"+FULLRESYNC"):
        raise BackupProblem(f"the server gives no snapshot: {_shown(line)}")


def _shown(line: bytes) -> str:
    return line[:200].decode("ascii", "replace").strip().lstrip("-+$")
