"""How many letters a command is about, and of what kinds: counted without keeping them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from gantry.codec import Letter
from gantry.streams.letters import Letters
from gantry_cli.dead_choice import Choice, chosen

MOST_KINDS = 200  # reasons may hold words of devices: what comes behind is counted together
REST = ("", "", "other reasons")

Kind = tuple[str, str, str]  # class, target, reason


@dataclass(slots=True)
class Span:
    """Letters of one kind: how many, and when the first and the last one died."""

    count: int
    oldest_ms: int
    newest_ms: int


@dataclass(slots=True)
class Survey:
    """What is known of the chosen letters."""

    count: int = 0
    final: Counter[str] = field(default_factory=Counter)  # why letters can never be tried again
    kinds: dict[Kind, Span] = field(default_factory=dict)
    missing: tuple[str, ...] = ()  # ids that name no letter

    @property
    def retriable(self) -> int:
        """How many may be tried again."""
        return self.count - self.final.total()

    def add(self, letter: Letter) -> None:
        """Count one."""
        self.count += 1
        if letter.final:
            self.final[letter.final] += 1
        kind = (letter.kind, letter.target, letter.reason)
        if kind not in self.kinds and len(self.kinds) >= MOST_KINDS:
            kind = REST
        span = self.kinds.setdefault(kind, Span(0, letter.died_ms, letter.died_ms))
        span.count += 1
        span.oldest_ms, span.newest_ms = min(span.oldest_ms, letter.died_ms), max(span.newest_ms, letter.died_ms)


async def survey(dead: Letters, choice: Choice, *, now_ms: int, last: str) -> Survey:
    """Count the chosen letters. Raises Unavailable."""
    found, seen = Survey(), set[str]()
    async for page in chosen(dead, choice, now_ms=now_ms, last=last):
        for letter in page:
            found.add(letter)
            if choice.ids:
                seen |= {letter.entry_id, letter.event_id}
    found.missing = tuple(word for word in dict.fromkeys(choice.ids) if word not in seen)
    return found
