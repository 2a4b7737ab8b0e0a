"""The operator's command: wiring only."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import dotenv
import typer

from gantry.errors import SettingsError
from gantry.runtime import EX_CONFIG
from gantry.settings import Settings, load
from gantry_cli import audit, certs, demo, running, status, streams, up
from gantry_cli.output import Output

app = typer.Typer(
    name="gantry",
    help="Camera counts into a city platform: start it, and see what it does.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(certs.app, name="certs")

Json = Annotated[bool, typer.Option("--json", help="For programs: one JSON document.")]


def environment() -> dict[str, str]:
    """`.env` of this folder, under the environment."""
    file = dotenv.dotenv_values(Path(".env"), interpolate=False)
    return {name: value for name, value in file.items() if value is not None} | dict(os.environ)


@app.command(name="up")
def _up(
    demo_: Annotated[bool, typer.Option("--demo", help="With twins of devices and agent; needs no settings.")] = False,
    publishers: Annotated[int, typer.Option(min=1, max=32, help="How many publishers.")] = 1,
) -> None:
    """Start the server (without REDIS_URL) and every service; Ctrl-C stops them in flow order."""
    if demo_:
        raise typer.Exit(demo.run(os.environ, environment(), Output(), publishers=publishers))
    raise typer.Exit(up.run(environment(), Output(), publishers=publishers))


@app.command(name="down")
def _down() -> None:
    """Stop the `gantry up` of this folder, in flow order, and wait until it has."""
    raise typer.Exit(running.down(Output()))


@app.command(name="status")
def _status(as_json: Json = False) -> None:
    """Is it all right? Exit 1 with cause and next step if not."""
    _ask(lambda config, out: status.run(config, out, as_json=as_json))


@app.command(name="streams")
def _streams(as_json: Json = False) -> None:
    """What XINFO says of each stream, and the longest lanes."""
    _ask(lambda config, out: streams.run(config, out, as_json=as_json))


@app.command(name="audit")
def _audit(as_json: Json = False) -> None:
    """Recount the ledger. Exit 1 on any difference, 2 when no server answers."""
    _ask(lambda config, out: audit.run(config, out, as_json=as_json))


def _ask(command: Callable[[Settings, Output], Coroutine[Any, Any, int]]) -> None:
    out = Output()
    try:
        config = load(Settings, environment())
    except SettingsError as error:
        for problem in error.problems:
            out.error(problem)
        raise typer.Exit(EX_CONFIG) from None
    raise typer.Exit(asyncio.run(command(config, out)))


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
