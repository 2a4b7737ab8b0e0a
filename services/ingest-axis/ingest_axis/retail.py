"""The push of a counter ("Axis Retail Data", version 0.4): body bytes → Push → raw entries. Pure.

Only the frame is read here: which device, and where each measurement begins and ends. The measurements, the sensor
and the versions stay the bytes that the device wrote (without white space), so that strictness loses nothing: each
is judged by itself later, in the processor.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gantry import serials
from gantry.errors import Malformed
from gantry.event import RawEntry

UNKNOWN = "unknown"
VERSION = b'"0.4"'  # the only one that was ever published (integration guide rev 1.0)

MAX_DEPTH = 32  # a push is 6 deep
MAX_COMMAS = 4_000_000  # 90 days of minutes have 1.6 million; this bounds the parts before they are made
MAX_REPEATED = 16_384  # bytes of sensor, of version and of time of sending, which every entry repeats
MAX_UNIT = 1_048_576  # bytes of one measurement
MAX_DEV = 64
MAX_TIME = 40

_BOM = b"\xef\xbb\xbf"
_SLICE = 1 << 20
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_UNSAFE = re.compile(r"[^0-9A-Za-z ._:-]")  # "/" too: a recorder's devices are called "<recorder>/<index>"

Bytes = bytes | bytearray


class Foreign(Malformed):
    """JSON, and not a push of a counter."""


class TooLarge(Malformed):
    """One part of a push is larger than we store."""


class _Envelope(msgspec.Struct, rename="camel"):
    api_name: Raw = Raw(b"null")
    api_version: Raw = Raw(b"null")
    utc_sent: Raw = Raw(b"null")
    sensor: Raw = Raw(b"null")
    topic: Raw | UnsetType = UNSET
    message: Raw | UnsetType = UNSET
    plate_text: Raw | UnsetType = UNSET


class _Data(msgspec.Struct):
    measurements: list[Raw]


class _Usual(_Envelope):
    data: _Data | None = None


class _Odd(_Envelope):
    data: Raw = Raw(b"null")


class _Sensor(msgspec.Struct):
    serial: str = ""


class _Interval(msgspec.Struct, rename="camel"):
    utc_from: str = ""


_usual = msgspec.json.Decoder(_Usual)
_odd = msgspec.json.Decoder(_Odd)
_sensor = msgspec.json.Decoder(_Sensor)
_interval = msgspec.json.Decoder(_Interval)


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """One request of a counter. `sensor`, `api_version` and `utc_sent` are compact JSON, "null" where absent."""

    dev: str  # the serial, safe as a key; UNKNOWN without one
    flags: tuple[str, ...]  # what is odd about the frame: api_name, api_version, serial
    sensor: bytes
    api_version: bytes
    utc_sent: bytes
    measurements: Sequence[Raw] = ()  # oldest first
    data: bytes = b""  # the whole `data`, when it holds no list of measurements

    @property
    def units(self) -> int:
        """How many raw entries this push makes; none for a test connection."""
        return len(self.measurements) or int(bool(self.data))


def read(body: Bytes) -> Push:
    """Read a whole body.

    Raises Malformed for what is not one JSON document in UTF-8, or is nested deeper than MAX_DEPTH; Foreign for a
    root that is no object and for the messages of other Axis products; TooLarge for one part beyond its limit.
    """
    text = _utf8(body)
    if body.count(b",") > MAX_COMMAS:
        raise Malformed(f"more than {MAX_COMMAS} parts")
    try:
        try:
            usual = _usual.decode(text)
        except msgspec.ValidationError:
            return _odd_push(text)
        measurements = usual.data.measurements if usual.data else []
        return _push(usual, measurements=_oldest_first(measurements))
    except msgspec.DecodeError as error:
        raise Malformed(str(error)) from error
    except RecursionError as error:
        raise Malformed(f"nested deeper than {MAX_DEPTH}") from error


def entry(push: Push, index: int, *, event_id: str, t_rx: int) -> RawEntry:
    """The raw entry of one unit (`index` from 0), received at `t_rx` µs."""
    unit = push.measurements[index] if push.measurements else Raw(push.data)
    name = b"measurement" if push.measurements else b"data"
    fields = (b'{"apiVersion":', push.api_version, b',"utcSent":', push.utc_sent, b',"sensor":', push.sensor)
    return RawEntry(
        id=event_id,
        src="axis",
        dev=push.dev,
        seq=index + 1,
        t_dev=_short(_utc_from(unit)),
        t_rx=t_rx,
        body=b"".join((*fields, b',"', name, b'":', _compact(unit), b"}")),
    )


def device_of(serial: str) -> tuple[str, bool]:
    """The device key of a serial as a device spells it, and whether it is a MAC address, as it should be."""
    plain = serials.canonical(serial)
    if serials.is_mac(plain):
        return plain, True
    return _UNSAFE.sub("_", serial[:MAX_DEV]).strip() or UNKNOWN, False


def _utf8(body: Bytes) -> memoryview:
    """The text without its BOM; slice by slice, because one `decode` would double a big body."""
    text = memoryview(body)[len(_BOM) if body.startswith(_BOM) else 0 :]
    if not body.isascii():
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            for start in range(0, len(text), _SLICE):
                decoder.decode(bytes(text[start : start + _SLICE]))
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise Malformed(f"not UTF-8: {error.reason}") from error
    return text


def _odd_push(text: memoryview) -> Push:
    """`data` is there without a list of measurements, or the root is no object."""
    try:
        odd = _odd.decode(text)
    except msgspec.ValidationError as error:
        raise Foreign("the root is not an object") from error
    data = _compact(_bounded(odd.data, MAX_UNIT, "data"))
    return _push(odd, data=b"" if data in {b"{}", b"null"} else data)


def _push(envelope: _Envelope, *, measurements: Sequence[Raw] = (), data: bytes = b"") -> Push:
    if not measurements and not data:
        _refuse_other_products(envelope)
    repeated = {"sensor": envelope.sensor, "apiVersion": envelope.api_version, "utcSent": envelope.utc_sent}
    parts = [_compact(_bounded(part, MAX_REPEATED, name)) for name, part in repeated.items()]
    dev, sound = device_of(_serial(envelope.sensor))
    odd = {
        "api_name": bytes(envelope.api_name) != b'"Axis Retail Data"',
        "api_version": parts[1] != VERSION,
        "serial": not sound,
    }
    return Push(
        dev=dev,
        flags=tuple(name for name, is_odd in odd.items() if is_odd),
        sensor=parts[0],
        api_version=parts[1],
        utc_sent=parts[2],
        measurements=measurements,
        data=data,
    )


def _refuse_other_products(envelope: _Envelope) -> None:
    """They would pass for a test connection, and their counts would be acknowledged and lost."""
    if envelope.plate_text is not UNSET:
        raise Foreign("this looks like AXIS License Plate Verifier: wrong URL in that device")
    if envelope.topic is not UNSET and envelope.message is not UNSET:
        raise Foreign("this looks like an MQTT event, e.g. of AXIS Object Analytics: wrong URL in that device")


def _oldest_first(measurements: list[Raw]) -> list[Raw]:
    """Sorted by utcFrom; as sent when one of them has no time that can be read."""
    for unit in measurements:
        _bounded(unit, MAX_UNIT, "a measurement")
    whens = [when for when in map(_moment, map(_utc_from, measurements)) if when is not None]
    if len(whens) < len(measurements) or all(a <= b for a, b in pairwise(whens)):
        return measurements
    return [measurements[i] for i in sorted(range(len(whens)), key=whens.__getitem__)]


def _bounded(unit: Raw | bytes, limit: int, what: str) -> bytes:
    text = bytes(unit)
    if len(text) > limit:
        raise TooLarge(f"{what} is larger than {limit} bytes")
    if text.count(b"[") + text.count(b"{") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        raise Malformed(f"nested deeper than {MAX_DEPTH}")
    return text


def _depth(text: bytes) -> int:
    depth = deepest = 0
    for byte in _STRING.sub(b"", text):
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def _compact(part: Raw | bytes) -> bytes:
    return msgspec.json.format(bytes(part), indent=-1)


def _serial(sensor: Raw) -> str:
    try:
        return _sensor.decode(sensor).serial
    except msgspec.ValidationError:
        return ""


def _utc_from(unit: Raw) -> str:
    try:
        return _interval.decode(unit).utc_from
    except msgspec.ValidationError:
        return ""


def _moment(text: str) -> datetime | None:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return when if when.tzinfo else None


def _short(text: str) -> str:
    return text if len(text) <= MAX_TIME and text.isprintable() else ""
