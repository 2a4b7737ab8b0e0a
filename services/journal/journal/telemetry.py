"""Everything that the journal counts and reports, named once. Counters are this process's own view since its start."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Mapping

import structlog
from prometheus_client import Counter, Gauge, Histogram

from gantry.eventlog import Line

log = structlog.get_logger()

LINES = Counter("gantry_journal_lines_total", "Lines written to events.json, by outcome.", ["outcome"])
BYTES = Counter("gantry_journal_bytes_total", "Bytes written to events.json.")
SIZE = Gauge("gantry_journal_file_bytes", "Size of events.json.")
REPEATED = Counter("gantry_journal_repeated_lines_total", "Lines that stood in the log already after a restart.")
MALFORMED = Counter(
    "gantry_journal_malformed_total", "Stream entries that no service of ours wrote, passed over.", ["stream"]
)
VANISHED = Counter(
    "gantry_journal_vanished_total", "Entries that were deleted before they could be written.", ["stream"]
)
CUT_BYTES = Counter("gantry_journal_cut_bytes_total", "Bytes of torn lines that a start cut off.")
FAILURES = Counter(
    "gantry_journal_write_failures_total", "Attempts to write the log or a status file that failed.", ["file"]
)
ROTATIONS = Counter("gantry_journal_rotations_total", "Times that events.json was rotated.")
REMOVED = Counter("gantry_journal_removed_parts_total", "Older parts removed by count or age.")
PARTS = Gauge("gantry_journal_parts", "Older parts that are kept.")
BEHIND = Gauge("gantry_journal_behind_entries", "Entries of a stream that are not in the log yet.", ["stream"])
LEASE_HELD = Gauge("gantry_journal_lease_held", "1 while this process writes the log, 0 while it stands by.")
FSYNC_SECONDS = Histogram(
    "gantry_journal_fsync_seconds",
    "How long the disk took to have a batch.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
)


def took_over() -> None:
    LEASE_HELD.set(1)
    log.info("took_over")


def stood_by(reason: str) -> None:
    LEASE_HELD.set(0)
    log.info("stood_by", reason=reason)


def left() -> None:
    LEASE_HELD.set(0)
    log.info("duty_left")


def lost_duty() -> None:
    """What was in hand was not written by us; it stays pending."""
    LEASE_HELD.set(0)
    log.warning("duty_lost")


def server_went_away(reason: str) -> None:
    log.warning("server_went_away", reason=reason)


def began(*, pending: int, written: int, cut: int, foreign: str) -> None:
    """The log is mended and the streams are read again."""
    log.info("log_begun", pending=pending, lines_already_written=written)
    if cut:
        CUT_BYTES.inc(cut)
        log.warning("torn_end_cut_off", bytes=cut)
    if foreign:
        log.warning("foreign_log_put_away", part=foreign, reason="events.json was begun by another program")


def wrote(lines: Iterable[Line], *, size: int, file_size: int, repeated: int) -> None:
    """A batch stands in the log."""
    for outcome, count in Tally(line.outcome for line in lines).items():
        LINES.labels(outcome).inc(count)
    BYTES.inc(size)
    SIZE.set(file_size)
    REPEATED.inc(repeated)


def malformed(stream: str, entry_id: str, reason: str) -> None:
    MALFORMED.labels(stream).inc()
    log.warning("entry_malformed", stream=stream, entry_id=entry_id, reason=reason)


def vanished(stream: str, entry_id: str) -> None:
    VANISHED.labels(stream).inc()
    log.error("entry_vanished", stream=stream, entry_id=entry_id, reason="deleted before it stood in the log")


def unwritable(file: str, reason: str) -> None:
    """Readiness says it once; this one is for whoever counts."""
    FAILURES.labels(file).inc()
    log.debug("unwritable", file=file, reason=reason)


def folder_unusable(reason: str) -> None:
    FAILURES.labels("folder").inc()
    log.error("folder_unusable", reason=reason, next="make RUNTIME_DIR writable for this user; it is tried again")


def rotated(part: str) -> None:
    ROTATIONS.inc()
    SIZE.set(0)
    log.info("rotated", part=part)


def tidied(packed: list[str], removed: list[str], parts: int) -> None:
    PARTS.set(parts)
    REMOVED.inc(len(removed))
    if packed or removed:
        log.info("parts_tidied", packed=packed, removed=removed)


def behind(entries: Mapping[str, int]) -> None:
    for stream, count in entries.items():
        BEHIND.labels(stream).set(count)
