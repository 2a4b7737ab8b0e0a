"""Only one journal writes a folder: an advisory lock that the kernel frees when its holder dies.

The file holds its holder's token of the lease, so that the next journal of this folder can end that instead of watching
it. Each has a token of its own: a copy of the folder must not make two journals that take each other for themselves.
"""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path

from journal.logfile import Unwritable

NAME = ".journal.lock"
_TOKEN = re.compile(r"[0-9a-f]{32}")


class Lock:
    """The lock of one folder; kept until `leave` or the end of the process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: int | None = None

    @property
    def held(self) -> bool:
        """It is ours."""
        return self._file is not None

    def take(self, token: str) -> str | None:
        """Leave our token there; the one of the holder before (empty: none), None while another process has the lock.

        Raises Unwritable.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = os.open(self._folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                before = _exchanged(file, token)
            except BaseException:
                os.close(file)
                raise
        except BlockingIOError:
            return None
        except OSError as error:
            raise Unwritable(f"{self._folder} cannot be locked: {error.strerror}") from error
        self._file = file
        return before

    def leave(self) -> None:
        """Free it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _exchanged(file: int, token: str) -> str:
    before = os.pread(file, 64, 0).decode("ascii", "replace").strip()
    length = os.pwrite(file, f"{token}\n".encode(), 0)
    os.ftruncate(file, length)
    return before if _TOKEN.fullmatch(before) else ""
