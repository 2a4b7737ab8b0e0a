"""Times and figures as pages show them: in UTC from the server, in the reader's own zone once the script has run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup

from dashboard.texts import Words

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Moments:
    """`m` in the templates: everything is said relative to `now_ms`, the server's clock."""

    t: Words
    now_ms: int

    def at(self, ms: int | None) -> Markup:
        """Day and time; the day is left out within the last 24 hours."""
        if not ms:
            return self._never()
        return self._time(ms, "full", _utc(ms, short=0 <= self.now_ms - ms < _DAY_MS))

    def iso(self, said: str | None) -> Markup:
        """A moment that is written as ISO 8601, to the millisecond; "" and None are never."""
        if not said:
            return self._never()
        try:
            moment = datetime.fromisoformat(said)
        except ValueError:
            return Markup("{}").format(said)
        return self.exact(moment.timestamp() * 1000)

    def exact(self, ms: float | None) -> Markup:
        """As `at`, to the millisecond."""
        if not ms:
            return self._never()
        near = abs(self.now_ms - ms) < _DAY_MS
        return self._time(int(ms), "exact", f"{_utc(int(ms), short=near)}.{int(ms) % 1000:03d}")

    def ago(self, ms: int | None) -> Markup:
        """How long ago, counting on in the browser."""
        if not ms:
            return self._never()
        return self._time(ms, "ago", self.t.ago((self.now_ms - ms) / 1000))

    def until(self, ms: int) -> Markup:
        """How long still, counting down in the browser."""
        return self._time(ms, "until", self.t.duration((ms - self.now_ms) / 1000))

    def _never(self) -> Markup:
        return Markup('<span class="none">{}</span>').format(self.t("time.never"))

    def _time(self, ms: int, way: str, said: str) -> Markup:
        try:
            moment = _moment(ms)
        except (OverflowError, ValueError, OSError):  # a device's clock may say anything
            return Markup("{}").format(str(ms))
        iso = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
        title = f"{moment:%Y-%m-%d %H:%M:%S} UTC"
        return Markup('<time datetime="{}" title="{}" data-way="{}">{}</time>').format(iso, title, way, said)


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _utc(ms: int, *, short: bool) -> str:
    try:
        moment = _moment(ms)
    except (OverflowError, ValueError, OSError):
        return str(ms)
    return f"{moment:%H:%M:%S}" if short else f"{moment:%Y-%m-%d %H:%M:%S}"
