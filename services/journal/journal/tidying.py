"""Beside the log: packing and removing older parts, and telling how far behind the log is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from gantry.clock import Clock
from gantry.errors import Unavailable
from gantry.eventlog import names
from gantry.health import Health
from gantry.runtime import pause
from journal import archive, telemetry
from journal.duty import Duty
from journal.intake import Intake

LOOK_S = 5.0
TIDY_S = 600.0  # parts come of age


@dataclass(kw_only=True)
class Tidying:
    """Housekeeping while the duty is ours."""

    folder: Path
    keep: int
    days: int
    duty: Duty
    rotated: asyncio.Event
    health: Health
    clock: Clock

    async def run(self, stop: asyncio.Event) -> None:
        """At start, after each rotation, and every TIDY_S seconds."""
        due = 0.0
        while not stop.is_set():
            if self.duty.mine and (self.rotated.is_set() or self.clock.monotonic() >= due):
                self.rotated.clear()
                due = self.clock.monotonic() + (TIDY_S if await self.tidy() else LOOK_S)
            await _either(stop, self.rotated, LOOK_S if self.duty.mine else 1.0)

    async def tidy(self) -> bool:
        """Whether it went well; else it is tried again soon."""
        now = datetime.fromtimestamp(self.clock.now_us() / 1e6, UTC)
        try:
            telemetry.tidied(*await asyncio.to_thread(self._tidy, now))
        except OSError as error:
            telemetry.unwritable("parts", str(error))
            self.health.lacks("parts", f"older parts of the log cannot be packed: {error.strerror or error}")
            return False
        self.health.has("parts")
        return True

    def _tidy(self, now: datetime) -> tuple[list[str], list[str], int]:
        """Removing comes first: it makes room for packing."""
        removed = archive.remove_old(self.folder, keep=self.keep, days=self.days, now=now)
        packed = archive.pack_all(self.folder)
        return packed, removed, len(names.stems(path.name for path in self.folder.iterdir()))


async def _either(stop: asyncio.Event, other: asyncio.Event, seconds: float) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in (stop, other)]
    await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


@dataclass(kw_only=True)
class Behind:
    """How many entries the log lacks, as last seen."""

    intake: Intake
    entries: dict[str, int] = field(default_factory=dict)

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                self.entries = await self.intake.behind()
                telemetry.behind(self.entries)
            except Unavailable:
                self.entries = {}  # readiness says why
            await pause(stop, LOOK_S)
