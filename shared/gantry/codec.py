"""Stream entries ⇄ the vocabulary: the only module that knows field names inside Redis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gantry.errors import Malformed
from gantry.event import SCHEMA, RawEntry

READABLE = (SCHEMA,)  # and the one before, once there is one


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An entry of `raw` that this version cannot read, with as much of it as was found."""

    raw: RawEntry
    reason: str


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


def raw_entries(
    rows: Iterable[Sequence[bytes | Sequence[bytes] | None]],
) -> list[tuple[str, RawEntry | Unreadable | None]]:
    """The reply of a stream read: (entry id, entry) in stream order; None for a pending one that was deleted."""
    return [(_text(row[0]), None if row[1] is None else _raw_or_unreadable(_flat(row[1]))) for row in rows]


def _raw_or_unreadable(flat: Sequence[bytes]) -> RawEntry | Unreadable:
    fields = {flat[i].decode("utf-8", "replace"): flat[i + 1] for i in range(0, len(flat) - 1, 2)}
    try:
        return raw_entry(fields)
    except Malformed as problem:
        reason = str(problem)
    except ValueError as problem:  # a number that is none, a text that is not UTF-8
        reason = f"raw entry with a bad field: {type(problem).__name__}"
    return Unreadable(_salvaged(fields), reason)


def _salvaged(fields: Mapping[str, bytes]) -> RawEntry:
    def found(name: str) -> str:
        return fields.get(name, b"").decode("utf-8", "replace")

    return RawEntry(
        id=found("id"),
        src=found("src"),
        dev=found("dev"),
        seq=0,
        t_dev=found("t_dev"),
        t_rx=int(found("t_rx")) if found("t_rx").isdecimal() else 0,
        enc=found("enc"),
        body=fields.get("body", b""),
    )


def _text(value: bytes | Sequence[bytes] | None) -> str:
    return bytes(value).decode() if isinstance(value, bytes) else ""


def _flat(value: bytes | Sequence[bytes]) -> Sequence[bytes]:
    return value if not isinstance(value, bytes) else []
