"""Everything that ingest-axis counts and reports, named once. A token or a secret path never comes here."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from prometheus_client import Counter, Gauge, Histogram

from ingest_axis.retail import Push

log = structlog.get_logger()

_requests = Counter("gantry_ingest_axis_requests_total", "Requests by the status they were answered with", ["code"])
_taken = Counter("gantry_ingest_axis_measurements_received_total", "Measurements durably stored")
_refused = Counter("gantry_ingest_axis_measurements_refused_total", "Measurements not stored; counters send them again")
_bytes = Counter("gantry_ingest_axis_body_bytes_total", "Bytes of complete bodies")
_tests = Counter("gantry_ingest_axis_test_connections_total", "Pushes without data: a test connection or a heartbeat")
_broken = Counter("gantry_ingest_axis_requests_broken_off_total", "Requests whose sender hung up before the end")
_seconds = Histogram(
    "gantry_ingest_axis_answer_seconds",
    "From a request's head to its answer, by status",
    ["code"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300),
)
_in_hand = Gauge("gantry_ingest_axis_body_in_hand_bytes", "Bytes of bodies held in memory")
_expiry = Gauge(
    "gantry_ingest_axis_certificate_expiry_timestamp_seconds",
    "When our certificate ends; counters push nothing after it, and drop what is older than 90 days",
)
_durable = Gauge("gantry_ingest_axis_redis_durable", "1 when what Redis acknowledges is on disk")


class _Quota:
    """At most so many log lines a window about requests that anybody can send."""

    WINDOW_S, LINES = 10.0, 10

    def __init__(self) -> None:
        self._window, self._left, self._kept_back = -1, 0, 0

    def lines(self, now_s: float) -> int | None:
        """How many lines were kept back before this one, or None to keep it back too."""
        if (window := int(now_s / self.WINDOW_S)) != self._window:
            self._window, self._left = window, self.LINES
        if not self._left:
            self._kept_back += 1
            return None
        self._left -= 1
        kept, self._kept_back = self._kept_back, 0
        return kept


_strangers = _Quota()


def started(*, tokens: int, expires_s: float, bytes_in_hand: Callable[[], float]) -> None:
    """`expires_s`: the end of our certificate, seconds since the epoch."""
    _expiry.set(expires_s)
    _in_hand.set_function(bytes_in_hand)
    if not tokens:
        log.warning("no_tokens", advice="anyone who reaches this port can push counts: set AXIS_TOKENS")


def push_answered(push: Push, code: int, *, size: int, took_s: float, why: str = "") -> None:
    """A push that could be read; `why` says what stood in the way of a 200."""
    _answered(code, took_s)
    _bytes.inc(size)
    if not push.units and not why:
        _tests.inc()
    fields = {"serial": push.dev, "measurements": push.units, "answer": code, "ms": round(took_s * 1000)}
    fields |= {"flags": push.flags} if push.flags else {}
    if why:
        log.warning("push_refused", **fields, why=why)
    else:
        log.info("push_stored" if push.units else "connection_tested", **fields)


def body_refused(code: int, why: str, *, peer: str, size: int, digest: str, took_s: float) -> None:
    """A body that cannot be understood: the counter is stuck with it until somebody looks."""
    _answered(code, took_s)
    _bytes.inc(size)
    log.error("body_refused", answer=code, why=why, peer=peer, bytes=size, sha256=digest, ms=round(took_s * 1000))


def request_refused(code: int, why: str, *, peer: str, now_s: float, took_s: float) -> None:
    """A request that was answered before its body was complete."""
    _answered(code, took_s)
    _stranger_refused(code, why, peer=peer, now_s=now_s)


def head_refused(code: int, why: str, *, peer: str, now_s: float) -> None:
    """What came was no request, or too much or too slow for one."""
    _requests.labels(code).inc()
    _stranger_refused(code, why, peer=peer, now_s=now_s)


def _stranger_refused(code: int, why: str, *, peer: str, now_s: float) -> None:
    if (kept_back := _strangers.lines(now_s)) is not None:
        log.warning("request_refused", answer=code, why=why, peer=peer, lines_kept_back=kept_back)


def request_broken_off(*, peer: str, now_s: float) -> None:
    _broken.inc()
    if (kept_back := _strangers.lines(now_s)) is not None:
        log.warning("request_broken_off", peer=peer, lines_kept_back=kept_back)


def push_ended(*, stored: int, refused: int) -> None:
    """What became of a push's measurements, whatever it was answered."""
    _taken.inc(stored)
    _refused.inc(refused)


def room_not_found(dev: str, event_id: str, why: str) -> None:
    """`event_id`: the first measurement that was not stored."""
    log.warning("room_not_found", serial=dev, event_id=event_id, why=why)


def standing_changed(state: str, weakness: str, *, reason: str, accepted: bool) -> None:
    """Redis is away, weak or durable, where it was something else before."""
    _durable.set(state == "durable")
    if state == "durable":
        log.info("redis_durable")
    elif state == "away":
        log.warning("redis_away", reason=reason)
    else:
        log.warning("redis_weak", weakness=weakness, accepted=accepted)


def _answered(code: int, took_s: float) -> None:
    _requests.labels(code).inc()
    _seconds.labels(code).observe(took_s)
