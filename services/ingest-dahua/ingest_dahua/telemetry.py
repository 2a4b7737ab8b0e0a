"""Everything that this service counts and says; each occurrence is logged and counted by one function."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from prometheus_client import Counter, Gauge, Histogram

from gantry.event import RawEntry
from gantry.streams.inlet import Answer

log = structlog.get_logger()

_RECEIVED = Counter("gantry_ingest_dahua_events_received_total", "Events read from the recorder.")
_APPENDED = Counter("gantry_ingest_dahua_events_appended_total", "Events that Redis has taken, now or before.")
_DURABLE = Histogram(
    "gantry_ingest_dahua_durable_seconds",
    "From an event's last byte to Redis having it on disk.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 60, 3600),
)
_REFUSED = Counter("gantry_ingest_dahua_events_refused_total", "Answers of Redis that it has no room.", ["reason"])
_SPOOLED = Counter("gantry_ingest_dahua_events_spooled_total", "Events put into the spool on disk.")
_LOST = Counter("gantry_ingest_dahua_events_lost_total", "Events for which neither Redis nor the spool had room.")
_QUEUED = Gauge("gantry_ingest_dahua_spool_entries", "Events that wait in the spool.")
_HEARTBEATS = Counter("gantry_ingest_dahua_heartbeats_total", "Heartbeats of the recorder.")
_DETACHED = Counter(
    "gantry_ingest_dahua_reconnects_total", "Ends of a connection, or attempts that failed.", ["reason"]
)
_FAULTS = Counter(
    "gantry_ingest_dahua_framing_faults_total", "Parts of the stream that were not as declared.", ["kind"]
)
_IGNORED = Counter("gantry_ingest_dahua_parts_ignored_total", "Parts that are no events and are not kept.", ["kind"])
_CONNECTED = Gauge("gantry_ingest_dahua_connected", "1 while attached to the recorder and a sign of life was seen.")
_LAST_BYTE = Gauge("gantry_ingest_dahua_last_byte_timestamp_seconds", "When the recorder last sent anything.")
_REACHABLE = Gauge(
    "gantry_ingest_dahua_reachable",
    "1 while the recorder's host answers, 0 while it takes no connection; absent where this process does not know.",
    ["recorder"],
)
_VPN_UP = Gauge("gantry_ingest_dahua_vpn_up", "1 while the interface VPN_IFACE is up.", ["iface"])


def bytes_received(at_us: int) -> None:
    _LAST_BYTE.set(at_us / 1_000_000)


def heartbeat_received() -> None:
    _HEARTBEATS.inc()


def image_ignored(content_type: str) -> None:
    _IGNORED.labels("image").inc()
    log.warning("image_ignored", content_type=content_type[:40])


def framing_faults_met(kind: str, count: int) -> None:
    """`kind`: framing_length_mismatch, oversized, truncated."""
    _FAULTS.labels(kind).inc(count)
    log.warning("framing_faults_met", kind=kind, count=count)


def attached(recorder: str) -> None:
    log.info("attached", recorder=recorder)


def alive() -> None:
    _CONNECTED.set(1)


def detached(reason: str, detail: str, *, pause_s: float) -> None:
    """`reason`: a stable word."""
    _CONNECTED.set(0)
    _DETACHED.labels(reason).inc()
    log.warning("detached", reason=reason, detail=detail, again_in_s=round(pause_s, 1))


def let_go(reason: str) -> None:
    _CONNECTED.set(0)
    log.info("let_go", reason=reason)


def duty_taken(recorder: str) -> None:
    log.info("duty_taken", recorder=recorder)


def stood_by(recorder: str, holder: str) -> None:
    """The duty `recorder/<recorder>` is `holder`'s; said once for each holder."""
    log.info("stood_by", recorder=recorder, holder=holder)


def duty_lost(recorder: str, holder: str) -> None:
    log.warning("duty_lost", recorder=recorder, holder=holder)


def spool_unusable(reason: str) -> None:
    log.error("spool_unusable", reason=reason)


def reachability_changed(recorder: str, reachable: bool | None) -> None:
    """`None`: this process does not know any more."""
    if reachable is None:
        _REACHABLE.remove(recorder)
        return
    _REACHABLE.labels(recorder).set(reachable)
    say = log.info if reachable else log.warning
    say("recorder_answers" if reachable else "recorder_takes_no_connection", recorder=recorder)


def vpn_changed(iface: str, *, up: bool) -> None:
    _VPN_UP.labels(iface).set(up)
    say = log.info if up else log.warning
    say("vpn_up" if up else "vpn_down", iface=iface)


def events_received(count: int) -> None:
    _RECEIVED.inc(count)


def events_durable(entries: Sequence[RawEntry], now_us: int) -> None:
    """These are in Redis, on disk there."""
    for entry in entries:
        _DURABLE.observe(max(0.0, (now_us - entry.t_rx) / 1_000_000))


def events_answered(answers: Sequence[Answer]) -> None:
    """What append said, entry by entry."""
    for answer in Answer:
        count = answers.count(answer)
        if not count:
            continue
        if answer.refused:
            _REFUSED.labels(answer.name.lower()).inc(count)
            log.warning("events_refused", reason=answer.name.lower(), count=count)
        else:
            _APPENDED.inc(count)


def server_away(reason: str) -> None:
    log.warning("server_away", reason=reason)


def events_spooled(entries: Sequence[RawEntry], lost: int) -> None:
    _SPOOLED.inc(len(entries) - lost)
    log.debug("events_spooled", count=len(entries) - lost, first_event_id=entries[0].id, last_event_id=entries[-1].id)


def events_lost(entries: Sequence[RawEntry]) -> None:
    """The one place where events are given up: counted, and timed by when they came (µs since the epoch)."""
    _LOST.inc(len(entries))
    if entries:
        first, last = entries[0], entries[-1]
        ids = {"first_event_id": first.id, "last_event_id": last.id}
        devices = sorted({entry.dev for entry in entries})[:20]
        log.error("events_lost", count=len(entries), **ids, first_t_rx=first.t_rx, last_t_rx=last.t_rx, devices=devices)


def spool_drained() -> None:
    log.info("spool_drained")


def spool_holds(queued: int) -> None:
    _QUEUED.set(queued)
