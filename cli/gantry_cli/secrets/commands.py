"""`gantry secrets`: for containers. A service sees its own folder only, and no value stands in an environment."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from gantry.errors import GantryError, Malformed
from gantry_cli.output import Output, add_row, table
from gantry_cli.secrets import envfile, names, steps
from gantry_cli.secrets.steps import Wish
from gantry_cli.secrets.store import GIVEN, Store

app = typer.Typer(no_args_is_help=True, help="Secrets of an installation in containers: one folder per service.")

Root = Annotated[Path, typer.Option("--dir", envvar="SETUP_DIR", help="Where the folders are.")]
Server = Annotated[
    str, typer.Option("--server", envvar="SETUP_REDIS", help="redis:// or rediss:// with host and port.")
]
Names = Annotated[
    str, typer.Option("--axis-names", envvar="AXIS_NAMES", help="How counters reach us, comma-separated.")
]
Env = Annotated[Path, typer.Option("--env", envvar="SETUP_ENV", help="A .env; its secrets come first.", readable=False)]
Demo = Annotated[bool, typer.Option("--demo", envvar="SETUP_DEMO", help="Invent what the twins need, too.")]
Name = Annotated[str, typer.Argument(help="The setting, e.g. IOTA_APIKEY_EVD.")]


MOUNTED = ("config", "deploy", "deploy/redis", "deploy/redis/redis.conf")  # by docker-compose.yml


class _Setup:
    """What every command works on: its options stand before the command, or in the environment."""

    def __init__(self, store: Store, wish: Wish, env: Path) -> None:
        self.store, self.wish, self.env, self.out = store, wish, env, Output()

    def make(self) -> None:
        if envfile.closed(self.env.absolute().parent, MOUNTED):
            raise Malformed("this folder is closed to others: `chmod o+x . && chmod -R o+rX config deploy`")
        found = envfile.read(self.env, names.settable()[:-2])
        steps.make(self.store, self.wish, found, datetime.now(UTC), lambda sentence: self.out.lines([sentence]))


@app.callback()
def _options(
    ctx: typer.Context,
    root: Root = Path("var/setup"),
    server: Server = "redis://redis:6379",
    axis_names: Names = "",
    env: Env = Path(".env"),
    *,
    demo: Demo = False,
) -> None:
    called = tuple(name.strip() for name in axis_names.split(",") if name.strip())
    ctx.obj = _Setup(Store(root), Wish(server, called, demo=demo), env)


@app.command(name="init")
def _init(ctx: typer.Context) -> None:
    """Make what is missing, take over the secrets of .env, and hand each service its own. Safe to repeat."""
    with _told(), ctx.obj.store.alone():
        ctx.obj.make()
        ctx.obj.out.lines(["secrets are in place"])


@app.command(name="put")
def _put(ctx: typer.Context, name: Name) -> None:
    """Set a secret, read from standard input: `gantry secrets put IOTA_APIKEY_EVD < key`."""
    with _told(), ctx.obj.store.alone():
        _known(name)
        value = envfile.text_of(sys.stdin.buffer.read(envfile.LONGEST + 1))
        if not value.strip():
            raise Malformed("nothing came in on standard input")
        ctx.obj.store.keep(GIVEN, name, value if name in (names.TLS_CERT, names.TLS_KEY) else value.strip())
        ctx.obj.make()


@app.command(name="remove")
def _remove(ctx: typer.Context, name: Name) -> None:
    """Take back what was put."""
    with _told(), ctx.obj.store.alone():
        _known(name)
        if not ctx.obj.store.drop(GIVEN, name):
            raise Malformed(f"{name} was not put here")
        ctx.obj.make()


@app.command(name="list")
def _list(ctx: typer.Context) -> None:
    """Each secret, where it comes from and who reads it; never the value."""
    with _told(), ctx.obj.store.alone():
        env = envfile.read(ctx.obj.env, names.settable()[:-2])
        known = steps.known_of(ctx.obj.store, env, demo=ctx.obj.wish.demo)
        shown = table("", "secret", "from", "read by")
        for name in names.settable():
            readers = names.owners().get(name, ("every service",) if name == names.REDIS_URL else ("ingest-axis",))
            made = "made here" if name in (names.REDIS_URL, names.TLS_CERT, names.TLS_KEY) else "not set"
            origin = known.origin(name)
            add_row(shown, (name, made if origin == "not set" else origin, ", ".join(readers)))
        ctx.obj.out.show(shown)


@app.command(name="ca")
def _ca(ctx: typer.Context) -> None:
    """The certificate that counters must trust, in PEM form."""
    with _told():
        typer.echo(steps.authority(ctx.obj.store), nl=False)


def _known(name: str) -> None:
    if name not in names.settable():
        raise Malformed(f"{name} is no secret of any service; those are {', '.join(names.settable())}")


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """A problem is one line on stderr and exit code 1."""
    try:
        yield
    except GantryError as error:
        Output().error(str(error))
        raise typer.Exit(1) from None
