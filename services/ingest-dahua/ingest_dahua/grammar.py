"""What a recorder's event text says: `Code=…;action=…;index=…;data={…}`. Pure, and only as far as ingest needs it.

The text itself travels on unchanged; what is read here is the channel, the device's time, and whether it is whole.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

DATA = b";data="
_STRUCTURE = re.compile(rb'["{}\[\]]')
_IN_STRING = re.compile(rb'["\\]')
_NEXT_EVENT = re.compile(rb"\r?\n(?=Code=)")  # a line break never stands inside a JSON string
_LATEST_S = 10**11  # seconds; anything above is no time
_BLANKS = b"\0 \t\r\n"


def split(body: bytes) -> list[bytes]:
    """The events of one part. Every capture holds one; other transports of these recorders join several."""
    return _NEXT_EVENT.split(body) if b"\nCode=" in body else [body]


def parts(text: bytes) -> tuple[bytes, bytes | None]:
    """(head, data) split at the first `;data=`: rule names behind it are free text and may hold `;` and `=`."""
    head, found, data = text.partition(DATA)
    return head.strip(_BLANKS), data.strip(_BLANKS) if found else None


def fields(head: bytes) -> dict[str, str]:
    """`key=value` pairs of the head, keys in lower case (other transports write `Action`)."""
    pairs = (item.partition("=") for item in decode(head).split(";"))
    return {key.strip().lower(): value.strip() for key, equals, value in pairs if equals}


def decode(text: bytes) -> str:
    """Text as typed into the device: UTF-8, else GB18030 (seen in rule names of English firmware), else repaired."""
    for encoding in ("utf-8", "gb18030"):
        try:
            return text.decode(encoding)
        except UnicodeDecodeError:
            continue
    return text.decode("utf-8", "replace")


def load(data: bytes) -> Any:
    """The JSON value, or None where it is not JSON."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass  # perhaps only its encoding is not UTF-8
    try:
        return orjson.loads(decode(data))
    except orjson.JSONDecodeError:
        return None


def device_time(data: Any) -> str:
    """The device's own seconds since the epoch, with milliseconds where it gives them; empty where it gives none.

    RealUTC where the firmware has it, because its `UTC` is then often local time written as if it were an epoch.
    """
    if not isinstance(data, dict):
        return ""
    seconds = _seconds(data.get("RealUTC")) or _seconds(data.get("UTC"))
    if not seconds:
        return ""
    ms = data.get("UTCMS")
    if isinstance(ms, bool) or not isinstance(ms, int | float) or not 0 <= ms < 1000:  # noqa: PLR2004 - milliseconds
        return str(seconds)
    return f"{seconds}.{int(ms):03d}"


def _seconds(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _LATEST_S:
        return 0
    return int(value)


def whole(text: bytes) -> bool:
    """Whether an event's text is complete: no data, data that is not JSON at all, or JSON that closes."""
    data = parts(text)[1]
    if not data or data[:1] not in (b"{", b"["):
        return True
    return load(data) is not None or Braces().scan(text, 0, len(text)) >= 0


def closed(text: bytes) -> bool:
    """Whether the text has JSON data and it closes."""
    data = parts(text)[1]
    return data is not None and data[:1] in (b"{", b"[") and whole(text)


class Braces:
    """Finds where the JSON behind `;data=` closes, fed piece by piece; looks at every byte once."""

    def __init__(self) -> None:
        self._at = 0  # relative to the text's start
        self._depth = 0
        self._in_string = False
        self._hopeless = False
        self._data_found = False

    def scan(self, text: bytes | bytearray, start: int, end: int) -> int:
        """Look on in text[start:end]; the offset just behind the closing brace, or -1."""
        if self._hopeless or (not self._depth and not self._open(text, start, end)):
            return -1
        at = start + self._at
        while True:
            found = (_IN_STRING if self._in_string else _STRUCTURE).search(text, at, end)
            if not found:
                self._at = end - start
                return -1
            at = found.end()
            match found[0]:
                case b"\\":
                    if at >= end:
                        self._at = at - 1 - start  # what it escapes has not come yet
                        return -1
                    at += 1
                case b'"':
                    self._in_string = not self._in_string
                case b"{" | b"[":
                    self._depth += 1
                case _:
                    self._depth -= 1
                    if not self._depth:
                        return at

    def _open(self, text: bytes | bytearray, start: int, end: int) -> bool:
        """Go to the first bracket behind `;data=`; data that begins otherwise has no end to be found."""
        if not self._data_found:
            found = text.find(DATA, start + self._at, end)
            self._data_found = found >= 0
            self._at = found + len(DATA) - start if found >= 0 else max(self._at, end - start - len(DATA) + 1, 0)
        if not self._data_found:
            return False
        while start + self._at < end:
            byte = text[start + self._at]
            if byte in b"{[":
                return True
            if byte not in b" \t\r\n":
                self._hopeless = True
                return False
            self._at += 1
        return False
