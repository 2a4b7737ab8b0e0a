"""`gantry access`: the server's users, one per service (gantry.streams.access says what each may do)."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import redis.exceptions
import typer

from gantry.settings import Settings
from gantry.streams.access import LOOK, USERS, acl_file
from gantry.streams.client import connect
from gantry_cli.asking import EX_NO_ANSWER, EX_REFUSED, asker
from gantry_cli.output import Output

LONGEST = 1000  # characters of a password
MOST_LINES = 100

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


async def load(config: Settings, out: Output) -> int:
    """Exit 0 when it did, 1 when it would not, 2 when it does not answer."""
    client = connect(config, "access")
    try:
        await client.acl_load()
    except redis.exceptions.AuthenticationError as error:
        out.error(f"the server does not know this user and password: {error}")
        return EX_REFUSED
    except redis.exceptions.NoPermissionError as error:
        out.error(f"this user may not load users, `admin` may: put that one into REDIS_URL ({error})")
        return EX_REFUSED
    except redis.exceptions.ResponseError as error:
        out.error(f"the server keeps the users that it had: {' '.join(str(error).split())}")
        return EX_REFUSED
    except redis.exceptions.RedisError as error:
        out.error(f"the server that REDIS_URL names does not answer: {' '.join(str(error).split())}")
        return EX_NO_ANSWER
    finally:
        await client.aclose()
    out.lines(["the server has read its users again"])
    return 0


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
