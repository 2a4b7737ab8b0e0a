"""What an archive says of itself. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from gantry.errors import GantryError

FORMAT = 1
READABLE = (FORMAT,)
SERVER, SPOOL, CONFIG, LOG = "server", "spool", "config", "log"
KINDS = (SERVER, SPOOL, CONFIG, LOG)


class BackupProblem(GantryError):
    """It cannot be done; the message is one sentence for a person."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The archive's first member: enough to refuse it before anything is read."""

    format: int
    gantry: str
    site: str
    at: str  # UTC, ISO 8601


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One file, in pieces `<name>.000000` and so on."""

    name: str  # <kind>/<file>
    size: int  # bytes
    sha256: str

    @property
    def kind(self) -> str:
        """One of KINDS."""
        return self.name.partition("/")[0]

    @property
    def file(self) -> str:
        """Its name in its folder."""
        return self.name.partition("/")[2]


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """Who took the snapshot."""

    product: str  # "redis" or "valkey"
    version: str
    image: str  # the snapshot's first nine bytes, e.g. REDIS0010


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The archive's last member: whoever finds it has the whole."""

    head: Head
    schema: int  # of the entries that this version writes
    server: Server
    parts: tuple[Part, ...]
    ledger: Mapping[str, Mapping[str, int]]  # "before" and "after": the snapshot's instant lies between them

    def parts_of(self, kind: str) -> Sequence[Part]:
        """Of one kind."""
        return [part for part in self.parts if part.kind == kind]


def head(text: bytes) -> Head:
    """Raises BackupProblem for what is no archive of ours, or one of another format."""
    try:
        found = msgspec.json.decode(text, type=Head)
    except msgspec.DecodeError as error:
        raise BackupProblem("this is no archive of `gantry backup`") from error
    if found.format not in READABLE:
        raise BackupProblem(
            f"the archive has format {found.format} (made by gantry {found.gantry}); this version reads "
            f"{', '.join(map(str, READABLE))}: restore it with a version that reads it"
        )
    return found


def read(text: bytes, first: Head) -> Manifest:
    """Raises BackupProblem when it is none, or belongs to another archive."""
    try:
        found = msgspec.json.decode(text, type=Manifest)
    except msgspec.DecodeError as error:
        raise BackupProblem(f"the archive's manifest cannot be read: {error}") from error
    if found.head != first:
        raise BackupProblem("the archive's manifest belongs to another archive")
    return found
