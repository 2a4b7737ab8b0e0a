"""One process that we started: in a group of its own, and gone when we are."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gantry.embedded import in_a_group_of_its_own

STOP_S = 30.0  # services give their loops 20 s, then cancel them
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """How to start one process. `stage`: the lowest stop first; the same stop together."""

    name: str
    command: tuple[str, ...]
    environ: Mapping[str, str] = field(repr=False)  # holds secrets
    stage: int = 0
    log: Path | None = None  # its output; None: ours
    metrics_port: int = 0  # 0: it has none


class Child:
    """A program and its process. Start it from the main thread: it ends when that thread does."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the running or last process; 0 before the first."""
        return self._process.pid if self._process else 0

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def code(self) -> int:
        """How the last process ended; negative: the signal that ended it."""
        return self._process.returncode if self._process and self._process.returncode is not None else 0

    def start(self) -> None:
        """Start the process. Raises OSError when there is no such command, or no way to log."""
        with contextlib.ExitStack() as stack:
            log = self.program.log
            out = stack.enter_context(log.open("ab")) if log else None
            self._process = subprocess.Popen(  # noqa: S603 - our own programs
                self.program.command,
                env=dict(self.program.environ),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT if out else None,
                preexec_fn=in_a_group_of_its_own(os.getpid()),  # noqa: PLW1509 - no thread of ours holds a lock here
            )

    async def stop(self, within_s: float = STOP_S) -> bool:
        """SIGTERM, and SIGKILL when that has not helped in time; whether it ended by itself."""
        if not self.alive:
            return True
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(within_s):
                while self.alive:  # noqa: ASYNC110 - Popen has no event to wait for
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            self._signal(signal.SIGKILL)
            while self.alive:  # noqa: ASYNC110 - nothing survives SIGKILL for long
                await asyncio.sleep(_LOOK_S)
            return False
        return True

    def kill(self) -> None:
        """SIGKILL, and its end awaited: for trials of durability."""
        self._signal(signal.SIGKILL)
        if self._process:
            self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):  # it ended this very moment
            os.killpg(self.pid, number)
