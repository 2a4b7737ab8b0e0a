"""How a command comes to its settings and its server, and how it answers.

`__main__`, which alone reads the environment, hands it down in typer's context.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn

import typer
from rich.console import RenderableType

from gantry.errors import Malformed, SettingsError
from gantry.runtime import EX_CONFIG
from gantry.settings import Settings, load
from gantry_cli.connection import NoAnswer, Site, expect_streams, opened
from gantry_cli.output import Output

EX_REFUSED, EX_NO_ANSWER = 1, 2

Json = Annotated[bool, typer.Option("--json", help="For programs: one JSON document.")]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a command found or did."""

    document: Any  # for a program
    rows: Sequence[str | RenderableType]  # for a person: lines and tables
    code: int = 0


Work = Callable[[Site], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Asker:
    """Runs commands with the settings of this place."""

    environ: Callable[[], Mapping[str, str]]

    def ask(self, command: Callable[[Settings, Output], Coroutine[Any, Any, int]]) -> NoReturn:
        """Run it; its answer is the exit code."""
        out = Output()
        try:
            config = load(Settings, self.environ())
        except SettingsError as error:
            for problem in error.problems:
                out.error(problem)
            raise typer.Exit(EX_CONFIG) from None
        raise typer.Exit(asyncio.run(command(config, out)))

    def act(self, work: Work, *, as_json: bool) -> NoReturn:
        """Run what needs nothing but the site."""
        self.ask(lambda config, out: replied(config, out, work, as_json=as_json))

    def owner(self) -> str:
        """Who asks, e.g. "anna@north"; behind sudo the person, not root."""
        environ = self.environ()
        names = (environ.get(name) for name in ("SUDO_USER", "USER", "LOGNAME"))
        return f"{next(filter(None, names), None) or _login()}@{socket.gethostname()}"


def _login() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user needs no name
        return f"uid-{os.getuid()}"


def asker(ctx: typer.Context) -> Asker:
    """The one that `__main__` put there."""
    found = ctx.find_object(Asker)
    if found is None:
        raise RuntimeError("a command runs under main(), which gives it its environment")
    return found


async def replied(config: Settings, out: Output, work: Work, *, as_json: bool) -> int:
    """Do it on the site that the settings name, and say so; 1 when it is refused, 2 when no server answers."""
    try:
        async with opened(config) as site:
            await expect_streams(site)
            reply = await work(site)
    except Malformed as error:
        out.error(str(error))
        return EX_REFUSED
    except NoAnswer as error:
        out.error(str(error))
        return EX_NO_ANSWER
    if as_json:
        out.json(reply.document)
    else:
        for row in reply.rows:
            out.lines([row]) if isinstance(row, str) else out.show(row)
    return reply.code
