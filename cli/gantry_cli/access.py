"""`gantry access`: the server's users, one per service (gantry.streams.access says what each may do)."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Annotated

import redis.exceptions
import typer

from gantry.settings import Settings
from gantry.streams.access import LOOK, USERS, acl_file
from gantry.streams.client import Client, connect
from gantry.streams.scripts import refusal, text
from gantry_cli.asking import EX_NO_ANSWER, EX_REFUSED, asker
from gantry_cli.output import Output

LONGEST = 1000  # characters of a password
MOST_LINES = 100
MOST_ROWS = 50  # of what was refused; the server keeps 128

app = typer.Typer(no_args_is_help=True, help="The server's users, one per service.")


@app.command(name="file")
def _file(
    passwords: Annotated[
        Path | None,
        typer.Option("--passwords", help="Folder with a file per user, named as the user, that holds its password."),
    ] = None,
) -> None:
    """Print the server's access file (`aclfile`), for passwords in a folder, or lines "user password" on stdin.

    The file holds digests only, and no user that has no password. "#" and 64 digits stand for a password's SHA-256.
    """
    out = Output()
    try:
        words = _from_folder(passwords) if passwords else _from_lines(_stdin())
        typer.echo(acl_file({user: _digest(user, word) for user, word in words.items()}), nl=False)
    except (ValueError, OSError) as error:
        out.error(str(error))
        raise typer.Exit(EX_REFUSED) from None


@app.command(name="load")
def _load(ctx: typer.Context) -> None:
    """Have the server read its access file again; REDIS_URL names the user `admin`. Clients stay, or return."""
    asker(ctx).ask(load)


@app.command(name="refused")
def _refused(ctx: typer.Context) -> None:
    """What the server has refused lately, and to whom; REDIS_URL names the user `gantry`. Exit 1 if anything."""
    asker(ctx).ask(refused)


async def load(config: Settings, out: Output) -> int:
    """Exit 0 when it did, 1 when it would not, 2 when it does not answer."""

    async def loaded(client: Client) -> int:
        await client.acl_load()
        out.lines(["the server has read its users again"])
        return 0

    return await _asked(config, out, loaded, otherwise="the server keeps the users that it had")


async def refused(config: Settings, out: Output) -> int:
    """Exit 0 when nothing, 1 when something was refused or nobody may ask, 2 when the server does not answer."""

    async def said(client: Client) -> int:
        rows = [{text(name): text(value) for name, value in row.items()} for row in await client.acl_log(MOST_ROWS)]
        out.lines(list(map(_row, rows)) or ["nothing was refused"])
        return EX_REFUSED if rows else 0

    return await _asked(config, out, said, otherwise="the server does not say it")


async def _asked(config: Settings, out: Output, work: Callable[[Client], Awaitable[int]], *, otherwise: str) -> int:
    client = connect(config, "access")
    try:
        return await work(client)
    except redis.exceptions.RedisError as error:
        reason = " ".join(str(error).split())
        if said := refusal(error):
            out.error(said)
            return EX_REFUSED
        if isinstance(error, redis.exceptions.ResponseError):
            out.error(f"{otherwise}: {reason}")
            return EX_REFUSED
        out.error(f"the server that REDIS_URL names does not answer: {reason}")
        return EX_NO_ANSWER
    finally:
        await client.aclose()


def _row(row: dict[str, str]) -> str:
    """Names are not told where somebody could choose them: who fails to log in may have typed a password there."""
    times = "once" if row["count"] == "1" else f"{row['count']} times"
    age = f"last {float(row['age-seconds']):.0f} s ago"
    if row["reason"] == "auth":
        who = row["username"] if row["username"] in USERS else "somebody"
        return f"{who} did not log in: {times}, {age}"
    where = " in a script" if row["context"] == "lua" else ""
    return f"{row['username']} may not use the {row['reason']} {row['object']}{where}: {times}, {age}"


def _stdin() -> Iterable[str]:
    if sys.stdin.isatty():
        raise ValueError('pipe in lines "user password", or name a folder with --passwords')
    lines = [sys.stdin.readline(LONGEST + 100) for _ in range(MOST_LINES)]
    return [line for line in lines if line.strip()]


def _from_lines(lines: Iterable[str]) -> dict[str, str]:
    words = {}
    for line in lines:
        user, _, word = line.strip().partition(" ")
        words[user] = word.strip()
    return words


def _from_folder(folder: Path) -> dict[str, str]:
    """Files that are named as no user are left alone."""
    files = {user: folder / user for user in USERS if user != LOOK}
    words = {user: file.read_text(encoding="utf-8").rstrip("\r\n") for user, file in files.items() if file.is_file()}
    if not words:
        raise ValueError(f"{folder} holds no file that is named as a user: {', '.join(files)}")
    return words


def _digest(user: str, word: str) -> str:
    if re.fullmatch("#[0-9a-fA-F]{64}", word):
        return word[1:].lower()
    if not 0 < len(word) <= LONGEST or not word.isprintable():
        raise ValueError(f"the password of {user} must be one line of 1 to {LONGEST} characters")
    return hashlib.sha256(word.encode()).hexdigest()
