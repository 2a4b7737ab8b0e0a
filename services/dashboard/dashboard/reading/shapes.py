"""What pages and API show: one struct per answer. The OpenAPI description is made of these.

Times are ms since the epoch (`_ms`), seconds (`_s`) or ISO 8601 texts in UTC; 0 and "" mean that it never was.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gantry.eventlog import Line


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An answer, or a part of one."""


class Fault(Shape, frozen=True):
    """Every answer that is not what was asked for."""

    error: str


class FamilyRate(Shape, frozen=True):
    """Measures accepted of a family within the window."""

    rate: float  # per second
    count: int


class Rates(Shape, frozen=True):
    """`/api/rate`."""

    window_sec: int
    EVD: FamilyRate
    CROWD: FamilyRate


class Timeline(Shape, frozen=True):
    """`/api/timeline`: one figure per bucket and series, oldest first."""

    timestamps: list[int]  # start of each bucket, s since the epoch
    evd: list[int]  # measures accepted
    crowd: list[int]
    received: list[int]  # units received
    published: list[int]  # measures with a receipt
    deduplicated: list[int]
    filtered: list[int]
    dead: list[int]
    minutes: int  # how far back it goes
    bucket_sec: int


class LastEvent(Shape, frozen=True):
    """`/api/last/evd` and `/api/last/crowd`: the newest accepted measure of a family."""

    family: str  # EVD or CROWD
    id: str
    dev: str
    device: str  # the lane: the id that the platform knows
    last_utc: int  # accepted, s since the epoch
    received: str
    measure: dict[str, Any]


class LastUnknown(Shape, frozen=True):
    """`/api/last/unknown`: the newest input that was quarantined; its content is redacted."""

    id: str
    dev: str
    src: str
    last_utc: int
    received: str
    reason: str
    device_time: str
    body: str


class Lines(Shape, frozen=True):
    """`/api/events`: newest first."""

    count: int
    events: list[Line]
    next: str | None = None  # ?cursor= of what is older
    cut: bool = False  # so much was looked at without filling the page that older lines may be wanted, too: go on
    missing: bool = False  # there is no event log: no journal has written in RUNTIME_DIR
    damaged: bool = False  # a part of the log cannot be read to its end


class Held(Shape, frozen=True):
    """Why a lane stands still."""

    by: str  # operator, platform
    owner: str
    since_ms: int
    reason: str


class Device(Shape, frozen=True):
    """One device at one target."""

    target: str
    lane: str  # the id that the platform knows
    devs: list[str]  # its keys at the door, newest first; empty when it has not been heard of since that is noted
    src: str
    what: str  # of the newest unit
    name: str  # friendly
    seen_ms: int
    units: int  # ever received, of all its keys
    waiting: int
    newest: str  # TimeInstant of the newest delivered measure
    due_ms: int | None  # when its next request may go; None: nothing waits, or not before it is released
    under_way: bool
    arriving_per_min: float  # measures a minute within the last five to ten minutes
    allowed_per_min: float | None  # None: no publisher says it
    over_limit: bool
    backlog_h: float | None  # hours until what waits is out, at the allowed rate
    hold: Held | None
    state: str  # held, over_limit, waiting, ok, unused


class Devices(Shape, frozen=True):
    """`/api/devices`."""

    count: int  # that the filters let through
    total: int  # of all
    devices: list[Device]
    next: str | None = None


class DeviceDetail(Shape, frozen=True):
    """`/api/devices/<target>/<lane>`."""

    device: Device
    newest_measure: dict[str, Any] | None
    newest_id: str  # event id of the newest delivered measure
    attempts: int  # failed tries of what is at the head of the lane
    batch: int | None  # measures in one request at most; None: the default
    reason: str  # of its last failure
    letters: int
    letters_more: bool  # there are so many letters that not all were looked at
    oldest_waiting_ms: int  # received; 0: nothing waits


class Step(Shape, frozen=True):
    """One thing that happened to an event."""

    at_ms: int
    since_ms: int | None  # from its receipt; None: that is not known
    what: str  # received, pending, accepted, waiting, resent, or how a line of the event log ended
    target: str = ""
    lane: str = ""
    seq: int | None = None
    detail: str = ""  # reason, original, owner; of waiting: its place in the lane, 1 goes next
    attempts: int | None = None
    entry: str = ""  # the entry in Redis that says so


class Story(Shape, frozen=True):
    """`/api/events/<id>`: everything that is known of one event, oldest first."""

    id: str
    found: bool
    dev: str
    src: str
    what: str
    device_time: str  # as the device or the measure says it; "" where it is not known any more
    received_ms: int
    state: str  # in_raw, waiting, published, filtered, deduplicated, dead, dropped, unknown
    steps: list[Step]
    lines: list[Line]
    letters: list[str]  # entry ids in `dead` now
    unknown: list[str]  # {streams,lanes,letters,log}_bounded, log_damaged, no_event_log, older_than_streams
