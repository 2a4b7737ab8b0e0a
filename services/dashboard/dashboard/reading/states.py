"""What pages and API show of the site itself: ledger, breakers, streams, letters, settings, problems."""

from __future__ import annotations

from typing import Any

from dashboard.reading.shapes import Held, Rates, Shape
from gantry.eventlog import Line


class LedgerLines(Shape, frozen=True):
    """`/api/ledger`: both lines at one instant, over all time."""

    received: int
    events: dict[str, int]
    measures: int
    outcomes: dict[str, int]
    beside: dict[str, int]
    balanced: bool


class Difference(Shape, frozen=True):
    """A counter that is not what the keys say."""

    what: str
    counted: int
    found: int


class LedgerAudit(Shape, frozen=True):
    """`/api/ledger/audit`: the ledger recounted from the keys."""

    ledger: LedgerLines
    recount: dict[str, int]
    differences: list[Difference]
    balanced: bool


class Breaker(Shape, frozen=True):
    """The circuit breaker of one target."""

    target: str
    state: str  # closed, open, half
    reason: str  # of its last failure or opening
    ahead_s: float  # open: until the next probe; half: until the probe counts as lost
    quiet_s: float  # the platform asked for so much more quiet
    at_ceiling: bool
    since_ms: int
    failures: int  # in a row
    trips: int
    last: str  # lane that failed last
    probe: str  # lane of the probe under way
    by_hand: bool


class Paused(Shape, frozen=True):
    """A target of which nothing is attempted."""

    target: str
    until_ms: int  # 0: until resumed
    since_ms: int
    owner: str
    reason: str


class Breakers(Shape, frozen=True):
    """`/api/breaker`."""

    breaker_open: bool  # any that is not closed
    targets: list[Breaker]
    pauses: list[Paused]


class Problem(Shape, frozen=True):
    """One thing that a person should know."""

    code: str
    cause: str
    next: str
    link: str  # where a page shows more: letters, streams, devices, configuration, breaker, or ""
    wrong: bool  # False: somebody wants it so, or it waits for a decision


class Problems(Shape, frozen=True):
    """`/api/problems`."""

    ok: bool
    problems: list[Problem]


class GroupState(Shape, frozen=True):
    """A consumer group; `lag` is null where the server does not know."""

    name: str
    consumers: list[str]
    pending: int
    lag: int | None
    last: str


class StreamState(Shape, frozen=True):
    """One stream with its groups."""

    name: str
    length: int
    first: str
    last: str
    oldest_s: float | None  # age of the oldest entry
    groups: list[GroupState]


class LaneState(Shape, frozen=True):
    """One lane; `due_s` is null for one that stands still."""

    lane: str
    length: int
    due_s: float | None
    attempts: int
    batch: int | None
    leased: bool
    reason: str
    hold: Held | None


class TargetLanes(Shape, frozen=True):
    """The longest lanes of a target."""

    target: str
    lanes: list[LaneState]
    more: int  # lanes beside those
    held: int
    waiting: int
    pause: Paused | None


class Lease(Shape, frozen=True):
    """Who has a duty; `instance` is empty when nobody has it."""

    duty: str
    instance: str
    alive: bool


class Rung(Shape, frozen=True):
    """A step that waits once memory stands at `percent` of maxmemory."""

    step: str
    percent: int
    stopped: bool


class Memory(Shape, frozen=True):
    """The server's memory, and its ladder."""

    product: str
    used: int  # bytes
    maximum: int  # bytes; 0: no limit
    percent: float
    ladder: list[Rung]
    weaknesses: list[str]


class Streams(Shape, frozen=True):
    """`/api/streams`."""

    streams: list[StreamState]
    targets: list[TargetLanes]
    leases: list[Lease]
    memory: Memory


class LetterState(Shape, frozen=True):
    """One dead letter; its content is redacted."""

    entry: str
    kind: str  # in, quarantine, out
    id: str
    src: str
    dev: str
    target: str
    lane: str
    seq: str
    device_time: str
    received_ms: int
    died_ms: int
    attempts: int
    reason: str
    answer: str
    body: str
    final: str  # why it can never be tried again; empty if it can


class LettersPage(Shape, frozen=True):
    """`/api/letters`."""

    total: int  # of all letters
    letters: list[LetterState]
    next: str | None = None  # ?cursor= of what is older
    cut: bool = False  # so many were looked at without filling the page that older ones may be wanted, too: go on


class Setting(Shape, frozen=True):
    """A setting's value in force, and where it comes from."""

    value: str
    origin: str  # default, environment, file


class Process(Shape, frozen=True):
    """A running process, as it says itself."""

    service: str
    instance: str
    state: str  # ready, unready, stalled
    reason: str
    since_s: int
    version: str
    configuration: str  # digest
    port: int
    settings: dict[str, Setting]
    says: dict[str, Any]


class Maps(Shape, frozen=True):
    """The files of CONFIG_DIR, as the dashboard reads them."""

    allowlist: list[str]
    machine_to_serial: dict[str, str]
    camera_name_map: dict[str, str]
    problems: list[str]


class Configuration(Shape, frozen=True):
    """`/api/configuration`."""

    processes: list[Process]
    maps: Maps
    devices: dict[str, dict[str, float]]  # lane → its own limits of devices.toml


class Backlog(Shape, frozen=True):
    """What waits, and how long it takes at the allowed rate."""

    waiting: int
    lanes: int  # that have something waiting
    hours: float | None  # until all is out; None: no publisher says what is allowed
    worst_target: str
    worst_lane: str
    worst_waiting: int
    worst_hours: float | None


class Now(Shape, frozen=True):
    """What the first page shows, and `/api/live` sends as event `status`."""

    at_ms: int
    ok: bool
    ledger: LedgerLines | None
    rates: Rates
    breakers: list[Breaker]
    pauses: list[Paused]
    problems: list[Problem]
    backlog: Backlog
    recorders: list[Recorder]
    counters: Counters
    services: dict[str, int]  # service → processes alive


class Recorder(Shape, frozen=True):
    """A recorder as the attached ingest-dahua sees it."""

    name: str
    host: str
    connected: bool
    since_ms: int
    last_byte_ms: int
    last_event_ms: int
    spooled: int
    reachable: bool | None
    reason: str


class Counters(Shape, frozen=True):
    """Pushes of counters, over all endpoints."""

    endpoints: int
    pushes: int
    refused: int
    last_push_ms: int
    certificate_until_ms: int


class News(Shape, frozen=True):
    """`/api/live`, event `lines`: what ended within the last second."""

    lines: list[Line]
    more: int  # that there was no room for
