"""What came of an action: the sentence for the person, and the line for the list of actions."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dashboard.access.who import Who
from dashboard.parts import Parts
from gantry import topology
from gantry.errors import Malformed
from gantry.streams.actions import Action

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([0-9]{1,7})([smhd]?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who asked for it, from where, with what form."""

    who: Who
    origin: str
    form: Mapping[str, str]

    @property
    def owner(self) -> str:
        """As controls and ledger name them."""
        return f"{self.who.name}@dashboard"

    def action(self, what: str, scope: str, *, count: int = 1, result: str = "done") -> Action:
        """The line in the list of actions."""
        return Action(
            who=self.who.name,
            role=self.who.role,
            origin=self.origin,
            what=what,
            scope=scope,
            count=count,
            result=result,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """`code` names the sentence said.<code>; `action` is None where it is written down elsewhere."""

    code: str
    values: Mapping[str, Any] = field(default_factory=dict)
    more: tuple[str, ...] = ()
    good: bool = True
    action: Action | None = None
    back: str = ""  # another page than the one that the form names


Handler = Callable[[Parts, Asked], Awaitable[Deed]]


def target(form: Mapping[str, str]) -> str:
    """Raises Malformed."""
    word = form.get("target", "")
    if word not in topology.TARGETS:
        raise Malformed(f"say which target: {' or '.join(topology.TARGETS)}")
    return word


def seconds(form: Mapping[str, str]) -> int:
    """How long, from the field `for`: 90s, 15m, 2h, 1d, bare seconds; 0 when it is empty. Raises Malformed."""
    word = form.get("for", "").strip()
    if not word:
        return 0
    found = _DURATION.fullmatch(word)
    if not found:
        raise Malformed("write how long as 90s, 15m, 2h or 1d")
    return int(found[1]) * _SECONDS[found[2] or "s"]
