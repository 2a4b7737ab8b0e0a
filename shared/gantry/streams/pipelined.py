"""Scripts on one connection of their own: what is called in one round of the loop goes out in one write.

For callers with many calls at once. A call costs a fifth of what a connection from the pool costs, and the server,
which syncs its file once per round of its own loop, pays one sync for all of them.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import hiredis
import redis.exceptions

from gantry.streams.client import TIMEOUT_S, Client
from gantry.streams.scripts import digest, raise_if_away, source


@dataclass(slots=True)
class _Session:
    """One connection's life: what waits to be written, what waits to be answered, in this order."""

    connection: Any
    unsent: list[tuple[bytes, asyncio.Future[Any]]] = field(default_factory=list)
    unanswered: deque[asyncio.Future[Any]] = field(default_factory=deque)
    to_send: asyncio.Event = field(default_factory=asyncio.Event)
    to_read: asyncio.Event = field(default_factory=asyncio.Event)
    over: bool = False

    async def run(self) -> None:
        """Until the connection fails. Nobody knows then which of its calls ran: all of them fail with it."""
        failure = redis.exceptions.ConnectionError("closed")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._ending_both(self._send()))
                group.create_task(self._ending_both(self._read()))
        except* TimeoutError:
            failure = redis.exceptions.ConnectionError(f"no answer within {TIMEOUT_S:g} s")
        except* (redis.exceptions.RedisError, OSError, AttributeError) as errors:
            # AttributeError: redis-py writes where its reader has just closed
            failure = redis.exceptions.ConnectionError(str(errors.exceptions[0]))
            failure.__cause__ = errors.exceptions[0]  # why the server let nobody in, for `refusal`
        finally:
            self.fail(failure)
            await self.connection.disconnect(nowait=True)

    async def _ending_both(self, loop: Coroutine[Any, Any, None]) -> None:
        """The other loop ends with this one, also when its cancellation is lost.

        asyncio.wait_for, in which redis-py writes, loses one that comes with the end of the write (before Python 3.12).
        """
        try:
            await loop
        finally:
            self.end()

    def end(self) -> None:
        """Nobody is to come any more, and both loops look up."""
        self.over = True
        self.to_send.set()
        self.to_read.set()

    def fail(self, failure: redis.exceptions.RedisError) -> None:
        """Tell all who wait."""
        self.end()
        for answer in (*self.unanswered, *(answer for _, answer in self.unsent)):
            if not answer.done():
                answer.set_exception(failure)

    async def _send(self) -> None:
        """All that was called in one round of the loop goes out in one write."""
        while await self.to_send.wait() and not self.over:
            self.to_send.clear()
            batch, self.unsent = self.unsent, []
            self.unanswered.extend(answer for _, answer in batch)
            await self.connection.send_packed_command([packed for packed, _ in batch], check_health=False)
            self.to_read.set()

    async def _read(self) -> None:
        while await self.to_read.wait() and not self.over:
            self.to_read.clear()
            async with asyncio.timeout(TIMEOUT_S) as limit:
                while self.unanswered and not self.over:
                    limit.reschedule(asyncio.get_running_loop().time() + TIMEOUT_S)
                    await self._read_one()

    async def _read_one(self) -> None:
        """An error that is the reply concerns this call alone. A caller that was cancelled gets none."""
        try:
            reply = await self.connection.read_response(timeout=math.inf)
        except redis.exceptions.ResponseError as error:
            answer = self.unanswered.popleft()
            if not answer.done():
                answer.set_exception(error)
        else:
            answer = self.unanswered.popleft()
            if not answer.done():
                answer.set_result(reply)


class Pipelined:
    """The same calls as Scripts, one attempt each, answered in their order. One event loop only."""

    def __init__(self, client: Client) -> None:
        self._pool = client.connection_pool
        self._session: _Session | None = None
        self._running: asyncio.Task[None] | None = None

    async def once(self, name: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        rest = (len(keys), *keys, *arguments)
        try:
            try:
                return await self._call("EVALSHA", digest(name), *rest)
            except redis.exceptions.NoScriptError:  # a new server, or its memory of scripts was emptied
                return await self._call("EVAL", source(name), *rest)
        except redis.exceptions.RedisError as error:
            raise_if_away(name, error)
            raise

    async def aclose(self) -> None:
        """Who still waits is told that the server is away."""
        if self._running is not None and self._session is not None:
            self._session.end()
            self._running.cancel()
            await asyncio.wait({self._running})
            self._session.fail(redis.exceptions.ConnectionError("closed"))  # it may have been cancelled before it began

    def _call(self, *words: Any) -> asyncio.Future[Any]:
        packed, answer = hiredis.pack_command(words), asyncio.get_running_loop().create_future()
        if self._session is None or self._session.over:
            self._session = _Session(self._pool.make_connection())  # type: ignore[no-untyped-call] # redis-py's
            self._running = asyncio.create_task(self._session.run())
        self._session.unsent.append((packed, answer))
        self._session.to_send.set()
        return answer
