"""Entries of `receipts` and `outcomes` as the scripts write them, and what a folder holds afterwards."""

from __future__ import annotations

import gzip
import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import orjson

from gantry.eventlog import Line, names
from gantry.eventlog.line import decode, encode
from gantry.streams.client import Client
from gantry.streams.scripts import text
from gantry.topology import Topology
from journal.lines import Entry, lines_of

T0 = 1_760_000_000_000_000  # µs
_MS = itertools.count(T0 // 1000)  # of entry ids; what the server numbers itself comes after all of them


def receipt(*ids: str, first: int = 1, **changed: Any) -> dict[str, str]:
    """One request that the agent took, with one measure per id."""
    count = len(ids)
    bodies = [orjson.dumps({"TimeInstant": "2026-03-01T10:00:00.000Z", "count": n}).decode() for n in range(count)]
    given = {
        "v": 1,
        "target": "evd",
        "lane": "cam",
        "from": first,
        "to": first + count - 1,
        "n": count,
        "attempts": 1,
        "t": T0 + 2_000_000,
        "t_rx": " ".join(str(T0 + n) for n in range(count)),
        "ids": " ".join(ids),
        "resent": 0,
        "seqs": " ".join(str(first + n) for n in range(count)),
        "devs": "\n".join("r/0" for _ in ids),
        "bodies": "\n".join(bodies),
    }
    return {name: str(value) for name, value in {**given, **changed}.items() if value is not None}


def outcome(event: str, kind: str = "filtered", **changed: Any) -> dict[str, str]:
    """One end without a receipt."""
    names_of = ["class", "src", "dev", "target", "lane", "seq", "t_dev", "what", "detail", "letter"]
    given = {"v": 1, "kind": kind, **dict.fromkeys(names_of, ""), "id": event, "dev": "r/0", "src": "r", "t_rx": T0}
    return {name: str(value) for name, value in {**given, "t": T0 + 1_000_000, **changed}.items() if value is not None}


def entry(stream: str, fields: dict[str, str], entry_id: str = "1760000000000-0") -> Entry:
    return Entry(stream, entry_id, {name.encode(): value.encode() for name, value in fields.items()})


async def add(client: Client, keys: Topology, *several: dict[str, str]) -> list[str]:
    """Append each to its stream, one ms after the other; entry ids."""
    found = []
    for fields in several:
        stream = keys.outcomes if "kind" in fields else keys.receipts
        found.append(text(await client.xadd(stream, fields, id=f"{next(_MS)}-0")))
    return found


def files(folder: Path) -> list[bytes]:
    """The log's files, oldest first, unpacked."""
    stems = names.stems(path.name for path in folder.iterdir())[::-1]
    paths = [names.packed(folder, stem) for stem in stems]
    old = [gzip.decompress(path.read_bytes()) if path.exists() else path.with_suffix("").read_bytes() for path in paths]
    return [*old, (folder / names.CURRENT).read_bytes()]


def lines(folder: Path) -> list[Line]:
    """Every line of the log, oldest first; fails on one that is torn."""
    whole = b"".join(files(folder))
    assert whole.endswith(b"\n") or not whole, "the last line is torn"
    return [decode(line) for line in whole.splitlines()]


def twice(found: list[Line]) -> list[str]:
    """Positions that are there more than once."""
    return [at for at, count in Counter(line.at for line in found).items() if count > 1]


def text_of(given: Entry) -> bytes:
    """What the log holds of it."""
    return b"".join(map(encode, lines_of(given)))
