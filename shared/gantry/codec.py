"""Stream entries ⇄ the vocabulary: the only module that knows field names inside Redis."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gantry.errors import Malformed
from gantry.event import SCHEMA, LetterClass, RawEntry

READABLE = (SCHEMA,)  # and the one before, once there is one


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An entry of `raw` that this version cannot read, with as much of it as was found."""

    raw: RawEntry
    reason: str
    newer: bool = False  # a later version wrote it, and can read it


_LATEST_US = 10**17 - 1  # in the year 5138
_VERSION = re.compile(rb"[0-9]{1,9}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
UNREADABLE = "unreadable"  # the processor's reason for a letter made of an Unreadable
_ONLY_LENGTH = re.compile(rb"(?:^|;)length=[0-9]+$")  # what a redactor writes where it could keep nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """An entry of `dead`, as far as it can be read; texts that are not there are empty."""

    entry_id: str
    kind: str  # of event.LetterClass
    event_id: str
    src: str
    dev: str
    target: str  # target, lane and seq: of a measure
    lane: str
    seq: str
    t_dev: str
    t_rx: int  # µs since the epoch; 0 when it is not there
    attempts: int
    reason: str
    answer: str  # what the platform said, redacted
    body: bytes

    @property
    def of_measure(self) -> bool:
        """Whether it stands in the ledger's second line."""
        return self.kind == LetterClass.OUT

    @property
    def died_ms(self) -> int:
        """When it became a letter, ms since the epoch by the server's clock."""
        return int(self.entry_id.partition("-")[0])

    @property
    def final(self) -> str:
        """Why it can never be tried again; empty if it can.

        An event's redacted content gives the same measure as the whole would, if it was kept. Where it was not, the
        processor would find an event without data, and might count what never was.
        """
        if self.of_measure:
            return ""
        if _ONLY_LENGTH.search(self.body):
            return "of its content only the length was kept"
        return "its entry was not readable" if self.reason == UNREADABLE else ""


def raw_arguments(entry: RawEntry) -> tuple[str | int | bytes, ...]:
    """The seven arguments that append.lua takes for an entry."""
    return (entry.dev, entry.seq, entry.id, entry.t_dev, entry.t_rx, entry.enc, entry.body)


def newer(version: bytes | None) -> bool:
    """Whether field `v` of an entry, of whichever stream, says that a later version wrote it."""
    return version is not None and bool(_VERSION.fullmatch(version)) and int(version) > max(READABLE)


def pairs(flat: Sequence[bytes]) -> dict[str, bytes]:
    """A stream entry's flat field list as a mapping."""
    return {flat[i].decode(): flat[i + 1] for i in range(0, len(flat), 2)}


def raw_entry(fields: Mapping[str, bytes]) -> RawEntry:
    """Read one entry of `raw`; Malformed names the schema version or the field that is missing."""
    try:
        version = int(fields["v"])
        if version not in READABLE:
            raise Malformed(f"raw entry of schema version {version}, readable are {READABLE}")
        entry = RawEntry(
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
    if not 0 <= entry.t_rx <= _LATEST_US:
        raise Malformed("raw entry with a time that is none")
    if _CONTROL.search(f"{entry.id}{entry.src}{entry.dev}"):  # lanes and hashes hold names line by line
        raise Malformed("raw entry with a name of several lines")
    return entry


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
    return Unreadable(_salvaged(fields), reason, newer=newer(fields.get("v")))


def _salvaged(fields: Mapping[str, bytes]) -> RawEntry:
    def found(name: str) -> str:
        return fields.get(name, b"").decode("utf-8", "replace")

    return RawEntry(
        id=found("id"),
        src=found("src"),
        dev=found("dev"),
        seq=0,
        t_dev=found("t_dev"),
        t_rx=int(found("t_rx")) if re.fullmatch("[0-9]{1,17}", found("t_rx")) else 0,
        enc=found("enc"),
        body=fields.get("body", b""),
    )


def letter(entry_id: bytes, fields: Mapping[bytes, bytes]) -> Letter:
    """Read one entry of `dead`: a person wants to see it whatever it looks like, so nothing is refused."""

    def found(name: str) -> str:
        return fields.get(name.encode(), b"").decode("utf-8", "replace")

    def number(name: str) -> int:
        return int(found(name)) if re.fullmatch("[0-9]{1,18}", found(name)) else 0

    return Letter(
        entry_id=entry_id.decode(),
        kind=found("class"),
        event_id=found("id"),
        src=found("src"),
        dev=found("dev"),
        target=found("target"),
        lane=found("lane"),
        seq=found("seq"),
        t_dev=found("t_dev"),
        t_rx=number("t_rx"),
        attempts=number("attempts"),
        reason=found("reason"),
        answer=found("answer"),
        body=fields.get(b"body", b""),
    )


def _text(value: bytes | Sequence[bytes] | None) -> str:
    return bytes(value).decode() if isinstance(value, bytes) else ""


def _flat(value: bytes | Sequence[bytes]) -> Sequence[bytes]:
    return value if not isinstance(value, bytes) else []
