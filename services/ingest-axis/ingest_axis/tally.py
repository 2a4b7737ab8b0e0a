"""How this process answered since it started, for those who look from outside. No I/O."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Tally:
    """Counted per request that was answered by the endpoint; what was no request at all is not in it."""

    pushes: int = 0  # answered 200, test connections among them
    refused: int = 0  # answered with anything else
    last_push_us: int = 0  # since the epoch, of the last 200; 0: none yet

    def note(self, code: int, at_us: int) -> None:
        """One request was answered."""
        if code == 200:  # noqa: PLR2004 - the only success of this endpoint
            self.pushes, self.last_push_us = self.pushes + 1, at_us
        else:
            self.refused += 1
