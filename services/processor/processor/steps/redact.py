"""What a letter may keep of an event: never a plate, a person, a face, an image or a path.

Two nets: names that carry personal data lose their whole subtree, at any depth and in dotted keys; and of texts
only plain words stay, save under a few names that are known to be harmless. A letter stays readable by `parse`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import orjson

from gantry.errors import Malformed
from processor.steps import parse, personal
from processor.steps.fields import Fields, word

MAX_BODY = 65_536  # more is not looked into: a body made of keys costs about a second per MB
MAX_BYTES = 16_384  # of a letter
MAX_DEPTH = 24
MAX_ITEMS = 1_000
MAX_TEXT = 256

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.\[\]-]{0,127}")
_SEGMENT = re.compile(r"[.\[\]]+")
_NOT_LETTER = re.compile(r"[^a-z]")
_PART = re.compile("|".join(map(re.escape, personal.PARTS)))


def dahua(body: bytes) -> bytes:
    """A recorder's event without personal data; of text that does not parse only code, action, index and length."""
    if len(body) > MAX_BODY:
        return _head(body)
    try:
        event = parse.dahua(body)
    except Malformed:
        return _head(body)
    if event.problem:
        return _head(body)
    kept = orjson.dumps(tree(event.data))
    if len(kept) > MAX_BYTES:
        return _head(body)
    head = ";".join(f"{name}={value}" for name, value in parse.head_of(body).items())
    return head.encode() + (b";data=" + kept if event.data else b"")


def axis(body: bytes) -> bytes:
    """A counter's measurement without names and addresses; of text that does not parse only the length."""
    if len(body) > MAX_BODY:
        return unread(body)
    try:
        given = parse.load(parse.decode(body))
    except Malformed:
        return unread(body)
    kept = orjson.dumps(tree(given))
    return kept if len(kept) <= MAX_BYTES else unread(body)


def unread(body: bytes) -> bytes:
    """Nothing but the length: for content that cannot be looked into."""
    return f"length={len(body)}".encode()


def tree(value: object, depth: int = 0) -> object:
    """A JSON value without personal data."""
    if depth > MAX_DEPTH:
        return None
    if isinstance(value, Mapping):
        return _object(value, depth)
    if isinstance(value, list):
        return [tree(item, depth + 1) for item in value[:MAX_ITEMS]]
    if isinstance(value, str):
        return word(value)  # an empty text keeps the places of the others in a list
    return value


def is_personal(key: str) -> bool:
    """Whether a key, or a part of a dotted one, names personal data."""
    return any(_personal(_NOT_LETTER.sub("", part)) for part in _SEGMENT.split(key.lower()))


def _object(fields: Fields, depth: int) -> dict[str, object]:
    human = _is_human(fields)
    kept: dict[str, object] = {}
    for key, value in list(fields.items())[:MAX_ITEMS]:
        if not _KEY.fullmatch(key) or is_personal(key) or (human and key.lower() not in personal.OF_HUMANS):
            continue
        if isinstance(value, str):
            if stays := _text(key, value):
                kept[key] = stays
        else:
            kept[key] = tree(value, depth + 1)
    return kept


def _text(key: str, value: str) -> str:
    if _NOT_LETTER.sub("", _SEGMENT.split(key.lower())[-1]) in personal.HARMLESS:
        return value if len(value) <= MAX_TEXT else ""
    return word(value)


def _personal(name: str) -> bool:
    if name in personal.HARMLESS:
        return False
    return name in personal.NAMES or _PART.search(name) is not None


def _is_human(fields: Fields) -> bool:
    return any(
        key.lower() in {"objecttype", "category"} and isinstance(value, str) and value.lower() in personal.HUMANS
        for key, value in fields.items()
    )


def _head(body: bytes) -> bytes:
    parts = [f"{name}={value}" for name, value in parse.head_of(body).items()]
    return ";".join([*parts, f"length={len(body)}"]).encode()
