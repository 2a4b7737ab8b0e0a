"""The shape of `/api/status`; `gantry.status` makes it, the journal's status.json is the same and a little more."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from dashboard.reading.shapes import Shape


class RecorderStatus(Shape, frozen=True):
    """One recorder, as the instance sees it that attaches."""

    host: str | None
    connected: bool
    since_utc: int | None
    last_event_utc: int | None
    spooled: int | None
    reachable: bool | None
    reason: str


class Ivss(Shape, frozen=True):
    """All recorders; null while no ingest-dahua says anything."""

    connected: bool | None
    last_event_utc: int | None
    recorders: dict[str, RecorderStatus]


class AnswerStatus(Shape, frozen=True):
    """The platform's newest answer for one target; code 0: none came."""

    last_code: int | None
    last_utc: int | None
    reason: str


class Iota(Shape, frozen=True):
    """The platform."""

    last_code: int | None
    breaker_open: bool
    targets: dict[str, AnswerStatus]


class FamilyStatus(Shape, frozen=True):
    """Measures accepted over all time, and when the last was."""

    total: int | None
    last_utc: int | None


class Families(Shape, frozen=True):
    """Vehicles and people."""

    EVD: FamilyStatus
    CROWD: FamilyStatus


class Metrics(Shape, frozen=True):
    """Over all time, from the ledger; null before any service has started."""

    received: int | None
    published: int | None
    deduplicated: int | None
    filtered: int | None
    rate_limited: int | None
    consec_fail: int
    waiting: int | UnsetType = UNSET
    dead: int | UnsetType = UNSET
    dropped: int | UnsetType = UNSET


class CircuitStatus(Shape, frozen=True):
    """The breaker of one target."""

    state: str
    breaker_open: bool
    consec_fail: int
    trip_count: int
    cooldown_remaining: int
    reason: str
    since_utc: int | None


class BreakerStatus(Shape, frozen=True):
    """Open if any target's is; trips summed; failures and cooldown of the worst."""

    breaker_open: bool
    consec_fail: int
    trip_count: int
    cooldown_remaining: int
    targets: dict[str, CircuitStatus]


class MapsStatus(Shape, frozen=True):
    """Entries of the files in CONFIG_DIR, as the active processor reads them."""

    allowlist_count: int | None
    machine_to_serial_count: int | None
    name_map_count: int | None


class Dedup(Shape, frozen=True):
    """Fingerprints that are kept, and for how long one repeats."""

    queue_len: int
    ttl_sec: float | None


class Infra(Shape, frozen=True):
    """Network on the way to the recorders."""

    vpn_iface: str | None
    vpn_up: bool | None
    ivss_host: str | None
    ivss_ping: bool | None


class Status(Shape, frozen=True):
    """`/api/status`."""

    service: str
    version: str
    server_time_utc: str
    ivss: Ivss
    iota: Iota
    families: Families
    metrics: Metrics
    breaker: BreakerStatus
    maps: MapsStatus
    dedup: Dedup
    infra: Infra
