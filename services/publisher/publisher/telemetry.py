"""Everything that the publisher counts and reports, named once."""

from __future__ import annotations

import structlog
from prometheus_client import Counter, Gauge, Histogram

from gantry.streams.lanes import Grant, Outcome, Settlement

log = structlog.get_logger()

TERMS = ("measures", "waiting", "published", "dead_out", "dropped")  # the ledger's terms that publishers move
BREAKER_STATES = ("closed", "open", "half")

PULLED = Counter("gantry_publisher_pulled_measures_total", "Measures moved from the events stream to their lanes.")
ATTEMPTS = Counter(
    "gantry_publisher_attempts_total",
    "Requests sent to the platform, by what their answer meant and its reason.",
    ["target", "outcome", "reason"],
)
PUBLISHED = Counter("gantry_publisher_published_measures_total", "Measures with a receipt (200 and {}).", ["target"])
DEAD = Counter("gantry_publisher_dead_measures_total", "Measures that the platform will never take.", ["target"])
STALE = Counter("gantry_publisher_stale_settlements_total", "Answers that came after their lease was lost.", ["target"])
GIVEN_UP = Counter(
    "gantry_publisher_abandoned_grants_total", "Leases left to run out unused because they came too late.", ["target"]
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
MEMORY_FULL = Gauge("gantry_publisher_pull_stopped", "1 while memory is too short to pull into lanes.")


def pulled(count: int, *, memory_full: bool) -> None:
    """Measures went to their lanes, or none for want of memory."""
    PULLED.inc(count)
    MEMORY_FULL.set(memory_full)


def pull_stopped_for_memory() -> None:
    """The memory ladder stops pulling; lanes still drain."""
    log.warning("pull_stopped_for_memory")


def answered(target: str, settlement: Settlement, seconds: float) -> None:
    """A request was answered, or failed; settling follows."""
    grant, outcome, reason = settlement.grant, settlement.outcome, settlement.reason
    ATTEMPTS.labels(target, outcome.value, reason).inc()
    REQUEST_SECONDS.labels(target).observe(seconds)
    say = log.debug if outcome is Outcome.DELIVERED else log.warning
    say("answered", outcome=outcome.value, reason=reason, ms=round(seconds * 1000, 1), **_who(target, grant))


def settled(target: str, settlement: Settlement, now_us: int) -> None:
    """The answer is in the books."""
    grant, outcome = settlement.grant, settlement.outcome
    if outcome is Outcome.DELIVERED:
        PUBLISHED.labels(target).inc(len(grant.items))
        for item in grant.items:
            AGE_SECONDS.labels(target).observe(max(0.0, (now_us - item.t_rx) / 1_000_000))
    elif outcome is Outcome.REFUSED and len(grant.items) == 1:
        DEAD.labels(target).inc()
        log.error("dead_lettered", reason=settlement.reason, **_who(target, grant))


def settled_too_late(target: str, grant: Grant) -> None:
    """The lease ran out under the request; whoever has the lane now sends these measures again."""
    STALE.labels(target).inc()
    log.warning("settled_too_late", **_who(target, grant))


def grant_abandoned(target: str, grant: Grant) -> None:
    """The grant's reply came so late that the request could outlive the lease: not sent, the lease runs out."""
    GIVEN_UP.labels(target).inc()
    log.warning("grant_abandoned", **_who(target, grant))


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


def platform_speaks_arrays(target: str) -> None:
    """The agent showed X-Processing-Time, so several measures may go in one request."""
    log.info("platform_speaks_arrays", target=target)


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
