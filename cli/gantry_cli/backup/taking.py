"""Taking a backup: spools, then the server's snapshot, then the rest, in one pass.

The spools come first: an event that goes from spool to server meanwhile is then in both, and is taken once, because
the server takes only a greater number than its last from each spool. The other way round it would be in neither. The
log comes last: of what it has more than the snapshot, the journal finds written what it had in hand, and the rest gets
a second line of the same name. The other way round, lines would be missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import gantry
from gantry.event import SCHEMA
from gantry.ledger import Ledger
from gantry.settings import Settings
from gantry_cli.backup import folders, images
from gantry_cli.backup.archive import Writer
from gantry_cli.backup.manifest import FORMAT, SERVER, Head, Manifest, Server
from gantry_cli.backup.snapshot import Snapshot
from gantry_cli.connection import Site

SNAPSHOT = f"{SERVER}/snapshot.rdb"


class Config(Settings):
    """Where the folders are that the services write."""

    dahua_spool_dir: Path = Path("var/spool")
    runtime_dir: Path = Path("var/runtime")


@dataclass(frozen=True, slots=True)
class Taken:
    """What went into the archive."""

    manifest: Manifest
    spools: int
    files: int
    log: int | None  # None: left out


async def take(site: Site, config: Config, out: IO[bytes], *, with_log: bool, say: Callable[[str], None]) -> Taken:
    """The whole archive to `out`. Raises BackupProblem, OSError, and what a server that is away raises."""
    head = Head(format=FORMAT, gantry=gantry.__version__, site=site.keys.site, at=datetime.now(UTC).isoformat())
    writer = Writer(out, head)
    spools = folders.add_spools(writer, config.dahua_spool_dir)
    files = folders.add_configuration(writer, config.config_dir)
    say("waiting for the server's snapshot")
    product, version = await _product(site)
    before = _figures(await site.books.read())
    async with Snapshot(site.client) as snapshot:
        await snapshot.begin()
        after = _figures(await site.books.read())
        first = await _copy(snapshot, writer)
    log = folders.add_log(writer, config.runtime_dir) if with_log else None
    server = Server(product=product, version=version, image=images.magic(first))
    return Taken(writer.finish(server, SCHEMA, {"before": before, "after": after}), spools, files, log)


async def _copy(snapshot: Snapshot, writer: Writer) -> bytes:
    """The snapshot's first bytes."""
    first = b""
    with writer.part(SNAPSHOT) as write:
        async for piece in snapshot.pieces():
            first = first or piece[: images.MAGIC_BYTES]
            write(piece)
    return first


async def _product(site: Site) -> tuple[str, str]:
    info: dict[str, Any] = await site.client.info("server")
    if version := info.get("valkey_version"):
        return "valkey", str(version)
    return "redis", str(info.get("redis_version", "unknown"))


def _figures(ledger: Ledger) -> dict[str, int]:
    values = asdict(ledger)
    return {"received": values["received"], **values["events"], "measures": values["measures"], **values["outcomes"]}
