"""Everything that the publisher counts and reports, named once."""

from __future__ import annotations

import functools
import logging
import math
import time
from collections.abc import Collection, Mapping
from typing import Any

import structlog
from prometheus_client import Counter, Gauge, Histogram

from gantry.pace import Overrun
from gantry.streams.lanes import Grant, Outcome, Settlement
from gantry.topology import TARGETS
from publisher.classify import Judgement, Kind

log = structlog.get_logger()

TERMS = (  # of the ledger, as publishers move them; those behind the first five stand beside its lines
    *("measures", "waiting", "published", "dead_out", "dropped"),
    *("resent", "delayed", "delayed_ms", "throttled_ms:evd", "throttled_ms:crowd"),
)
BREAKER_STATES = ("closed", "open", "half")
MOST_NAMED = 20  # in the log at once; `gantry status` and the metrics know all

PULLED = Counter("gantry_publisher_pulled_measures_total", "Measures moved from the events stream to their lanes.")
ATTEMPTS = Counter(
    "gantry_publisher_attempts_total",
    "Requests sent to the platform, by the class of their answer and its reason.",
    ["target", "class", "reason"],
)
PUBLISHED = Counter("gantry_publisher_published_measures_total", "Measures with a receipt (200 and {}).", ["target"])
DEAD = Counter("gantry_publisher_dead_measures_total", "Measures that the platform will never take.", ["target"])
STALE = Counter("gantry_publisher_stale_settlements_total", "Answers that came after their lease was lost.", ["target"])
RESENT = Counter(
    "gantry_publisher_resent_measures_total",
    "Measures sent again because an older one went out after them; not among the published.",
    ["target"],
)
HANDED_BACK = Counter(
    "gantry_publisher_returned_grants_total",
    "Lanes given back unsent: the grant came too late, or the publisher stops.",
    ["target"],
)
HELD = Gauge(
    "gantry_publisher_held_devices", "Devices that are held, by the platform's word or an operator's.", ["target"]
)
PAUSED = Gauge("gantry_publisher_paused", "1 while an operator has paused the target.", ["target"])
OVER_LIMIT = Gauge(
    "gantry_publisher_devices_over_limit",
    "Devices that send more than their limit lets out; as found by the publisher that looked last.",
    ["target"],
)
REQUEST_SECONDS = Histogram(
    "gantry_publisher_request_seconds",
    "From sending a request to its answer.",
    ["target"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60),
)
AGE_SECONDS = Histogram(
    "gantry_publisher_age_seconds",
    "From a device's last byte to the receipt of its measure.",
    ["target"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 60, 600, 3600, 86400),
)
BREAKER = Gauge(
    "gantry_publisher_breaker_state", "1 for the state that the target's breaker is in.", ["target", "state"]
)
for _target in TARGETS:
    PAUSED.labels(_target).set(0)
MEMORY_FULL = Gauge("gantry_publisher_pull_stopped", "1 while memory is too short to pull into lanes.")


@functools.cache
def _of(metric: Any, *labels: str) -> Any:
    """The series itself: to find it by its labels costs more than to move it."""
    return metric.labels(*labels)


def pulled(count: int, *, memory_full: bool) -> None:
    """Measures went to their lanes, or none for want of memory."""
    PULLED.inc(count)
    MEMORY_FULL.set(memory_full)


def pull_stopped_for_memory() -> None:
    """The memory ladder stops pulling; lanes still drain."""
    log.warning("pull_stopped_for_memory")


def answered(target: str, settlement: Settlement, judgement: Judgement, seconds: float) -> None:
    """A request was answered, or failed; settling follows."""
    _of(ATTEMPTS, target, judgement.kind.value, judgement.reason).inc()
    _of(REQUEST_SECONDS, target).observe(seconds)
    if judgement.kind is Kind.DELIVERED:
        return
    unsaid = _sparing.unsaid((target, judgement.reason), time.monotonic())
    if unsaid is None:
        return
    log.log(
        logging.ERROR if settlement.outcome in ALARMING else logging.WARNING,
        ALARMING.get(settlement.outcome, "not_delivered"),
        kind=judgement.kind.value,
        **({"unsaid": unsaid} if unsaid else {}),
        reason=judgement.reason,
        answer=judgement.answer,
        ms=round(seconds * 1000, 1),
        reaction=settlement.outcome.value,
        again_in_s=None if settlement.outcome is Outcome.OPEN else round(settlement.delay_s, 1),
        **_who(target, settlement.grant),
    )


class Sparing:
    """Five thousand devices that fail alike would write a hundred lines a second: the metrics count all of them."""

    def __init__(self, most: int, within_s: float) -> None:
        self._most, self._within_s = most, within_s
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}  # what → when its window began, lines asked for

    def unsaid(self, what: tuple[str, str], now: float) -> int | None:
        """None: keep quiet. Else how many lines of this kind were left out before this one."""
        began, asked = self._windows.get(what, (-math.inf, 0))
        if now - began >= self._within_s:
            self._windows[what] = (now, 1)
            return max(0, asked - self._most)
        self._windows[what] = (began, asked + 1)
        return 0 if asked < self._most else None


_sparing = Sparing(most=100, within_s=10.0)
ALARMING = {Outcome.OPEN: "target_misconfigured", Outcome.HOLD: "device_unknown_to_the_platform"}


def settled(target: str, settlement: Settlement, now_us: int) -> None:
    """The answer is in the books."""
    grant, outcome = settlement.grant, settlement.outcome
    if outcome is Outcome.DELIVERED and grant.resent:
        RESENT.labels(target).inc()
    elif outcome is Outcome.DELIVERED:
        _of(PUBLISHED, target).inc(len(grant.items))
        age_seconds = _of(AGE_SECONDS, target)
        for item in grant.items:
            age_seconds.observe(max(0.0, (now_us - item.t_rx) / 1_000_000))
    elif outcome is Outcome.REFUSED and len(grant.items) == 1 and not grant.resent:
        DEAD.labels(target).inc()
        log.error("dead_lettered", reason=settlement.reason, answer=settlement.answer, **_who(target, grant))


def settled_too_late(target: str, grant: Grant) -> None:
    """The lease ran out under the request; whoever has the lane now sends these measures again."""
    STALE.labels(target).inc()
    log.warning("settled_too_late", **_who(target, grant))


def grant_handed_back(target: str, grant: Grant) -> None:
    """The grant's reply came so late that the request could outlive the lease, or the publisher stops: not sent."""
    HANDED_BACK.labels(target).inc()
    log.info("grant_handed_back", **_who(target, grant))


def pause_seen(target: str, *, paused: bool) -> None:
    """An operator paused the target, or it goes on."""
    PAUSED.labels(target).set(paused)
    log.warning("target_paused" if paused else "target_resumed", target=target)


def held_devices(target: str, count: int) -> None:
    """How many are held now."""
    HELD.labels(target).set(count)


def over_limit(target: str, found: Mapping[str, Overrun], known: Collection[str]) -> None:
    """Devices whose limit lies below what they send; those that were not `known` to be are named."""
    OVER_LIMIT.labels(target).set(len(found))
    for lane in sorted(set(found) - set(known))[:MOST_NAMED]:
        overrun = found[lane]
        log.warning(
            "limit_below_rate",
            target=target,
            lane=lane,
            arriving_per_min=round(overrun.arriving, 1),
            allowed_per_min=round(overrun.allowed, 1),
            waiting=overrun.waiting,
        )


def breaker_seen(target: str, state: str, before: str, reason: str) -> None:
    """The target's breaker is in another state than at the last turn; `before` is empty at the first."""
    for each in BREAKER_STATES:
        BREAKER.labels(target, each).set(each == state)
    if before or state != "closed":
        say = log.info if state == "closed" else log.warning
        say("breaker_changed", target=target, state=state, before=before, reason=reason)


def publisher_struck_off(names: list[str]) -> None:
    """Publishers that died without leaving were taken off the group's list."""
    log.info("publishers_struck_off", names=names)


def platform_speaks_arrays(target: str, *, arrays: bool) -> None:
    """The agent showed X-Processing-Time, so several measures may go in one request; or it shows it no more."""
    log.info("platform_speaks_arrays" if arrays else "platform_stopped_speaking_arrays", target=target)


def _who(target: str, grant: Grant) -> dict[str, object]:
    first, last = grant.items[0], grant.items[-1]
    return {
        "target": target,
        "lane": grant.lane,
        "event_id": first.event_id,
        "from_seq": first.seq,
        "to_seq": last.seq,
        "attempt": grant.attempts + 1,
    }
