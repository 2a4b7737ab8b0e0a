"""The operator's command: wiring only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import dotenv
import typer

from gantry_cli import access, audit, breaker, certs, dead, demo, hold, password, pause, running, status, streams, up
from gantry_cli.asking import Asker, Json
from gantry_cli.backup import commands as backup
from gantry_cli.output import Output
from gantry_cli.provision import commands as provision
from gantry_cli.secrets import commands as secrets

app = typer.Typer(
    name="gantry",
    help="Camera counts into a city platform: start it, and see what it does.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(pause.app)
app.add_typer(hold.app)
app.add_typer(breaker.app, name="breaker")
app.add_typer(dead.app, name="dead")
app.add_typer(provision.app, name="provision")
app.add_typer(certs.app, name="certs")
app.add_typer(secrets.app, name="secrets")
app.add_typer(password.app)
app.add_typer(access.app, name="access")
app.add_typer(backup.app)


def environment() -> dict[str, str]:
    """`.env` of this folder, under the environment."""
    file = dotenv.dotenv_values(Path(".env"), interpolate=False)
    return {name: value for name, value in file.items() if value is not None} | dict(os.environ)


_ASKER = Asker(environment)


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
    _ASKER.ask(lambda config, out: status.run(config, out, as_json=as_json))


@app.command(name="streams")
def _streams(as_json: Json = False) -> None:
    """What XINFO says of each stream, and the longest lanes."""
    _ASKER.ask(lambda config, out: streams.run(config, out, as_json=as_json))


@app.command(name="audit")
def _audit(as_json: Json = False) -> None:
    """Recount the ledger. Exit 1 on any difference, 2 when no server answers."""
    _ASKER.ask(lambda config, out: audit.run(config, out, as_json=as_json))


def main() -> None:
    """The console script."""
    app(obj=_ASKER)


if __name__ == "__main__":
    main()
