"""Which letters a command is about: what a person typed → what is asked of `dead`."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import typer

from gantry.codec import Letter
from gantry.streams.letters import Letters, Wanted, is_entry_id
from gantry_cli import arguments

_EVENT_ID = re.compile(r"[0-9a-z]{26}")
_LATEST_MS = 4_102_444_800_000  # the year 2100


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time: so long ago, or at a time of day."""

    typed: str  # as a person reads it
    ago_ms: int | None
    at_ms: int

    def ms(self, now_ms: int) -> int:
        """Milliseconds since the epoch; `now_ms` by the clock that stamped the letters."""
        return self.at_ms if self.ago_ms is None else max(0, now_ms - self.ago_ms)


def moment(word: str) -> Moment:
    """`2h` (ago), or an ISO date or time (UTC, like all that is printed, unless it says another).

    Raises typer.BadParameter.
    """
    try:
        given = datetime.fromisoformat(word.strip().removesuffix(" UTC"))
        at_ms = int((given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return Moment(f"{word.strip()} ago", arguments.seconds(word) * 1000, 0)
    if not 0 <= at_ms < _LATEST_MS:
        raise typer.BadParameter(f"{word!r} is no time that a letter can have")
    return Moment(word, None, at_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What all chosen letters have in common; empty: nothing."""

    kind: str = ""
    target: str = ""
    device: str = ""
    reason: str = ""
    text: str = ""
    since: Moment | None = None
    until: Moment | None = None

    def __str__(self) -> str:
        """One phrase; empty without any."""
        words = [("class", self.kind), ("target", self.target), ("device", self.device)]
        parts = [f"{name} {value}" for name, value in words if value]
        parts += [f"reason with {self.reason!r}"] if self.reason else []
        parts += [f"content or answer with {self.text!r}"] if self.text else []
        parts += [f"dead since {self.since.typed}"] if self.since else []
        parts += [f"dead until {self.until.typed}"] if self.until else []
        return ", ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Named letters, or those that pass the filters, or all."""

    ids: tuple[str, ...] = ()  # entry ids of letters, and event ids
    filters: Filters = Filters()
    everything: bool = False  # said on purpose

    def __post_init__(self) -> None:
        """Raises typer.BadParameter when it cannot be meant so."""
        if [bool(self.ids), self.filters != Filters(), self.everything].count(True) > 1:
            raise typer.BadParameter("say ids, or filters, or --all: one of them")
        for word in self.ids:
            if not is_entry_id(word) and not _EVENT_ID.fullmatch(word):
                raise typer.BadParameter(f"{word!r} is neither a letter's id (1760000000000-0) nor an event's")

    @property
    def made(self) -> bool:
        """Whether anything was said."""
        return self != Choice()

    def __str__(self) -> str:
        """What it says of the letters, e.g. "class out, target evd"."""
        return "named" if self.ids else str(self.filters) or "all there are"

    @property
    def event_ids(self) -> frozenset[str]:
        return frozenset(word for word in self.ids if not is_entry_id(word))

    @property
    def entry_ids(self) -> list[str]:
        """Oldest first, each once."""
        return sorted({word for word in self.ids if is_entry_id(word)}, key=lambda word: [*map(int, word.split("-"))])

    def wanted(self, now_ms: int) -> Wanted:
        """The filters, for reading pages."""
        filters = self.filters
        return Wanted(
            kind=filters.kind,
            target=filters.target,
            device=filters.device,
            reason=filters.reason,
            text=filters.text,
            events=self.event_ids,
            since_ms=filters.since.ms(now_ms) if filters.since else None,
            until_ms=filters.until.ms(now_ms) if filters.until else None,
        )


async def chosen(dead: Letters, choice: Choice, *, now_ms: int, last: str) -> AsyncIterator[list[Letter]]:
    """The chosen letters, oldest first, a page at a time; none newer than the entry id `last`."""
    for entry_id in choice.entry_ids:
        letter = await dead.get(entry_id)
        if letter is not None:
            yield [letter]
    if choice.event_ids or not choice.ids:
        async for page in dead.pages(choice.wanted(now_ms), last=last):
            yield [letter for letter in page if letter.entry_id not in choice.ids]
