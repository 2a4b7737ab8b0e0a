"""Can the recorder be reached at all? Its own bytes say so; only when they stay out, a connection is tried."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from gantry.clock import Clock
from gantry.runtime import pause
from ingest_dahua import telemetry
from ingest_dahua.link import Link
from ingest_dahua.vpn import Vpn

EVERY_S = 1.0
PROBE_EVERY_S = 30.0  # a recorder has few places for connections, and each attempt takes one
CONNECT_S = 5.0


class Outlook:
    """Watches the way to one recorder beside the reading, and tells all that is known of it."""

    def __init__(
        self,
        link: Link,
        address: tuple[str, int],
        vpn: Vpn | None,
        *,
        clock: Clock,
        beat: Callable[[], None] = lambda: None,
        connect_s: float = CONNECT_S,
    ) -> None:
        self._link, self._address, self._vpn = link, address, vpn
        self._clock, self._beat, self._connect_s = clock, beat, connect_s
        self._probed_at: float | None = None
        self._vpn_up: bool | None = None
        self._reachable: bool | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Look once a second."""
        while not stop.is_set():
            self._beat()
            await self.look()
            await pause(stop, EVERY_S)

    async def look(self) -> None:
        """The interface, and the recorder's host if it is in doubt and was left alone for long enough."""
        self._look_at_vpn()
        now = self._clock.monotonic()
        if self._link.in_doubt and (self._probed_at is None or now - self._probed_at >= PROBE_EVERY_S):
            self._probed_at = now
            self._link.probed(connects=await self._connects())
        if (reachable := self._link.reachable) is not self._reachable:
            self._reachable = reachable
            telemetry.reachability_changed(self._link.host, reachable)

    def says(self) -> dict[str, Any]:
        """What others may read of this process in its alive key."""
        vpn = {"iface": self._vpn.iface, "up": bool(self._vpn_up)} if self._vpn else None
        return {"recorders": {self._link.host: self._link.says()}, "vpn": vpn}

    def _look_at_vpn(self) -> None:
        if self._vpn and (up := self._vpn.up()) is not self._vpn_up:
            self._vpn_up = up
            telemetry.vpn_changed(self._vpn.iface, up=up)

    async def _connects(self) -> bool:
        """Whether the port takes a connection, which is closed at once: nothing is asked, and nobody logs in."""
        try:
            async with asyncio.timeout(self._connect_s):
                _, writer = await asyncio.open_connection(*self._address)
        except OSError:  # TimeoutError is one, and a name that does not resolve
            return False
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True
