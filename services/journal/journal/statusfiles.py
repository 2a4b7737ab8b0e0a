"""status.json and last_*.json: what the API answers, as files that are replaced as a whole."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from gantry import status
from gantry.clock import Clock
from gantry.errors import Unavailable
from gantry.health import Health
from gantry.runtime import pause
from gantry.status import Facts
from journal import telemetry
from journal.duty import Duty
from journal.logfile import sync_folder

EVERY_S = 2.0
ANYHOW_S = 30.0  # status.json is replaced so often though nothing changed: its own time shows that it is kept
STATUS = "status.json"


@dataclass(kw_only=True)
class StatusFiles:
    """Keeps the files fresh while the duty is ours."""

    folder: Path
    gather: Callable[[], Awaitable[Facts]]
    duty: Duty
    health: Health
    clock: Clock
    _told: dict[str, bytes] = field(default_factory=dict)
    _status_at: float = float("-inf")

    async def run(self, stop: asyncio.Event) -> None:
        """Every EVERY_S seconds."""
        beat = self.health.loop("status")
        while not stop.is_set():
            beat()
            if self.duty.mine:
                await self.refresh()
            await pause(stop, EVERY_S)

    async def refresh(self) -> None:
        """Replace what changed; a server that is away leaves the files as they are, and readiness says why."""
        try:
            facts = await self.gather()
        except Unavailable:
            return
        try:
            for name, document in _documents(facts, self._now()).items():
                await self._replace(name, document)
        except OSError as error:
            telemetry.unwritable("status", str(error))
            self.health.lacks("status", f"status files cannot be written: {error.strerror or error}")
        else:
            self.health.has("status")

    async def _replace(self, name: str, document: dict[str, Any]) -> None:
        same = orjson.dumps({**document, "server_time_utc": ""}, option=orjson.OPT_SORT_KEYS)
        old = name == STATUS and self.clock.monotonic() - self._status_at >= ANYHOW_S
        if self._told.get(name) == same and not old and (self.folder / name).exists():
            return
        text = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        await asyncio.to_thread(replace, self.folder / name, text)
        self._told[name] = same
        if name == STATUS:
            self._status_at = self.clock.monotonic()

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now_us() / 1e6, UTC)


def _documents(facts: Facts, now: datetime) -> dict[str, dict[str, Any]]:
    """File name → document; a family without any event yet has no file."""
    found: dict[str, dict[str, Any]] = {STATUS: status.file_document(status.document(facts, now=now))}
    for family in status.FAMILIES:
        last = facts.unknown if family == "unknown" else facts.measures.get(family)
        if document := status.last_document(last, family):
            found[f"last_{family}.json"] = document
    return found


def replace(path: Path, text: bytes) -> None:
    """The file holds the old text or the new one, never a part. Raises OSError."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
    sync_folder(path.parent)
