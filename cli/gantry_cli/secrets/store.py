"""The folders: `authority`, which only the setup sees, and one per service. Files are replaced whole."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gantry.errors import GantryError
from gantry_cli.secrets import names

AUTHORITY = "authority"
GIVEN, MADE = "given", "made"


class StoreProblem(GantryError):
    """A folder or file cannot be had; the message says which."""


@dataclass(frozen=True, slots=True)
class Store:
    """Everything below one root."""

    root: Path

    @property
    def authority(self) -> Path:
        """What people gave and what was made, certificates' keys among it."""
        return self.root / AUTHORITY

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Whoever else makes secrets here waits: two first starts at once would hand out halves of each other's."""
        try:
            self.authority.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(self.authority / ".lock", os.O_WRONLY | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreProblem(f"{self.authority} cannot be written: {error}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def values(self, kind: str) -> dict[str, str]:
        """Name → value of GIVEN or MADE. Raises StoreProblem."""
        folder = self.authority / kind
        try:
            files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
            return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in files}
        except (OSError, UnicodeDecodeError) as error:
            raise StoreProblem(f"{folder} cannot be read: {error}") from error

    def keep(self, kind: str, name: str, value: str) -> None:
        """Into the authority's folder. Raises StoreProblem."""
        self._write(self.authority / kind / name, value, 0o600)

    def drop(self, kind: str, name: str) -> bool:
        """Whether it was there."""
        path = self.authority / kind / name
        there = path.exists()
        path.unlink(missing_ok=True)
        return there

    def holds(self, folder: str, name: str) -> bool:
        """Whether a service's folder has that file, be it empty."""
        return (self.root / folder / name).exists()

    def hand_out(self, folder: str, name: str, content: str) -> bool:
        """Into a service's folder; whether anything changed. The server's files are for its group, too."""
        return self._write(self.root / folder / name, content, 0o640 if folder == names.SERVER else 0o600)

    def _write(self, path: Path, content: str, mode: int) -> bool:
        try:
            if path.exists() and path.read_text(encoding="utf-8") == content:
                return False
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _replace(path, content.encode(), mode)
        except (OSError, UnicodeDecodeError) as error:
            raise StoreProblem(f"{path} cannot be written: {error}") from error
        return True


def _replace(path: Path, content: bytes, mode: int) -> None:
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)  # whatever the umask says
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)  # half of it, on a full disk
