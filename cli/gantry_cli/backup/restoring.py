"""Restoring a backup: everything is read and checked before anything is put into its place."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gantry.codec import READABLE
from gantry_cli.backup import archive, images, placing
from gantry_cli.backup.manifest import LOG, SERVER, SPOOL, BackupProblem, Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where to."""

    folders: Mapping[str, Path]  # kind → folder; other kinds are left out; none at all: only look
    product: str  # what will read the server's data, e.g. "valkey 9"; empty: nobody knows


def restore(source: IO[bytes], places: Places) -> Manifest:
    """Everything into its place, or nothing. Raises BackupProblem, OSError."""
    placing.refuse_what_is_there(places.folders, [kind for kind in places.folders if kind != LOG])  # that may hold none
    with placing.Staging(places.folders) as staging:
        found = archive.read(source, staging)
        maker = f"{found.server.product} {found.server.version}"
        if SERVER in places.folders and (reason := images.refusal(found.server.image, places.product, maker)):
            raise BackupProblem(reason)
        if {SERVER, SPOOL} & set(places.folders) and found.schema > max(READABLE):
            raise BackupProblem(
                f"the archive holds entries of schema {found.schema} (made by gantry {found.head.gantry}), this "
                f"version reads {', '.join(map(str, READABLE))}: restore it with one that reads them"
            )
        staging.put(found, images.major(places.product or maker))
    return found


@contextlib.contextmanager
def plain_errors(what: str) -> Iterator[None]:
    """An OSError as a BackupProblem with a sentence."""
    try:
        yield
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        raise BackupProblem(f"{what}: {named}{error.strerror or error}") from error
