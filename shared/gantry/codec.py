"""Stream entries ⇄ the vocabulary: the only module that knows field names inside Redis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gantry.errors import Malformed
from gantry.event import SCHEMA, RawEntry

READABLE = (SCHEMA,)  # and the one before, once there is one


def raw_arguments(entry: RawEntry) -> tuple[str | int | bytes, ...]:
    """The seven arguments that append.lua takes for an entry."""
    return (entry.dev, entry.seq, entry.id, entry.t_dev, entry.t_rx, entry.enc, entry.body)


def pairs(flat: Sequence[bytes]) -> dict[str, bytes]:
    """A stream entry's flat field list as a mapping."""
    return {flat[i].decode(): flat[i + 1] for i in range(0, len(flat), 2)}


def raw_entry(fields: Mapping[str, bytes]) -> RawEntry:
    """Read one entry of `raw`; Malformed names the schema version or the field that is missing."""
    try:
        version = int(fields["v"])
        if version not in READABLE:
            raise Malformed(f"raw entry of schema version {version}, readable are {READABLE}")
        return RawEntry(
            id=fields["id"].decode(),
            src=fields["src"].decode(),
            dev=fields["dev"].decode(),
            seq=int(fields["seq"]),
            t_dev=fields["t_dev"].decode(),
            t_rx=int(fields["t_rx"]),
            enc=fields["enc"].decode(),
            body=fields["body"],
        )
    except KeyError as missing:
        raise Malformed(f"raw entry without field {missing}") from missing


def raw_entries(rows: Iterable[Sequence[bytes | Sequence[bytes]]]) -> list[tuple[str, RawEntry]]:
    """The reply of a stream read: (entry id, entry) in stream order."""
    return [(_text(row[0]), raw_entry(pairs(_flat(row[1])))) for row in rows]


def _text(value: bytes | Sequence[bytes]) -> str:
    return bytes(value).decode() if isinstance(value, bytes) else ""


def _flat(value: bytes | Sequence[bytes]) -> Sequence[bytes]:
    return value if not isinstance(value, bytes) else []
