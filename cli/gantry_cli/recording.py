"""What people do with the command line is written where the dashboard's actions are."""

from __future__ import annotations

from gantry.accounts import Role
from gantry.streams.actions import Action, Actions
from gantry.streams.scripts import Scripts
from gantry_cli.connection import Site

SOMEBODY = "somebody"
_UNTOLD = "this could not be written to the list of actions: the server is away or full"


async def record(site: Site, who: str, what: str, scope: str, *, count: int = 1, result: str = "done") -> list[str]:
    """Write down what was done; the sentence to say where that failed, in a list."""
    action = Action(who=who, role=Role.OPERATOR, origin="cli", what=what, scope=scope, count=count, result=result)
    kept = await Actions(site.client, Scripts(site.client), site.keys).record(action)
    return [] if kept else [_UNTOLD]
