"""Which lines somebody wants: a search for bytes first, and only what has them is parsed. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from gantry.errors import Malformed
from gantry.eventlog.line import Line, decode, iso_ms

MOST_CHARS = 200  # of a filter's value


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Empty values want everything; those given must all be true of a line. Raises Malformed for what is too long."""

    id: str = ""  # event id
    outcome: str = ""
    family: str = ""  # EVD or CROWD
    device: str = ""  # lane or dev, exactly
    what: str = ""
    text: str = ""  # anywhere in the line, whatever its case
    since_ms: int = 0  # ended then or later, ms since the epoch
    _needles: tuple[bytes, ...] = field(init=False, repr=False)
    _since: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        given = (self.id, self.outcome, self.family, self.device, self.what, self.text)
        if max(map(len, given)) > MOST_CHARS:
            raise Malformed(f"a filter has at most {MOST_CHARS} characters")
        exact = {"id": self.id, "outcome": self.outcome, "family": self.family, "what": self.what}
        needles = [f'"{name}":'.encode() + msgspec.json.encode(value) for name, value in exact.items() if value]
        needles += [msgspec.json.encode(self.device)] if self.device else []
        object.__setattr__(self, "_needles", tuple(needles))
        object.__setattr__(self, "_since", iso_ms(self.since_ms * 1000) if self.since_ms else "")

    @property
    def must(self) -> bytes:
        """Bytes that every wanted line has; of an id if there is one, since that is the rarest."""
        return self._needles[0] if self._needles else b""

    def line(self, written: bytes) -> Line | None:
        """The line, if it is wanted; what nobody can read is not."""
        if any(needle not in written for needle in self._needles):
            return None
        if self.text and self.text.casefold() not in written.decode("utf-8", "replace").casefold():
            return None
        try:
            line = decode(written)
        except Malformed:
            return None
        return line if self._is_wanted(line) else None

    def _is_wanted(self, line: Line) -> bool:
        """The bytes may have stood in the measure, or in another field."""
        pairs = ((self.id, line.id), (self.outcome, line.outcome), (self.family, line.family), (self.what, line.what))
        if any(want and want != have for want, have in pairs):
            return False
        if self.device and self.device not in (line.device, line.dev):
            return False
        return not self._since or (line.ended or "") >= self._since


def received_by_id(event_id: str) -> datetime | None:
    """When the event was received, as its id says (its first ten characters are ms); None for another kind of id."""
    digits = "0123456789abcdefghjkmnpqrstvwxyz"
    if len(event_id) != 26 or not set(event_id) <= set(digits):  # noqa: PLR2004 - as event.new_event_id makes them
        return None
    ms = 0
    for sign in event_id[:10]:
        ms = ms * 32 + digits.index(sign)
    try:
        return datetime.fromtimestamp(ms / 1000, UTC)
    except (ValueError, OverflowError):
        return None
