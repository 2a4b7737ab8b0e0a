"""Everything that the processor counts and reports, named once.

Counters are this process's own view since its start; a batch whose commit it never heard of is not in them. The ledger
(`gantry audit`, the ledger gauges) is exact.
"""

from __future__ import annotations

import traceback
from collections import Counter as Tally
from collections.abc import Sequence

import structlog
from prometheus_client import Counter, Gauge, Histogram

from gantry.event import Accept, Bury, Decided, Filter, RawEntry

log = structlog.get_logger()

LEDGER_TERMS = ("received", "in_raw", "deduplicated", "filtered", "dead_in", "dropped_in", "accepted", "measures")
MOST_CODES = 50  # labels of unknown codes; a device may invent any number of them

ACCEPTED = Counter(
    "gantry_processor_accepted_total",
    "Events that became measures, by target, as this process heard; the ledger is exact.",
    ["target"],
)
DEDUPLICATED = Counter("gantry_processor_deduplicated_total", "Events that repeated one within DEDUP_TTL_S, as heard.")
FILTERED = Counter("gantry_processor_filtered_total", "Events understood and not wanted, by reason.", ["reason"])
QUARANTINED = Counter(
    "gantry_processor_quarantined_total",
    "Letters written to `dead`: class `quarantine` is not understood, `in` is broken; by kind of reason.",
    ["letter", "reason"],
)
UNKNOWN_CODES = Counter(
    "gantry_processor_unknown_codes_total",
    f"Event codes without a mapping; after {MOST_CODES} codes `other`.",
    ["code"],
)
ERRORS = Counter("gantry_processor_errors_total", "Events on which the pipeline itself failed: bugs.", ["error"])
BATCH_SECONDS = Histogram(
    "gantry_processor_batch_seconds",
    "From a batch read to its commit.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
AGE_SECONDS = Histogram(
    "gantry_processor_age_seconds",
    "From an event's receipt to its commit.",
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 60, 3600),
)
LEASE_HELD = Gauge("gantry_processor_lease_held", "1 while this process is the active one, 0 while it stands by.")
MEMORY_WAITS = Counter("gantry_processor_memory_waits_total", "Commits put off because Redis is short of memory.")

_codes: set[str] = set()


def took_over() -> None:
    LEASE_HELD.set(1)
    log.info("took_over")


def stood_by(holder: str) -> None:
    LEASE_HELD.set(0)
    log.info("stood_by", holder=holder)


def left() -> None:
    LEASE_HELD.set(0)
    log.info("duty_left")


def fenced() -> None:
    """The batch in hand is somebody else's now; nothing of it was committed by us."""
    log.warning("fenced")


def server_went_away(reason: str) -> None:
    log.warning("server_went_away", reason=reason)


def commit_put_off(entries: int) -> None:
    MEMORY_WAITS.inc()
    log.warning("commit_put_off", entries=entries, reason="Redis is short of memory")


def failed_on(raw: RawEntry, error: Exception) -> None:
    """A bug: the stack without the error's own words, for they may quote the event."""
    kind = type(error).__name__
    ERRORS.labels(kind).inc()
    stack = "".join(traceback.format_tb(error.__traceback__))
    log.error("pipeline_failed", event_id=raw.id, error=kind, stack=stack)


def committed(batch: Sequence[Decided], duplicates: dict[str, str], *, seconds: float, now_us: int) -> None:
    """A batch is finished, by this commit or by one before it whose reply was lost.

    `duplicates` maps event ids to their originals'; a repeated commit names them again.
    """
    BATCH_SECONDS.observe(seconds)
    letters: Tally[tuple[str, str]] = Tally()
    first: dict[tuple[str, str], str] = {}
    for each in batch:
        AGE_SECONDS.observe(max(0.0, (now_us - each.raw.t_rx) / 1e6))
        match each.decision:
            case Accept() if each.raw.id in duplicates:
                DEDUPLICATED.inc()
                log.debug("repetition_dropped", event_id=each.raw.id, original=duplicates[each.raw.id])
            case Accept(measures=measures):
                ACCEPTED.labels(measures[0].target).inc()
            case Filter(reason):
                FILTERED.labels(reason).inc()
            case Bury(letter, reason):
                letters[letter.value, reason] += 1
                first.setdefault((letter.value, reason), each.raw.id)
    for kind, count in letters.items():
        _buried(*kind, count, first[kind])


def _buried(letter: str, reason: str, count: int, event_id: str) -> None:
    """One line per reason and batch, however many letters: a flooding device must not flood the log."""
    kind, _, detail = reason.partition(":")
    QUARANTINED.labels(letter, kind).inc(count)
    if kind == "unknown_code":
        if len(_codes) < MOST_CODES:
            _codes.add(detail)
        UNKNOWN_CODES.labels(detail if detail in _codes else "other").inc(count)
    log.warning("letter_written", letter=letter, reason=reason, letters=count, event_id=event_id)
