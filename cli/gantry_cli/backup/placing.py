"""Where restored files go: first beside their place, then, once all is checked, into it by renaming."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

from gantry_cli.backup.folders import DATABASE, WAL
from gantry_cli.backup.manifest import CONFIG, LOG, SERVER, SPOOL, BackupProblem, Manifest

AOF = "appendonlydir"
_BASE, _LIST = "appendonly.aof.1.base.rdb", "appendonly.aof.manifest"
_SERVERS_FILES = (AOF, "*.rdb", "*.aof")
_HELD = {SERVER: _SERVERS_FILES, SPOOL: (f"*{DATABASE}*",), LOG: ("events*.json*",)}


def refuse_what_is_there(folders: Mapping[str, Path], kinds: Iterable[str]) -> None:
    """Raises BackupProblem that names what lies in the way."""
    for kind in kinds:
        folder = folders[kind]
        found = sorted(path.name for pattern in _HELD.get(kind, ()) for path in folder.glob(pattern))
        if found:
            raise BackupProblem(
                f"{folder} holds data already ({', '.join(found[:5])}): a backup is restored into an empty "
                "installation only; move that away first, if nobody needs it"
            )


@dataclass
class Staging:
    """A hidden folder beside each place. Leaving it removes whatever was not put into place."""

    folders: Mapping[str, Path]  # kind → its place; parts of other kinds are left out
    _made: dict[str, Path] = field(default_factory=dict)
    _new: list[Path] = field(default_factory=list)  # folders that were not there
    _file: tuple[str, IO[bytes]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        for folder in self._made.values():
            shutil.rmtree(folder, ignore_errors=True)
        for folder in self._new:
            with contextlib.suppress(OSError):  # something stands in it, as it should
                folder.rmdir()

    def write(self, part: str, piece: bytes, *, first: bool) -> None:
        """As archive.Sink."""
        kind, _, name = part.partition("/")
        if kind not in self.folders:
            return
        self._stage(kind)
        if self._file is None or self._file[0] != part or first:
            self._close()
            self._file = (part, (self._made[kind] / name).open("wb" if first else "ab"))
        self._file[1].write(piece)

    def _stage(self, kind: str) -> None:
        if kind in self._made:
            return
        folder = self.folders[kind]
        if not folder.is_dir():
            folder.mkdir(parents=True, mode=0o700)
            self._new.append(folder)
        made = folder / f".restore-{secrets.token_hex(4)}"
        made.mkdir(mode=0o700)
        self._made[kind] = made

    def put(self, found: Manifest, mark: str) -> None:
        """Everything into place, the server's data last. Raises OSError; then nothing of it stays."""
        self._close()
        if SERVER in self.folders and len(found.parts_of(SERVER)) != 1:
            raise BackupProblem("the archive holds no snapshot of the server")
        refuse_what_is_there(self.folders, self._made)
        moves = [
            move
            for kind in (SPOOL, CONFIG, LOG, SERVER)
            if kind in self._made
            for move in self._moves(kind, found, mark)
        ]
        for source, target in moves:
            _settle(source, target.parent)
        done: list[Path] = []
        try:
            for source, target in moves:
                source.rename(target)
                done.append(target)
        except OSError:
            for target in done:
                _remove(target)
            raise
        for kind in self._made:
            _sync(self.folders[kind])

    def _moves(self, kind: str, found: Manifest, mark: str) -> list[tuple[Path, Path]]:
        stage, folder = self._made[kind], self.folders[kind]
        names = [part.file for part in found.parts_of(kind)]
        _leave_only(stage, names)
        if kind == SERVER:
            return _server_files(stage, folder, names, mark)
        if kind == SPOOL:
            names = [name for name in names if not name.endswith(WAL)]
            for name in names:
                _mend_spool(stage / name)
        if kind == CONFIG:
            names = [name for name in names if not _is_there(stage / name, folder / name)]
        return [(stage / name, folder / name) for name in names]

    def _close(self) -> None:
        if self._file is not None:
            self._file[1].close()
            self._file = None


def _leave_only(stage: Path, names: list[str]) -> None:
    """A try that was begun anew may have left a spool's log, which would be taken into the database."""
    for path in stage.iterdir():
        if path.name not in names:
            path.unlink()


def _server_files(stage: Path, folder: Path, names: list[str], mark: str) -> list[tuple[Path, Path]]:
    """As Redis 7 and Valkey start from: a base file and the list that names it. A dump.rdb alone they ignore."""
    made = stage / AOF
    made.mkdir(mode=0o700)
    (stage / names[0]).rename(made / _BASE)
    (made / _LIST).write_text(f"file {_BASE} seq 1 type b\n", encoding="ascii")
    (stage / "PRODUCT").write_text(mark + "\n", encoding="utf-8")
    return [(stage / "PRODUCT", folder / "PRODUCT"), (made, folder / AOF)]


def _is_there(staged: Path, place: Path) -> bool:
    """The same file. Raises BackupProblem for another one."""
    if not place.exists():
        return False
    if place.read_bytes() != staged.read_bytes():
        raise BackupProblem(f"{place} differs from the one in the archive: move it away, or leave it with --only")
    return True


def _mend_spool(path: Path) -> None:
    """Take the log into the database, as its ingest would at its next start. Raises BackupProblem."""
    try:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as spool:
            said = spool.execute("PRAGMA quick_check(1)").fetchone()
            spool.execute("SELECT value FROM facts WHERE name = 'id'").fetchone()
            spool.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        raise BackupProblem(f"the spool {path.name} in the archive is damaged: {error}") from error
    if said != ("ok",):
        raise BackupProblem(f"the spool {path.name} in the archive is damaged: {said}")


def _settle(source: Path, folder: Path) -> None:
    """On disk, and the property of whoever owns the folder that it goes into, where we may give it away."""
    owner = folder.stat()
    for path in (source, *source.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
        if os.geteuid() == 0:
            os.chown(path, owner.st_uid, owner.st_gid)
        _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
