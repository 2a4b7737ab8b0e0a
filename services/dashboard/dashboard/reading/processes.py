"""What running processes say of themselves: settings, recorders, counters, limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from dashboard.reading import states
from dashboard.reading.sources import Sources, lossy, number, texts

T = TypeVar("T")


async def alive(sources: Sources) -> list[states.Process]:
    """Everything alive, sorted by service and instance."""

    async def read() -> list[states.Process]:
        pattern = sources.keys.alive("*", "*")
        names = sorted([lossy(key) async for key in sources.client.scan_iter(pattern, count=1000)])
        pipe = sources.client.pipeline(transaction=False)
        for name in names:
            pipe.hgetall(name)
        answers = await pipe.execute() if names else []
        return [_process(name, texts(fields)) for name, fields in zip(names, answers, strict=True) if fields]

    return await sources.cache.get("alive", read)


def _process(key: str, fields: Mapping[str, str]) -> states.Process:
    service, instance = key.rsplit(":", 2)[1:]
    given = _json(fields.get("settings", ""), dict[str, states.Setting], {})
    return states.Process(
        service=service,
        instance=instance,
        state=fields.get("state", "unknown"),
        reason=fields.get("reason", ""),
        since_s=number(fields.get("since", "")),
        version=fields.get("version", ""),
        configuration=fields.get("configuration", ""),
        port=number(fields.get("port", "")),
        settings=dict(sorted(given.items())),
        says=_json(fields.get("says", ""), dict[str, Any], {}),
    )


def _json(said: str, kind: type[T], otherwise: T) -> T:
    """A process of another version may say it in another way: then nothing is shown of it."""
    try:
        return msgspec.json.decode(said, type=kind) if said else otherwise
    except (msgspec.DecodeError, msgspec.ValidationError):
        return otherwise


class _Recorder(msgspec.Struct, frozen=True):
    host: str = ""
    connected: bool = False
    since_ms: int = 0
    last_byte_ms: int = 0
    last_event_ms: int = 0
    spooled: int = 0
    reachable: bool | None = None
    reason: str = ""


class _Counters(msgspec.Struct, frozen=True):
    pushes: int = 0
    refused: int = 0
    last_push_ms: int = 0
    certificate_until_ms: int = 0


class Limits(msgspec.Struct, frozen=True):
    """What publishers let out of a lane, and of a whole target."""

    per_minute: float = 0
    burst: int = 0
    counts: str = "measures"
    requests_per_s: float = 0


def recorders(processes: Sequence[states.Process]) -> list[states.Recorder]:
    """One row per recorder: of the instance that is attached, else of one that stands by."""
    rows: dict[str, states.Recorder] = {}
    for process in processes:
        if process.service != "ingest-dahua":
            continue
        said = convert(process.says.get("recorders"), dict[str, _Recorder], {})
        for name, each in said.items():
            row = states.Recorder(name=name, **msgspec.structs.asdict(each))
            if name not in rows or (each.connected and not rows[name].connected):
                rows[name] = row
    return [rows[name] for name in sorted(rows)]


def counters(processes: Sequence[states.Process]) -> states.Counters:
    """Summed over all endpoints; the certificate that ends first."""
    said = [convert(p.says, _Counters, None) for p in processes if p.service == "ingest-axis"]
    found = [each for each in said if each]
    ends = [each.certificate_until_ms for each in found if each.certificate_until_ms]
    return states.Counters(
        endpoints=len(said),
        pushes=sum(each.pushes for each in found),
        refused=sum(each.refused for each in found),
        last_push_ms=max((each.last_push_ms for each in found), default=0),
        certificate_until_ms=min(ends, default=0),
    )


def limits(processes: Sequence[states.Process]) -> Limits | None:
    """What publishers let out per device; None while none says it."""
    said = (convert(p.says.get("limits"), Limits, None) for p in processes if p.service == "publisher")
    return next((each for each in said if each and each.per_minute > 0), None)


def tally(processes: Sequence[states.Process]) -> dict[str, int]:
    """Service → how many are alive."""
    return dict(Counter(each.service for each in processes))


def convert(said: Any, kind: Any, otherwise: Any) -> Any:
    """What a process says, as `kind`; unknown fields are left out, another shape altogether gives `otherwise`."""
    try:
        return msgspec.convert(said, kind)
    except msgspec.ValidationError:
        return otherwise
