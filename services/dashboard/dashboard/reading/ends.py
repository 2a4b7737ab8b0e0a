"""Entries of `receipts` and `outcomes` as lines of the event log, before the journal has written them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dashboard.reading.last import measure
from dashboard.reading.sources import iso, lossy, number
from gantry.eventlog import Line
from gantry.eventlog.line import code_of, source_of

RECEIPTS, OUTCOMES = "receipts", "outcomes"
Fields = Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One measure of a request that the platform took."""

    event_id: str
    line: Line
    resent: bool  # once more, because an older one went out after it: no end of any event


def of_entry(stream: str, entry: str, fields: Fields) -> list[Line]:
    """One line per end; none for a measure that was sent once more."""
    if stream == OUTCOMES:
        return [outcome(entry, fields)]
    return [sent.line for sent in receipt(entry, fields) if not sent.resent]


def receipt(entry: str, fields: Fields) -> list[Sent]:
    """Every measure of one receipt."""
    said = {lossy(name): lossy(value) for name, value in fields.items()}
    ids, times = said.get("ids", "").split(" "), said.get("t_rx", "").split(" ")
    seqs, devs = said.get("seqs", "").split(" "), said.get("devs", "").split("\n")
    bodies, target, lane = said.get("bodies", "").split("\n"), said.get("target", ""), said.get("lane", "")
    return [
        Sent(
            event_id=event_id,
            resent=said.get("resent") == "1",
            line=Line(
                at=f"{RECEIPTS}/{entry}/{i + 1}",
                outcome="published",
                id=event_id,
                family=target.upper() or None,
                device=lane,
                dev=_at(devs, i),
                src=source_of(_at(devs, i)),
                what=code_of(measure(_at(bodies, i))),
                received=iso(number(_at(times, i)) // 1000) or None,
                ended=iso(number(said.get("t", "")) // 1000) or None,
                detail="",
                target=target,
                seq=_whole(_at(seqs, i)),
                attempts=_whole(said.get("attempts", "")),
                receipt=entry,
                letter=None,
                measure=measure(_at(bodies, i)) or None,
            ),
        )
        for i, event_id in enumerate(ids)
    ]


def outcome(entry: str, fields: Fields) -> Line:
    """One end without a receipt."""
    said = {lossy(name): lossy(value) for name, value in fields.items()}
    target, dev = said.get("target", ""), said.get("dev", "")
    return Line(
        at=f"{OUTCOMES}/{entry}",
        outcome=said.get("kind", ""),
        id=said.get("id", ""),
        family=target.upper() or None,
        device=said.get("lane") or dev,
        dev=dev,
        src=said.get("src", "") or source_of(dev),
        what=said.get("what", ""),
        received=iso(number(said.get("t_rx", "")) // 1000) or None,
        ended=iso(number(said.get("t", "")) // 1000) or None,
        detail=said.get("detail", ""),
        target=target,
        seq=_whole(said.get("seq", "")),
        attempts=None,
        receipt=None,
        letter=said.get("letter") or None,
        measure=None,
    )


def _at(words: Sequence[str], i: int) -> str:
    return words[i] if i < len(words) else ""


def _whole(word: str) -> int | None:
    return number(word) if word.isdecimal() else None
