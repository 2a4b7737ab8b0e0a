"""One recorder: hold its lease, stay attached, read, and hand everything on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from gantry.clock import Clock
from gantry.errors import GantryError, Unavailable
from gantry.health import Health
from gantry.runtime import pause
from gantry.streams.leases import RENEW_S, Lease
from ingest_dahua import events, telemetry
from ingest_dahua.camera import BadStatus, Camera, Lost, Refused401
from ingest_dahua.events import Heartbeat
from ingest_dahua.forwarder import Forwarder
from ingest_dahua.inbox import Inbox, Received
from ingest_dahua.link import ANOTHER, NOBODYS, NOT_YET, Link
from ingest_dahua.multipart import Framing, Part
from ingest_dahua.patience import Failures, Patience, pause_s
from ingest_dahua.spool import Spool, SpoolBroken, SpoolBusy

_BEAT_S = 10.0
_READ_LIMIT_S = 300.0  # a silent recorder is cut off after three heartbeats, 180 s at the most
_READY = "recorder"  # the condition's name


class Service:
    """Attached while the lease is ours; standing by otherwise."""

    def __init__(  # noqa: PLR0913 - what a composition root knows
        self,
        recorder: str,
        camera: Camera,
        *,
        new_lease: Callable[[], Lease],
        open_spool: Callable[[], Spool],
        new_forwarder: Callable[[Inbox, Spool, Callable[[], None]], Forwarder],
        link: Link,
        health: Health,
        clock: Clock,
        chance: random.Random,
        patience: Patience | None = None,
    ) -> None:
        self._recorder, self._camera, self._link = recorder, camera, link
        self._health, self._clock = health, clock
        self._new_lease, self._lease = new_lease, new_lease()
        self._open_spool, self._new_forwarder = open_spool, new_forwarder
        self._chance, self._patience = chance, patience or Patience()
        self._failures, self._inbox = Failures(), Inbox()
        self._mine, self._gone = asyncio.Event(), asyncio.Event()
        self._gone.set()
        self._behind = ""  # who has the duty, as last said
        self._beat = health.loop("read", limit_s=_READ_LIMIT_S)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; then what is in hand is appended or spooled before the lease is left.

        Cancelled, or when one of its loops breaks, it spools what was read; the lease is then left to run out.
        """
        spool = await self._spool(stop)
        if spool is None:
            return
        try:
            await self._run(spool, stop)
        finally:
            await asyncio.to_thread(spool.close)

    async def _run(self, spool: Spool, stop: asyncio.Event) -> None:
        self._link.queued = lambda: spool.figures.queued
        read, handed_on = asyncio.Event(), asyncio.Event()
        forwarder = self._new_forwarder(self._inbox, spool, self._health.loop("forward"))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_duty(handed_on))
                forwarding = group.create_task(forwarder.run(read))
                await self._attend(stop)
                read.set()
                await forwarding
                handed_on.set()
        finally:
            await forwarder.put_away()  # the reader has ended in any case; empty unless it ended before its time

    async def _spool(self, stop: asyncio.Event) -> Spool | None:
        """Ours alone; where another process of this host has it, wait until that one is gone."""
        while not stop.is_set():
            try:
                spool = await asyncio.to_thread(self._open_spool)
            except SpoolBusy:
                self._health.has(_READY)  # standing by is what this process is for
                self._stand_by("another process of this host, which has the spool")
            except SpoolBroken as error:
                telemetry.spool_unusable(str(error))
                self._health.lacks("spool", str(error))
                self._link.stand_by(str(error))
            else:
                self._health.has("spool")
                return spool
            await pause(stop, RENEW_S)
        return None

    # the duty

    async def _keep_duty(self, stop: asyncio.Event) -> None:
        beat = self._health.loop("duty")
        while not stop.is_set():
            beat()
            await self._renew()
            await pause(stop, RENEW_S)
        try:
            await self._lease.leave()
        except Unavailable as error:
            telemetry.server_away(str(error))

    async def _renew(self) -> None:
        """While the server is away the holder goes on, and spools; nobody else can take the lease meanwhile."""
        try:
            mine = await self._lease.hold()
        except Unavailable:
            if not self._lease.mine:  # a holder that could not renew either is not silent: watch it afresh
                self._lease = self._new_lease()
            return
        self._stand_by("" if mine else self._lease.holder)
        if mine and not self._mine.is_set():
            telemetry.duty_taken(self._recorder)
            self._link.seek()
            self._gone.clear()
            self._mine.set()
        elif not mine and self._mine.is_set():
            telemetry.duty_lost(self._recorder, self._lease.holder)
            self._link.stand_by(ANOTHER if self._lease.holder else NOBODYS)
            self._mine.clear()
            self._gone.set()

    def _stand_by(self, holder: str) -> None:
        if holder and holder != self._behind:
            telemetry.stood_by(self._recorder, holder)
        if holder:
            self._link.stand_by()
        self._behind = holder

    # reading

    async def _attend(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._beat()
            if not self._mine.is_set():
                self._health.has(_READY)
                await pause(self._mine, RENEW_S)
                continue
            try:
                await _until_one(self._read(), stop, self._gone)
                telemetry.let_go("stopping" if stop.is_set() else "the lease is somebody else's")
                self._link.lost("stopping")
            except (Refused401, BadStatus, Lost) as error:
                await self._back_off(error, stop)

    async def _read(self) -> None:
        """Attach and read until it ends, in Refused401, BadStatus or Lost."""
        self._health.lacks(_READY, NOT_YET)
        async with self._camera.attach() as attachment:
            telemetry.attached(self._recorder)
            framing = Framing(attachment.boundary)
            try:
                async for chunk in attachment.chunks:
                    self._beat()
                    self._bytes_came(self._clock.now_us())
                    self._hand_on(framing, framing.feed(chunk))
                    await self._inbox.room()
            finally:
                self._hand_on(framing, framing.close())

    def _bytes_came(self, at_us: int) -> None:
        telemetry.bytes_received(at_us)
        self._link.byte_came(at_us)

    def _hand_on(self, framing: Framing, parts: Sequence[Part]) -> None:
        now = self._clock.now_us()
        for kind, count in framing.take_faults():
            telemetry.framing_faults_met(kind, count)
        for part in parts:
            if part.content_type.startswith("image/"):  # personal data; none is stored anywhere
                telemetry.image_ignored(part.content_type)
                continue
            for item in events.read(part.body):
                if isinstance(item, Heartbeat):
                    telemetry.heartbeat_received()
                else:
                    self._inbox.put(Received(item, now))
                    self._link.event_came(now)
        if parts:
            self._alive()

    def _alive(self) -> None:
        self._failures.alive()
        self._health.has(_READY)
        telemetry.alive()
        self._link.alive()

    async def _back_off(self, error: GantryError, stop: asyncio.Event) -> None:
        reason = _reason(error)
        seconds = pause_s(self._failures, self._patience, self._chance, refused=isinstance(error, Refused401))
        telemetry.detached(reason, str(error), pause_s=seconds)
        self._health.lacks(_READY, f"not attached to {self._recorder}: {error}")
        self._link.lost(str(error), answered=isinstance(error, Refused401 | BadStatus))
        until = self._clock.monotonic() + seconds
        while not stop.is_set() and (left := until - self._clock.monotonic()) > 0:
            self._beat()
            await pause(stop, min(left, _BEAT_S))


def _reason(error: GantryError) -> str:
    match error:
        case Refused401():
            return "401"
        case BadStatus(status=status):
            return f"status_{status}"
        case Lost(kind=kind):
            return kind
        case _:
            return "other"


async def _until_one(work: Coroutine[Any, Any, Any], *events: asyncio.Event) -> None:
    """Run `work` until it ends or one of the events is set; then it is cancelled. Raises what it raises."""
    working = asyncio.create_task(work)
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait({working, *waits}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (working, *waits):
            task.cancel()
        await asyncio.wait({working, *waits})
    if not working.cancelled():
        working.result()
