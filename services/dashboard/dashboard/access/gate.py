"""Everything that access and actions share, made once: `Parts.access`."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.access import telemetry
from dashboard.access.sessions import Sessions
from dashboard.access.throttle import Throttle
from dashboard.actions.bulk import Bulk
from gantry.accounts import Accounts
from gantry.clock import Clock
from gantry.streams.actions import Action, Actions

REFUSALS_EVERY_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One of each."""

    accounts: Accounts
    sessions: Sessions
    throttle: Throttle
    actions: Actions
    refusals: Refusals
    bulk: Bulk
    names: frozenset[str]  # host names beside localhost and addresses
    closed: bool  # reading needs a login
    secure: bool  # the cookie goes over HTTPS alone
    cookie: str

    async def record(self, action: Action) -> bool:
        """In the log, and in the list of actions; False when the list lacks it."""
        return await record(self.actions, action)


async def record(actions: Actions, action: Action) -> bool:
    """In the log, and in the list of actions; False when the list lacks it."""
    telemetry.acted(action)
    kept = await actions.record(action)
    if not kept:
        telemetry.action_not_recorded(action.what)
    return kept


class Refusals:
    """Refused logins as the list of actions has them: somebody who guesses all night must not push out the rest.

    The first of a minute stands alone, those after it are told together.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next = float("-inf")
        self._untold = 0

    def told(self) -> int:
        """One more; how many to write down now, 0: none yet."""
        self._untold += 1
        now = self._clock.monotonic()
        if now < self._next:
            return 0
        self._next = now + REFUSALS_EVERY_S
        return self.rest()

    def rest(self) -> int:
        """Those that nobody was told of yet."""
        untold, self._untold = self._untold, 0
        return untold


def cookie_name(site: str, *, secure: bool) -> str:
    """Sites on one host have a cookie each; `__Host-` is what a browser takes over HTTPS alone."""
    return f"{'__Host-' if secure else ''}gantry_{site}"
