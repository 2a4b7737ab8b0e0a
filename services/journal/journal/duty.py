"""Being the one journal: the lock of the folder, then the lease of the site.

The lock keeps two processes out of one folder, whatever Redis says; the lease keeps journals of other folders and hosts
from reading the same streams.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from gantry.clock import Clock
from gantry.errors import Unavailable
from gantry.health import Health
from gantry.runtime import pause
from gantry.streams.leases import RENEW_S, SILENT_S, Lease
from journal import telemetry
from journal.lock import Lock
from journal.logfile import Unwritable


class Duty:
    """Holds lock and lease, or watches whoever does."""

    def __init__(self, lease: Lease, folder: Path, health: Health, clock: Clock) -> None:
        self._lease, self._folder, self._health, self._clock = lease, folder, health, clock
        self._lock = Lock(folder)
        self._renewed = -SILENT_S
        self._told: bool | None = None
        self._refused = ""  # the last reason why the folder could not be had
        self.standing_by = ""  # for whom; empty while the duty is ours, or nobody has it
        health.lacks("duty", "not known yet who writes the log")

    @property
    def mine(self) -> bool:
        """Nobody else can have it: renewed not long ago, by a clock that runs on while the process is suspended."""
        return self._lease.mine and self._clock.monotonic() - self._renewed < SILENT_S

    async def run(self, stop: asyncio.Event) -> None:
        """Renew about every RENEW_S seconds."""
        beat = self._health.loop("duty")
        while not stop.is_set():
            beat()
            try:
                await self.ask()
            except Unavailable:
                pass  # Presence makes the process unready for as long as it lasts
            except Unwritable as error:
                self._unusable(str(error))
            await pause(stop, RENEW_S)

    async def ask(self) -> None:
        """Take or renew once. Raises Unavailable, Unwritable."""
        if not self._lock.held and not await self._take_lock():
            await self._watch()
            return
        asked = self._clock.monotonic()
        if await self._lease.hold() or (not self._lease.holder and await self._lease.hold()):
            self._renewed = asked
            self.standing_by = self._refused = ""
            self._health.has("duty")
            if not self._told:
                self._told = True
                telemetry.took_over()
        else:
            self._stands_by(f"the journal {self._lease.holder} reads this site: this one stands by")

    def _unusable(self, reason: str) -> None:
        self._health.lacks("duty", reason)
        if self._refused != reason:
            self._refused = reason
            telemetry.folder_unusable(reason)

    async def leave(self) -> None:
        """Give both back, so that a standby need not wait."""
        if self._lease.mine:
            try:
                await self._lease.leave()
            except Unavailable as error:
                telemetry.server_went_away(str(error))  # a standby takes over once the counter has stood still
        self._lock.leave()

    async def _take_lock(self) -> bool:
        """The journal before in this folder is dead, so its lease is ended at once instead of being watched."""
        before = self._lock.take(self._lease.token)
        if before:
            await self._lease.end(before)
        return before is not None

    async def _watch(self) -> None:
        """Another process has the folder: that it writes for this site shows in the lease."""
        if await self._lease.look():
            self._stands_by(f"another journal process writes {self._folder}: this one stands by")
        else:
            self.standing_by = ""
            self._health.lacks("duty", f"another process has locked {self._folder}, and no journal reads this site")

    def _stands_by(self, reason: str) -> None:
        """Which is ready: somebody else is at work."""
        self.standing_by = reason
        self._health.has("duty")
        if self._told is not False:
            self._told = False
            telemetry.stood_by(reason)
