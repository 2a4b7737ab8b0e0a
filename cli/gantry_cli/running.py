"""Which `gantry up` runs in this folder: a locked file with its process id, and `gantry down` that stops it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from gantry_cli.output import Output

FILE = Path("var/gantry.pid")
BUSY = "gantry already runs in this folder; `gantry down` stops it"
PATIENCE_S = 120.0  # services finish what is in hand, stage by stage
_LOOK_S = 0.1


@contextlib.contextmanager
def here(path: Path = FILE) -> Iterator[str]:
    """Hold the file while we run; gives why that cannot be, or empty."""
    with contextlib.ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(path.open("a+", encoding="utf-8"))
        except OSError as error:
            yield f"{path} cannot be written ({error.strerror}): run gantry where it may make the folder {path.parent}"
            return
        if not _lock(file.fileno()):
            yield BUSY
            return
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield ""
        file.truncate(0)


def down(out: Output, path: Path = FILE) -> int:
    """SIGTERM to the `gantry up` of this folder, and wait for its end; 0 stopped or nothing ran, 1 still running."""
    pid = _running(path)
    if not pid:
        out.lines(["nothing runs in this folder"])
        return 0
    os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if _running(path) != pid:
            out.lines(["stopped"])
            return 0
        time.sleep(_LOOK_S)
    out.error(f"process {pid} still runs {PATIENCE_S:.0f} s after it was asked to stop")
    return 1


def _running(path: Path) -> int:
    """The process id in the file, 0 unless that process holds it."""
    if not path.exists():
        return 0
    with path.open("r", encoding="utf-8") as file:
        if _lock(file.fileno()):
            return 0
        text = file.read().strip()
    return int(text) if text.isdecimal() else 0


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
