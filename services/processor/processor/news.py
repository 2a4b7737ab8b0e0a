"""Waiting for something in `raw`, cheaply: one blocked connection instead of a poll."""

from __future__ import annotations

from typing import Any

import redis.exceptions

from gantry.errors import Unavailable
from gantry.streams.client import Client
from gantry.streams.scripts import text

BLOCK_S = 1.0


class News:
    """A plain XREAD behind the last entry seen. A client of its own: nothing else gets through while it blocks."""

    def __init__(self, client: Client, stream: str) -> None:
        self._client, self._stream = client, stream
        self._last = "0-0"

    async def wait(self) -> None:
        """Return when something newer than the last time is there, or after BLOCK_S seconds. Raises Unavailable.

        The caller reads either way, so an entry that is already there, or a stream that began anew, costs a second.
        """
        try:
            reply: Any = await self._client.xread({self._stream: self._last}, count=1, block=round(BLOCK_S * 1000))
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as error:
            raise Unavailable(f"waiting for raw: {type(error).__name__}") from error
        if reply:  # [[stream, [(entry id, fields)]]]
            self._last = text(reply[0][1][-1][0])

    def seen(self, entry_id: str) -> None:
        """An entry that was read some other way."""
        self._last = entry_id
