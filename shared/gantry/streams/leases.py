"""Owning a duty: renewed by a counter, taken over only after the holder's counter has stood still for a while.

No wall clock decides: a standby watches (token, counter) on its own monotonic clock and names what it saw.
"""

from __future__ import annotations

import secrets

from gantry.clock import Clock
from gantry.errors import Unavailable
from gantry.streams.scripts import Once, text
from gantry.topology import Topology

RENEW_S = 1.0
SILENT_S = 5.0  # a holder silent for so long may be replaced


class Lease:
    """One process's claim to a duty. Call `hold` about every RENEW_S seconds."""

    def __init__(self, calls: Once, keys: Topology, duty: str, holder: str, clock: Clock) -> None:
        self.token = secrets.token_hex(16)
        self.mine = False
        self.holder = ""  # who has it, as last seen
        self._calls, self._key, self._me, self._clock = calls, keys.lease(duty), holder, clock
        self._seen = ("", "")
        self._since = clock.monotonic()

    async def hold(self) -> bool:
        """Renew, or take over if the holder has been silent; whether it is mine now. Raises Unavailable."""
        silent = self._clock.monotonic() - self._since >= SILENT_S
        verb = "take" if not self.mine and (silent or not self._seen[0]) else "renew"
        try:
            self._note(await self._calls.once("lease", [self._key], [verb, self.token, self._me, *self._seen]))
        except Unavailable:
            self._since = self._clock.monotonic()  # a holder that could not renew either was not silent
            raise
        return self.mine

    async def look(self) -> bool:
        """Whether another holder renews it, as far as that has been watched; takes nothing. Raises Unavailable."""
        self._note(await self._calls.once("lease", [self._key], ["renew", self.token, self._me, "", ""]))
        return bool(self.holder) and self._clock.monotonic() - self._since < SILENT_S

    async def end(self, token: str) -> None:
        """End the claim of a holder that is known to be dead. Raises Unavailable."""
        self._note(await self._calls.once("lease", [self._key], ["leave", token, self._me, "", ""]))

    async def leave(self) -> None:
        """Give it back, so that a standby need not wait. Raises Unavailable."""
        self._note(await self._calls.once("lease", [self._key], ["leave", self.token, self._me, "", ""]))

    def _note(self, reply: list[object]) -> None:
        mine, token, counter, holder = reply
        seen = (text(token), text(counter))
        if seen != self._seen:
            self._seen, self._since = seen, self._clock.monotonic()
        self.mine, self.holder = bool(mine), text(holder)
