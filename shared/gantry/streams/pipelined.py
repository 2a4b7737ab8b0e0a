"""Scripts on one connection of their own, sent in batches: what is called while a batch is under way goes out together.

For callers with many calls at once. A call costs a fifth of what a connection from the pool costs, and the server,
which syncs its file once per round of its loop, pays one sync for the batch.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import hiredis
import redis.exceptions

from gantry.streams.client import TIMEOUT_S, Client
from gantry.streams.scripts import digest, raise_if_away, source


class Pipelined:
    """The same calls as Scripts, one attempt each, answered in their order. One event loop only."""

    def __init__(self, client: Client) -> None:
        self._connection = client.connection_pool.make_connection()  # type: ignore[no-untyped-call] # redis-py's
        self._waiting: list[tuple[bytes, asyncio.Future[Any]]] = []
        self._sending: asyncio.Task[None] | None = None

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
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait({self._sending})
        await self._connection.disconnect()

    def _call(self, *words: Any) -> asyncio.Future[Any]:
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append((hiredis.pack_command(words), answer))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
        return answer

    async def _send(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._exchange(batch)
        finally:
            self._sending = None
            _fail(self._waiting, redis.exceptions.ConnectionError("closed"))

    async def _exchange(self, batch: list[tuple[bytes, asyncio.Future[Any]]]) -> None:
        """After a failure nobody knows which of the calls ran: all of them fail, and the connection with them."""
        failure: Exception | None = redis.exceptions.ConnectionError("closed")
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._connection.send_packed_command([packed for packed, _ in batch], check_health=False)
                for _, answer in batch:
                    await self._read(answer)
            failure = None
        except TimeoutError:
            failure = redis.exceptions.TimeoutError(f"no answer within {TIMEOUT_S:g} s")
        except (redis.exceptions.RedisError, OSError) as error:
            failure = redis.exceptions.ConnectionError(str(error))
        finally:
            if failure is not None:
                await self._connection.disconnect(nowait=True)
                _fail(batch, failure)

    async def _read(self, answer: asyncio.Future[Any]) -> None:
        """One reply; an error that is the reply concerns this call alone. Callers that were cancelled get none."""
        try:
            reply = await self._connection.read_response(timeout=math.inf)
        except redis.exceptions.ResponseError as error:
            if not answer.done():
                answer.set_exception(error)
        else:
            if not answer.done():
                answer.set_result(reply)


def _fail(batch: list[tuple[bytes, asyncio.Future[Any]]], failure: Exception) -> None:
    for _, answer in batch:
        if not answer.done():
            answer.set_exception(failure)
