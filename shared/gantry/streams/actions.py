"""What people did, on the page and on the command line: one line per action, the newest ten thousand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import redis.exceptions

from gantry.errors import Unavailable
from gantry.streams.client import Client
from gantry.streams.scripts import Once, text
from gantry.topology import Topology

KEPT = 10_000  # lines, about
WORD_CHARS, SCOPE_CHARS = 128, 500
PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing that somebody did, or tried to."""

    who: str
    role: str  # operator, reader, nobody
    origin: str  # the address that the request came from, or "cli"
    what: str  # e.g. dead.retry, breaker.open, login.refused
    scope: str = ""  # to what, in words
    count: int = 1  # of letters, devices, attempts
    result: str = "done"


@dataclass(frozen=True, slots=True)
class Line:
    """An action as it stands in the list."""

    entry_id: str
    at_ms: int  # by the server's clock
    action: Action


class Actions:
    """The list of one site."""

    def __init__(self, client: Client, calls: Once, keys: Topology, *, test_clock: str = "") -> None:
        self._client, self._calls, self._keys, self.test_clock = client, calls, keys, test_clock

    async def record(self, action: Action) -> bool:
        """Write it down; False when the server is away: what was done is done, and the caller says so elsewhere."""
        fields = {
            "who": _line(action.who, WORD_CHARS),
            "role": action.role,
            "from": _line(action.origin, WORD_CHARS),
            "what": action.what,
            "scope": _line(action.scope, SCOPE_CHARS),
            "count": action.count,
            "result": _line(action.result, SCOPE_CHARS),
        }
        flat = [word for pair in fields.items() for word in pair]
        try:
            await self._calls.once("action", [self._keys.actions], [KEPT, *flat, self.test_clock])
        except Unavailable:
            return False
        return True

    async def page(self, *, behind: str = "", limit: int = PAGE) -> list[Line]:
        """The newest first; those before the entry id `behind`. Raises Unavailable."""
        high = f"({behind}" if behind else "+"
        try:
            rows: Any = await self._client.xrevrange(self._keys.actions, high, "-", count=limit)
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as error:
            raise Unavailable(f"actions: {error}") from error
        return [
            _read(text(entry_id), {text(name): text(value) for name, value in row.items()}) for entry_id, row in rows
        ]


def _line(words: str, chars: int) -> str:
    """One printable line: devices and people name things as they like."""
    whole = "".join(each if each.isprintable() else "·" for each in words)
    return whole if len(whole) <= chars else f"{whole[: chars - 1]}…"


def _read(entry_id: str, row: Mapping[str, Any]) -> Line:
    """What somebody wrote by hand is shown as far as it goes."""
    at, count = row.get("t", ""), row.get("count", "")
    action = Action(
        who=row.get("who", ""),
        role=row.get("role", ""),
        origin=row.get("from", ""),
        what=row.get("what", ""),
        scope=row.get("scope", ""),
        count=int(count) if count.isdecimal() else 0,
        result=row.get("result", ""),
    )
    return Line(entry_id, int(at) if at.isdecimal() else int(entry_id.partition("-")[0]), action)
