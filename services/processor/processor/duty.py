"""Being the one active processor: a lease kept by a task of its own, so that a long batch does not lose it."""

from __future__ import annotations

import asyncio

from gantry.errors import Unavailable
from gantry.health import Health
from gantry.runtime import pause
from gantry.streams.leases import RENEW_S, Lease
from processor import telemetry


class Duty:
    """Holds the lease, or watches its holder."""

    def __init__(self, lease: Lease, health: Health) -> None:
        self._lease, self._health = lease, health
        self._active: bool | None = None
        health.lacks("duty", "Redis has not been asked yet who is the active processor")

    @property
    def mine(self) -> bool:
        """As last heard; only the server's own check at each step is certain."""
        return self._lease.mine

    @property
    def token(self) -> str:
        """What every step shows to the server."""
        return self._lease.token

    async def run(self, stop: asyncio.Event) -> None:
        """Renew about every RENEW_S seconds."""
        beat = self._health.loop("duty")
        while not stop.is_set():
            beat()
            await self.ask()
            await pause(stop, RENEW_S)

    async def ask(self) -> None:
        """Renew or take over once, at once where nobody holds it; a server that is away changes nothing."""
        try:
            mine = await self._lease.hold() or (not self._lease.holder and await self._lease.hold())
        except Unavailable:
            return  # Presence makes the process unready for as long as it lasts
        self._health.has("duty")  # standing by is ready: somebody else is at work
        if mine != self._active:
            self._active = mine
            telemetry.took_over() if mine else telemetry.stood_by(self._lease.holder)

    async def leave(self) -> None:
        """Give it back, so that a standby need not wait."""
        if not self._lease.mine:
            return
        try:
            await self._lease.leave()
            telemetry.left()
        except Unavailable as error:
            telemetry.server_went_away(str(error))  # a standby takes over once the counter has stood still
