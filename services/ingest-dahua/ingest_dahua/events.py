"""One part's body → what it means to us, and the raw entry that travels on. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from gantry.event import RawEntry, new_event_id
from ingest_dahua import grammar

_INDEX_DIGITS = 4  # no recorder has 10,000 channels; a longer number would only make up devices


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The recorder lives, and has nothing to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderEvent:
    """An event as sent. `code` is empty where the text is not understood: it is still kept, whole."""

    code: str
    action: str
    index: int | None  # 0-based channel; None where it is missing
    t_dev: str
    body: bytes


def read(body: bytes) -> list[Heartbeat | RecorderEvent]:
    """The events of one part; nothing that the recorder said is left out, save blank text."""
    return [_read(text) for text in grammar.split(body) if text.strip(b"\0 \t\r\n")]


def _read(text: bytes) -> Heartbeat | RecorderEvent:
    head, data = grammar.parts(text)
    if head.lower() == b"heartbeat":
        return Heartbeat()
    fields = grammar.fields(head)
    return RecorderEvent(
        code=fields.get("code", ""),
        action=fields.get("action", ""),
        index=_index(fields.get("index", "")),
        t_dev=grammar.device_time(grammar.load(data)) if data else "",
        body=text,
    )


def _index(value: str) -> int | None:
    return int(value) if value.isascii() and value.isdecimal() and len(value) <= _INDEX_DIGITS else None


def raw_entry(event: RecorderEvent, *, recorder: str, t_rx: int, seq: int) -> RawEntry:
    """The entry for `raw`; `t_rx` in µs since the epoch, `seq` from the spool's counter."""
    return RawEntry(
        id=new_event_id(t_rx),
        src=recorder,
        dev=f"{recorder}/{'-' if event.index is None else event.index}",
        seq=seq,
        t_dev=event.t_dev,
        t_rx=t_rx,
        body=event.body,
    )
