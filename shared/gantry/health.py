"""Liveness ("my loops come round") and readiness ("what I need is there"), with the page that shows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import orjson
import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gantry.clock import Clock

log = structlog.get_logger()

LOOP_LIMIT_S = 30.0
REASONS_S = 60.0  # between two reasons of one condition in the log: loops that fail together word it differently


@dataclass
class Health:
    """What one process says of itself. Loops call their beat; services set conditions."""

    clock: Clock
    _beats: dict[str, tuple[float, float]] = field(default_factory=dict)
    _conditions: dict[str, str] = field(default_factory=dict)
    _told: dict[str, tuple[str, float]] = field(default_factory=dict)  # condition → reason in the log, and when

    def loop(self, name: str, *, limit_s: float = LOOP_LIMIT_S) -> Callable[[], None]:
        """Register a loop; the process is unhealthy once the returned beat is not called for `limit_s` seconds."""

        def beat() -> None:
            self._beats[name] = (self.clock.monotonic(), limit_s)

        beat()
        return beat

    def lacks(self, name: str, reason: str) -> None:
        """Not ready, because of `reason` (one sentence for a person)."""
        told, at = self._told.get(name, ("", 0.0))
        now, known = self.clock.monotonic(), bool(self._conditions.get(name))
        if not known or (reason != told and now - at >= REASONS_S):
            log.warning("unready", condition=name, reason=reason)
            self._told[name] = (reason, now)
        self._conditions[name] = reason

    def has(self, name: str) -> None:
        """The condition holds."""
        if self._conditions.get(name):
            log.info("ready_again", condition=name)
        self._conditions[name] = ""

    def stalled(self) -> dict[str, float]:
        """Loops that have not come round in time, with the seconds since they last did."""
        now = self.clock.monotonic()
        return {name: round(now - at, 1) for name, (at, limit) in self._beats.items() if now - at > limit}

    def missing(self) -> dict[str, str]:
        """Conditions that do not hold, with their reasons."""
        return {name: reason for name, reason in self._conditions.items() if reason}

    def state(self) -> tuple[str, str]:
        """(state, reason) for the alive key: ready, unready or stalled."""
        if stalled := self.stalled():
            return "stalled", ", ".join(f"{name} {age} s" for name, age in stalled.items())
        if missing := self.missing():
            return "unready", "; ".join(missing.values())
        return "ready", ""


def pages(health: Health) -> Starlette:
    """The application behind METRICS_PORT: /metrics, /healthz, /readyz."""

    async def healthz(_: Request) -> Response:
        stalled = health.stalled()
        return _answer({"ok": not stalled, "stalled": stalled}, ok=not stalled)

    async def readyz(_: Request) -> Response:
        missing = health.missing()
        return _answer({"ready": not missing, "missing": missing}, ok=not missing)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)])


def _answer(body: object, *, ok: bool) -> Response:
    return Response(orjson.dumps(body) + b"\n", status_code=200 if ok else 503, media_type="application/json")
