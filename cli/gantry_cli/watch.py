"""Looking at a running site once a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import redis.exceptions

from gantry import topology
from gantry.diagnosis import facts
from gantry.errors import Unavailable
from gantry.streams.scripts import text
from gantry_cli.connection import NoAnswer, Site
from gantry_cli.picture import NEWEST, Latencies, Pace, Picture


@dataclass(slots=True)
class Watch:
    """Remembers what it has seen, so that each look is cheap. `alive`: which processes live."""

    site: Site
    alive: Callable[[], Mapping[str, bool]]
    _begun: float = field(default_factory=time.monotonic)
    _latencies: Latencies = field(default_factory=Latencies)
    _pace: Pace = field(default_factory=Pace)
    _last: str = ""  # the newest receipt seen; empty before the first look

    async def look(self) -> Picture:
        """Ask the server once. Raises NoAnswer while it is away."""
        try:
            return await self._look()
        except (redis.exceptions.RedisError, Unavailable) as error:
            raise NoAnswer(f"the server does not answer: {error}") from error

    async def _look(self) -> Picture:
        client, keys = self.site.client, self.site.keys
        ledger = await self.site.books.read()
        server_ms = await facts.now_ms(client)
        await self._read_receipts()
        now = time.monotonic()
        return Picture(
            elapsed_s=now - self._begun,
            ledger=ledger,
            latency=self._latencies.now(),
            rates=self._pace.now(now, ledger),
            breakers=await facts.breakers(self.site.controls, server_ms),
            pauses=await self.site.controls.pauses(server_ms),
            held=sum([int(await client.hlen(keys.holds(target))) for target in topology.TARGETS]),
            alive=dict(self.alive()),
        )

    async def _read_receipts(self) -> None:
        """The newest receipts since the last look; more than NEWEST of them would not be remembered anyway."""
        client, stream = self.site.client, self.site.keys.receipts
        if not self._last:  # receipts of an earlier run say nothing of this one
            newest: Any = await client.xrevrange(stream, count=1)
            self._last = text(newest[0][0]) if newest else "0-0"
            return
        rows: Any = await client.xrevrange(stream, "+", f"({self._last}", count=NEWEST)
        for _, fields in reversed(rows):
            if fields[b"resent"] == b"1":
                continue  # its time runs since the first receipt, so it says nothing of how fast we are
            self._latencies.add(int(fields[b"t"]), map(int, fields[b"t_rx"].split()))
        if rows:
            self._last = text(rows[0][0])
