"""One process that we started: in a group of its own, and gone when we are."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

STOP_S = 30.0  # services give their loops 20 s, then cancel them
_LOOK_S = 0.05
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded before any fork


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
                start_new_session=True,  # the terminal's Ctrl-C reaches only us
                preexec_fn=_orphan_guard(os.getpid()),  # noqa: PLW1509 - no thread of ours holds a lock here
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

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):  # it ended this very moment
            os.killpg(self.pid, number)


def _orphan_guard(parent: int) -> Callable[[], None]:
    def prepare() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:  # it died before the line above
                os._exit(1)

    return prepare
