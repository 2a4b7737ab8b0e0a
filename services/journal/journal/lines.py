"""Stream entry → lines of events.json. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import orjson

from gantry import codec, topology
from gantry.errors import Malformed
from gantry.eventlog.line import OUTCOMES, Line, code_of, iso_ms, source_of

RECEIPTS, OUTCOMES_STREAM = "receipts", "outcomes"
STREAMS = (RECEIPTS, OUTCOMES_STREAM)
PUBLISHED = "published"
_NUMBER = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of one of STREAMS."""

    stream: str
    id: str
    fields: Mapping[bytes, bytes]  # empty: pending, and deleted from the stream by somebody

    @property
    def newer(self) -> bool:
        """A later version wrote it."""
        return codec.newer(self.fields.get(b"v"))

    @property
    def name(self) -> str:
        """By which its lines know it."""
        return f"{self.stream}/{self.id}"

    @property
    def order(self) -> tuple[int, int]:
        """When it was written, by the server's clock."""
        return order_of(self.id)

    @property
    def size(self) -> int:
        """Bytes, about."""
        return sum(map(len, self.fields.values())) + 100


def order_of(entry_id: str) -> tuple[int, int]:
    """Of "<ms>-<n>"."""
    ms, _, number = entry_id.partition("-")
    return int(ms), int(number)


def lines_of(entry: Entry) -> list[Line]:
    """One line per measure of a receipt, one per outcome; none for a measure that was sent again.

    Raises Malformed for what no service of ours wrote.
    """
    return _of_receipt(entry) if entry.stream == RECEIPTS else [_of_outcome(entry)]


def _of_receipt(entry: Entry) -> list[Line]:
    given = _Fields(entry.fields)
    if given.text("resent", "0") == "1":
        return []
    count, attempts, target, lane = (
        given.number("n"),
        given.number("attempts"),
        given.text("target"),
        given.text("lane"),
    )
    received = [_iso(_number("t_rx", word)) for word in given.text("t_rx").split()]
    ids = given.text("ids").split()
    if count != len(ids):
        raise Malformed("a receipt without as many ids as it says")
    seqs = _seqs(given, count)
    devs, bodies = given.text("devs", "\n" * (count - 1)).split("\n"), given.bodies(count)
    if {count} != {len(received), len(ids), len(seqs), len(devs), len(bodies)} or not count:
        raise Malformed("a receipt whose lists are not as long as it says")
    ended = _iso(given.number("t"))
    return [
        Line(
            at=f"{entry.name}/{n + 1}",
            outcome=PUBLISHED,
            id=ids[n],
            family=_family(target),
            device=lane,
            dev=devs[n],
            src=source_of(devs[n]),
            what=bodies[n].code,
            received=received[n],
            ended=ended,
            detail="",
            target=target,
            seq=seqs[n],
            attempts=attempts,
            receipt=entry.id,
            letter=None,
            measure=bodies[n].text,
        )
        for n in range(count)
    ]


def _of_outcome(entry: Entry) -> Line:
    given = _Fields(entry.fields)
    kind, target = given.text("kind"), given.text("target", "")
    if kind not in OUTCOMES or kind == PUBLISHED:
        raise Malformed("an outcome of no known kind")
    seq, received = given.text("seq", ""), given.text("t_rx", "")
    dev, lane = given.text("dev", ""), given.text("lane", "")
    return Line(
        at=entry.name,
        outcome=kind,
        id=given.text("id"),
        family=_family(target),
        device=lane or dev,
        dev=dev,
        src=given.text("src", "") or source_of(dev),
        what=given.text("what", ""),
        received=_iso(_number("t_rx", received)) if received else None,
        ended=_iso(given.number("t")),
        detail=given.text("detail", ""),
        target=target,
        seq=_number("seq", seq) if seq else None,
        attempts=None,
        receipt=None,
        letter=given.text("letter", "") or None,
    )


def _seqs(given: _Fields, count: int) -> Sequence[int | None]:
    """Receipts of the version before tell the first and the last; a retried letter's number is behind a gap."""
    if words := given.text("seqs", "").split():
        return [_number("seqs", word) for word in words]
    first, last = given.number("from"), given.number("to")
    if last - first + 1 == count:
        return range(first, last + 1)
    return [first, *[None] * (count - 2), last][:count]


class _Fields:
    """An entry's fields; what is missing or no number is Malformed."""

    def __init__(self, fields: Mapping[bytes, bytes]) -> None:
        self._fields = fields

    def text(self, name: str, default: str | None = None) -> str:
        value = self._fields.get(name.encode())
        if value is not None:
            return value.decode("utf-8", "replace")
        if default is None:
            raise Malformed(f"an entry without {name}")
        return default

    def number(self, name: str) -> int:
        return _number(name, self.text(name))

    def bodies(self, count: int) -> Sequence[_Body]:
        """Each as it was sent; receipts of the version before have none."""
        joined = self._fields.get(b"bodies")
        return [_Body()] * count if joined is None else [_body(text) for text in joined.split(b"\n")]


@dataclass(frozen=True, slots=True)
class _Body:
    """One measure of a receipt."""

    text: msgspec.Raw | None = None
    code: str = ""


def _body(text: bytes) -> _Body:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise Malformed("a measure that is no JSON object")
    return _Body(msgspec.Raw(text), code_of(found))


def _number(name: str, word: str) -> int:
    if not _NUMBER.fullmatch(word):
        raise Malformed(f"{name} is no number")
    return int(word)


_iso = iso_ms


def _family(target: str) -> str | None:
    return target.upper() if target in topology.TARGETS else None
