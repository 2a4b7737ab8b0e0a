"""What the status reads of what processes say of themselves. One of another version may say anything: then nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

import msgspec


class _Recorder(TypedDict, total=False):
    host: str
    connected: bool
    since_ms: int
    last_byte_ms: int
    last_event_ms: int
    spooled: int
    reachable: bool | None
    reason: str


class _Vpn(TypedDict, total=False):
    iface: str
    up: bool


class _IngestDahua(TypedDict, total=False):
    recorders: dict[str, _Recorder]
    vpn: _Vpn | None


class _Maps(TypedDict, total=False):
    allowlist: int
    machine_to_serial: int
    camera_name_map: int


class _Processor(TypedDict, total=False):
    active: bool
    dedup_ttl_s: float
    maps: _Maps


class _Answer(TypedDict, total=False):
    code: int
    at_ms: int
    reason: str


class _Publisher(TypedDict, total=False):
    answers: dict[str, _Answer]


_SHAPES: Mapping[str, type] = {"ingest-dahua": _IngestDahua, "processor": _Processor, "publisher": _Publisher}


def read(service: str, said: bytes | None) -> Mapping[str, Any]:
    """The fields of `says` that the status knows; empty where they have another shape."""
    shape = _SHAPES.get(service)
    if shape is None or not said:
        return {}
    try:
        found: Mapping[str, Any] = msgspec.json.decode(said, type=shape)
    except msgspec.DecodeError:
        return {}
    return found
