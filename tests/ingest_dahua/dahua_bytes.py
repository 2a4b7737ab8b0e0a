"""Invented events and the framings in which recorders send them."""

from __future__ import annotations

import json
from collections.abc import Iterable

from ingest_dahua.multipart import Framing, Part

CROSSING = {
    "Class": "Normal",
    "Direction": "RightToLeft",
    "EventID": 10207,
    "GroupID": 206,
    "Name": 'Drive; Gate = {left} "north" --myboundary ',
    "Object": {"ObjectID": 31, "ObjectType": "Human", "BoundingBox": [10, 20, 30, 40]},
    "PTS": 5230011.0,
    "RuleID": 2,
    "UTC": 1790000001,
    "UTCMS": 250,
}


def body(code: str = "CrossLineDetection", action: str = "Start", index: int = 0, data: object = CROSSING) -> bytes:
    text = json.dumps(data, indent=3, separators=(",", " : "))
    return f"Code={code};action={action};index={index};data={text}\n".encode()


def part(text: bytes, *, length: int | None = None, head: bytes = b"--myboundary\r\n", blank: bytes = b"\r\n") -> bytes:
    size = len(text) if length is None else length
    return head + b"Content-Type: text/plain\r\nContent-Length: %d\r\n" % size + blank + text + b"\r\n\r\n"


START_AT = "1790000001.250"
HEARTBEAT = part(b"Heartbeat")


def fed(chunks: Iterable[bytes], *, boundary: str = "myboundary", end: bool = True) -> tuple[list[bytes], Framing]:
    framing = Framing(boundary)
    parts: list[Part] = [got for chunk in chunks for got in framing.feed(chunk)]
    parts += framing.close() if end else []
    return [got.body for got in parts], framing


def cut(stream: bytes, size: int) -> list[bytes]:
    return [stream[i : i + size] for i in range(0, len(stream), size)] if size else [stream]
