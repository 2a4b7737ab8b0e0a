"""How many letters an action would be about: counted without keeping them, and not for ever."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from dashboard.actions.scope import Scope
from gantry.clock import Clock
from gantry.codec import Letter
from gantry.streams.letters import Letters

MOST = 20_000  # letters in one action
MOST_KINDS = 50
LONGEST_S = 4.0
REST = ("", "", "…")

Kind = tuple[str, str, str]  # class, target, reason


@dataclass(slots=True)
class Survey:
    """What was counted."""

    last: str  # entry id of the newest letter that the action is about
    count: int = 0
    final: Counter[str] = field(default_factory=Counter)  # why letters can never be tried again
    kinds: Counter[Kind] = field(default_factory=Counter)
    whole: bool = True  # False: there may be more letters behind `last`

    def add(self, letter: Letter) -> None:
        """Count one."""
        kind = (letter.kind, letter.target, letter.reason)
        self.kinds[kind if kind in self.kinds or len(self.kinds) < MOST_KINDS else REST] += 1
        if letter.final:
            self.final[letter.final] += 1
        self.count += 1
        self.last = letter.entry_id

    @property
    def retriable(self) -> int:
        return self.count - self.final.total()


async def survey(letters: Letters, scope: Scope, clock: Clock) -> Survey:
    """Count the letters that are there now, the oldest first. Raises Unavailable.

    After MOST letters or LONGEST_S seconds the count ends at a letter, and so does the action: what is shown is exact.
    """
    newest, until = await letters.newest(), clock.monotonic() + LONGEST_S
    found = Survey(newest)
    if scope.one:
        letter = await letters.get(scope.entry_id)
        if letter:
            found.add(letter)
        return found
    if not newest:
        return found
    async for page in letters.pages(scope.wanted, last=newest):
        for letter in page:
            if found.count == MOST or (found.count and clock.monotonic() > until):
                found.whole = False
                return found
            found.add(letter)
    found.last = newest
    return found
