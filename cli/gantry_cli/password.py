"""`gantry password`: a new password for the dashboard, which ends the sessions of the one before."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from gantry.accounts import LONGEST, Accounts, Origin, Role, new_password
from gantry.errors import Malformed
from gantry.streams.scripts import Scripts
from gantry_cli.asking import Asker, Json, Reply, asker
from gantry_cli.connection import Site
from gantry_cli.recording import record

SHORTEST = 10
_SETTINGS = {Role.OPERATOR: "DASHBOARD_PASSWORD", Role.READER: "DASHBOARD_READER_PASSWORD"}

app = typer.Typer()

Reader = Annotated[bool, typer.Option("--reader", help="Of the account that may only look.")]
Typed = Annotated[bool, typer.Option("--type", help="Type it, or pipe it in, instead of having one made.")]


@app.command(name="password")
def _password(ctx: typer.Context, *, reader: Reader = False, typed: Typed = False, as_json: Json = False) -> None:
    """Make a new password for the dashboard and print it once; whoever is logged in with the old one is logged out."""
    role, here = Role.READER if reader else Role.OPERATOR, asker(ctx)
    setting = _setting(here, role)
    if setting:
        raise typer.BadParameter(f"{setting} is set, and the dashboard takes it at each start: change it there")
    word = _read() if typed else ""
    here.act(lambda site: renew(site, role, word, who=here.owner()), as_json=as_json)


async def renew(site: Site, role: Role, typed: str, *, who: str, make: Callable[[], str] = new_password) -> Reply:
    """Put `typed`, or a new one, into force. Raises Malformed."""
    if typed:
        _check(typed)
    accounts = Accounts(site.client, Scripts(site.client), site.keys)
    password = typed or make()
    before = (await accounts.read())[role]
    if not await accounts.put(role, before, Origin.COMMAND, password):
        raise Malformed("somebody else changed it at the same moment: nothing was done")
    untold = await record(site, who, "password", str(role))
    shown = (
        [] if typed else [f"the dashboard's new password for the account {role}, shown this once:", "", password, ""]
    )
    rows = [*shown, f"sessions of {role} have ended", *untold]
    if before.origin == Origin.SETTING:
        rows.append(f"the one before came from {_SETTINGS[role]}: take it out, or the next start puts it back")
    return Reply({"account": str(role), "password": None if typed else password}, rows)


def _check(word: str) -> None:
    if not SHORTEST <= len(word) <= LONGEST:
        raise Malformed(f"a password has {SHORTEST} to {LONGEST} characters")
    if not word.isprintable():
        raise Malformed("a password is one line without control characters")


def _setting(here: Asker, role: Role) -> str:
    """The setting that would undo it, if it is set in this place."""
    environ = here.environ()
    names = (_SETTINGS[role], f"{_SETTINGS[role]}_FILE")
    return next((name for name in names if environ.get(name)), "")


def _read() -> str:
    """Twice from a person, once from a pipe; it is shown nowhere."""
    if not sys.stdin.isatty():
        word = sys.stdin.readline(LONGEST + 2).rstrip("\r\n")
        if not word:
            raise typer.BadParameter("nothing came in")
        return word
    word = getpass.getpass("new password: ")
    if not word or getpass.getpass("again: ") != word:
        raise typer.BadParameter("the two differ, or are empty")
    return word
