"""Running processes, and what each says of itself and of its work. A process of another version may say anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from gantry.streams.client import Client
from gantry.streams.scripts import text
from gantry.topology import Topology

_SCAN = 1000  # keys the server looks at per step

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting's value in force ("***": a secret that is set) and its origin: default, environment or file."""

    value: str = ""
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A running process, as it says itself."""

    service: str
    instance: str
    state: str  # ready, unready, stalled
    reason: str
    since: int  # s since the epoch
    version: str
    configuration: str
    says: Mapping[str, Any] = field(default_factory=dict)  # of its work, each service in its own shape
    settings: Mapping[str, Setting] = field(default_factory=dict)


class Said(msgspec.Struct, frozen=True):
    """What one instance of ingest-dahua says of a recorder. Times: ms since the epoch, 0 for never."""

    host: str = ""
    connected: bool = False
    since_ms: int = 0  # of the present state
    last_byte_ms: int = 0
    last_event_ms: int = 0
    spooled: int = 0  # events on disk that have not been appended yet
    reachable: bool | None = None  # None: this instance does not know
    reason: str = ""  # why it is not connected


@dataclass(frozen=True, slots=True)
class Recorder:
    """A recorder, as the instance says that is connected or tries; one that stands by knows least."""

    name: str
    instance: str
    said: Said


class Vpn(msgspec.Struct, frozen=True):
    """The interface through which recorders are reached."""

    iface: str
    up: bool


class Axis(msgspec.Struct, frozen=True):
    """What an instance of ingest-axis says. Times: ms since the epoch, 0 for never."""

    port: int = 0
    pushes: int = 0
    refused: int = 0
    last_push_ms: int = 0
    certificate_until_ms: int = 0  # 0: it has none that is read


class Limits(msgspec.Struct, frozen=True):
    """What publishers let out per device."""

    per_minute: float = 0
    burst: int = 0
    counts: str = "measures"  # or requests
    requests_per_s: float = 0  # of a whole target; 0: no ceiling


async def read(client: Client, keys: Topology) -> tuple[Process, ...]:
    """Everything alive, sorted by service; an alive key that runs out meanwhile is left out."""
    names = sorted([text(key) async for key in client.scan_iter(keys.alive("*", "*"), count=_SCAN)])
    pipe = client.pipeline(transaction=False)
    for name in names:
        pipe.hgetall(name)
    pairs = zip(names, await pipe.execute() if names else [], strict=True)
    return tuple(parse(name, {text(k): text(v) for k, v in fields.items()}) for name, fields in pairs if fields)


def parse(key: str, fields: Mapping[str, str]) -> Process:
    """The hash of an alive key."""
    service, instance = key.rsplit(":", 2)[1:]
    since = fields.get("since", "")
    return Process(
        service=service,
        instance=instance,
        state=fields.get("state", "unknown"),
        reason=fields.get("reason", ""),
        since=int(since) if since.isdecimal() else 0,
        version=fields.get("version", ""),
        configuration=fields.get("configuration", ""),
        says=_decoded(fields.get("says", ""), dict[str, Any]) or {},
        settings=_decoded(fields.get("settings", ""), dict[str, Setting]) or {},
    )


def recorders(processes: Iterable[Process]) -> list[Recorder]:
    """Each recorder once, sorted by name."""
    best: dict[str, Recorder] = {}
    for process in _of("ingest-dahua", processes):
        for name, given in (_converted(process.says.get("recorders"), dict[str, Said]) or {}).items():
            each = Recorder(name, process.instance, given)
            if name not in best or _knowing(each) > _knowing(best[name]):
                best[name] = each
    return [best[name] for name in sorted(best)]


def vpns(processes: Iterable[Process]) -> Iterator[tuple[Process, Vpn]]:
    """Each process that reaches its recorder through a VPN, and how that stands."""
    for process in _of("ingest-dahua", processes):
        if vpn := _converted(process.says.get("vpn"), Vpn):
            yield process, vpn


def endpoints(processes: Iterable[Process]) -> list[Axis]:
    """What each ingest-axis says."""
    found = (_converted(process.says, Axis) for process in _of("ingest-axis", processes) if process.says)
    return [each for each in found if each]


def limits(processes: Iterable[Process]) -> Limits | None:
    """What publishers let out; None while none says it."""
    found = (_converted(process.says.get("limits"), Limits) for process in _of("publisher", processes))
    return next((each for each in found if each and each.per_minute > 0), None)


def _of(service: str, processes: Iterable[Process]) -> Iterator[Process]:
    return (process for process in processes if process.service == service)


def _knowing(each: Recorder) -> tuple[bool, bool, int]:
    return each.said.connected, each.said.reachable is not None, each.said.last_byte_ms


def _decoded(said: str, kind: type[S]) -> S | None:
    try:
        return msgspec.json.decode(said, type=kind) if said else None
    except msgspec.DecodeError:  # also of another shape
        return None


def _converted(said: Any, kind: type[S]) -> S | None:
    try:
        return msgspec.convert(said, kind)
    except msgspec.ValidationError:
        return None
