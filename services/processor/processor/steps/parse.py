"""Bytes as a device sent them → typed values, once; after this nobody looks at bytes again.

event = "Code=" code ";action=" action [";index=" digits] *(";" key "=" value) [";data=" JSON | "null"]
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from gantry.errors import GantryError, Malformed
from processor.steps.fields import Fields, section, word

MAX_MEASUREMENT = 65_536
_HEAD = 2048  # code, action and index come first

_CODE = re.compile(r"[A-Za-z0-9_]{1,64}")
_DIGITS = re.compile(r"[0-9]{1,9}")
_CONTROL = dict.fromkeys(range(0x20), " ")
_LONE_SURROGATE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
_ODD = re.compile(r"[^A-Za-z0-9_.-]")
_DATA = re.compile(r";data=", re.IGNORECASE)


class NotUnderstood(GantryError):
    """Input that a later version may understand: it is kept in quarantine. The message is safe to log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DahuaEvent:
    """An event of a recorder."""

    code: str
    action: str
    index: str = ""
    data: Fields = field(default_factory=dict)
    source: str = ""  # `data` as it was sent: its digest tells events apart that carry no time of their own
    problem: str = ""  # why `data` could not be read


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisPush:
    """One measurement of a counter with the sensor that took it."""

    api_version: object
    sensor: Fields
    measurement: Fields


def decode(body: bytes) -> str:
    """Text as typed into the device: UTF-8, or the GB18030 of some firmware, or what can be saved of it."""
    for encoding in ("utf-8", "gb18030"):
        try:
            return body.decode(encoding)
        except UnicodeDecodeError:
            continue
    return body.decode("utf-8", "replace")


def load(text: str) -> Any:
    """JSON with the defects that typed names bring. Raises Malformed.

    These are raw control characters, and half a surrogate pair where the device cut a name.
    """
    for repaired in _ever_more_repaired(text):
        try:
            return orjson.loads(repaired)
        except orjson.JSONDecodeError:
            continue
    raise Malformed("not_json")


def _ever_more_repaired(text: str) -> Iterator[str]:
    yield text
    yield (text := text.translate(_CONTROL))
    yield _LONE_SURROGATE.sub("?", text)


def dahua(body: bytes) -> DahuaEvent:
    """Read an event's text. Raises Malformed when it does not begin as one."""
    head, _, source = _split(decode(body))
    fields = _head(head)
    code = fields.get("code", "")
    if not _CODE.fullmatch(code):
        raise Malformed("no_code")
    data, problem = _data(source)
    return DahuaEvent(
        code=code,
        action=word(fields.get("action")),
        index=_index(fields),
        data=data,
        source=source,
        problem=problem,
    )


def head_of(body: bytes) -> dict[str, str]:
    """Code, action and index as far as they are there: what may be kept of a text that does not parse."""
    fields = _head(_split(decode(body))[0])
    code = fields.get("code", "")
    kept = {
        "Code": code if _CODE.fullmatch(code) else "",
        "action": word(fields.get("action")),
        "index": _index(fields),
    }
    return {name: value for name, value in kept.items() if value}


def code_of(body: bytes) -> str:
    """The code alone, as cheaply as that goes; empty where there is none."""
    return head_of(body[:_HEAD]).get("Code", "")


def kind_of(body: bytes) -> str:
    """The kind of a measurement, if it says one and is not too large to be one."""
    if len(body) > MAX_MEASUREMENT:
        return ""
    try:
        given = load(decode(body))
    except Malformed:
        return ""
    kind = section(given, "measurement").get("kind") if isinstance(given, Mapping) else ""
    return cleaned(kind.strip()) if isinstance(kind, str) else ""


def axis(body: bytes) -> AxisPush:
    """Read one measurement. Raises Malformed (not JSON) or NotUnderstood (another shape)."""
    given = load(decode(body))
    if not isinstance(given, Mapping):
        raise NotUnderstood("not_an_object")
    if not isinstance(given.get("sensor"), Mapping):
        raise NotUnderstood("no_sensor")
    if "measurement" not in given:
        raise NotUnderstood("no_list_of_measurements")
    if not isinstance(given["measurement"], Mapping):
        raise NotUnderstood("measurement_not_an_object")
    return AxisPush(api_version=given.get("apiVersion"), sensor=given["sensor"], measurement=given["measurement"])


def cleaned(value: str) -> str:
    """At most 64 characters that are safe in a reason and in a label."""
    return _ODD.sub("_", value[:64])


def _split(text: str) -> tuple[str, str, str]:
    """Head and data: the first `;data=` parts them, since names further on are free text."""
    found = _DATA.search(text)
    text = text.rstrip("\x00\r\n ")
    return (text[: found.start()], found[0], text[found.end() :]) if found else (text, "", "")


def _head(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for part in text[:_HEAD].strip().split(";"):
        key, equals, value = part.partition("=")
        if equals:
            fields.setdefault(key.strip().lower(), value.strip())
    return fields


def _index(fields: dict[str, str]) -> str:
    index = fields.get("index", "")
    return index if _DIGITS.fullmatch(index) else ""


def _data(source: str) -> tuple[Fields, str]:
    if source.strip() in {"", "null"}:  # older firmware leaves it out, AudioMutation says null
        return {}, ""
    try:
        data = load(source)
    except Malformed as problem:
        return {}, f"data_{problem}"
    return (data, "") if isinstance(data, dict) else ({}, "data_not_an_object")
