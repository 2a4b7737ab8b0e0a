"""Everything that the dashboard counts, named once."""

from __future__ import annotations

import structlog
from prometheus_client import Counter, Gauge, Histogram

log = structlog.get_logger()

REQUESTS = Counter("gantry_dashboard_requests_total", "Requests by route and status code.", ["route", "code"])
SECONDS = Histogram(
    "gantry_dashboard_request_seconds",
    "From a request to the first byte of its answer.",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
WATCHERS = Gauge("gantry_dashboard_live_clients", "Browsers that watch the live stream now.")
REFUSED = Counter("gantry_dashboard_live_refused_total", "Live streams refused because so many watch already.")


def answered(route: str, code: int, seconds: float) -> None:
    """A request was answered; `route` is the pattern, never the path that somebody typed."""
    REQUESTS.labels(route, str(code)).inc()
    SECONDS.labels(route).observe(seconds)


def watching(count: int) -> None:
    WATCHERS.set(count)


def live_refused() -> None:
    REFUSED.inc()
    log.warning("live_refused", reason="too many watch already")


def live_ended(count: int, reason: str) -> None:
    """The server is away: the streams end, and browsers ask again."""
    log.warning("live_ended", streams=count, reason=reason)


def request_failed(route: str, error: Exception) -> None:
    """A bug: the stack, without the request's own words."""
    log.error("request_failed", route=route, error=type(error).__name__, exc_info=error)
