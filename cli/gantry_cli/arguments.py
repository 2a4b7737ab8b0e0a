"""What people type for the controls → values. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

import typer

from gantry import topology

ALL = "all"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([0-9]{1,7})([smhd])")


@dataclass(frozen=True, slots=True)
class Which:
    """One target or all of them; a class, because typer reads a tuple as several words."""

    names: tuple[str, ...]


def targets(word: str) -> Which:
    """A target's name, or "all"."""
    if word == ALL:
        return Which(topology.TARGETS)
    if word not in topology.TARGETS:
        raise typer.BadParameter(f"{word!r} is no target: say {', '.join(topology.TARGETS)} or {ALL}")
    return Which((word,))


def word(text: str) -> str:
    """Not empty: a shell's variable that is not set must not mean "all" or "only list"."""
    if not text.strip():
        raise typer.BadParameter("it is empty")
    return text


def why(reason: str) -> str:
    """A reason that somebody gave."""
    if not reason.strip():
        raise typer.BadParameter("say why: --reason TEXT; whoever finds it so will read it")
    return reason


def seconds(word: str) -> int:
    """A duration with its unit, e.g. 90s, 15m, 2h, 1d."""
    found = _DURATION.fullmatch(word.strip())
    if not found or not int(found[1]):
        raise typer.BadParameter(f"{word!r} is no duration: write 90s, 15m, 2h or 1d")
    return int(found[1]) * _SECONDS[found[2]]


def bare_seconds(word: str) -> int:
    """The same, and a number without a unit is seconds."""
    return seconds(f"{word.strip()}s" if word.strip().isdecimal() else word)


_WHICH = "|".join((*topology.TARGETS, ALL))
Targets = Annotated[Which, typer.Argument(parser=targets, metavar=_WHICH, show_default=False)]
OptionalTargets = Annotated[Which | None, typer.Argument(parser=targets, metavar=_WHICH, show_default=False)]
TargetOption = Annotated[
    Which | None,
    typer.Option("--target", parser=targets, metavar=_WHICH, help="Only there.", show_default=False),
]
Reason = Annotated[str, typer.Option("--reason", help="Why, for those who find it so: one line.", show_default=False)]
Owner = Annotated[str, typer.Option("--owner", help="Who; without it, your name on this machine.", show_default=False)]
