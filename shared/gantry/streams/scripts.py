"""The atomic steps as Lua files beside this module: loading and calling them.

A line `--@include name` in a script stands for `lua/lib/name.lua`. Every script is safe to repeat after a lost
reply; that, and only that, makes it right to do so (patience.py).
"""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
import re
from collections.abc import Sequence
from typing import Any, Protocol

import redis.exceptions

from gantry.errors import Refused, Unavailable
from gantry.streams.client import Client

LADDER = {
    "append": 60,
    "commit": 75,
    "pull": 85,
}  # percent of maxmemory at which a step stops; the others never do

_INCLUDE = re.compile(r"^--@include (\w+)$", re.MULTILINE)
_AWAY = (
    redis.exceptions.ConnectionError,  # with BusyLoadingError
    redis.exceptions.TimeoutError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
)
# NOPERM of a command inside a script, as Redis since 7.2 and Valkey say it, and as Redis 7.0 does.
_FORBIDDEN = ("ACL failure in script", "The user executing the script can't")
_NEXT = "`gantry access refused` says who lacks what, `gantry access load` renews what users may"
# Answers that redis-py has no class for: the disk is full, replicas are missing, a cluster or a failover is under way.
_AWAY_WORDS = ("MISCONF", "NOREPLICAS", "CLUSTERDOWN", "TRYAGAIN", "MASTERDOWN", "LOADING", "BUSY ", "READONLY", "OOM ")

Argument = str | int | float | bytes


@functools.cache
def source(name: str) -> str:
    """The text of a script with its includes."""
    folder = importlib.resources.files(__package__) / "lua"
    text = (folder / f"{name}.lua").read_text(encoding="utf-8")
    return _INCLUDE.sub(lambda line: (folder / "lib" / f"{line[1]}.lua").read_text(encoding="utf-8"), text)


@functools.cache
def digest(name: str) -> str:
    """By which a server knows the script."""
    return hashlib.sha1(source(name).encode(), usedforsecurity=False).hexdigest()


class Once(Protocol):
    """One attempt at a script; the trial puts lost replies and interleavings here."""

    async def once(self, name: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """One attempt. Raises Unavailable when the server is away, loading or full."""
        ...


class Calls(Once, Protocol):
    """The same, and with patience."""

    async def sure(self, name: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Repeat until the server answers."""
        ...


class Scripts:
    """Scripts on a real client, one attempt at a time."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def once(self, name: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        rest = (len(keys), *keys, *arguments)
        try:
            try:
                return await self.client.evalsha(digest(name), *rest)
            except redis.exceptions.NoScriptError:  # not loaded first: by then another node may be the right one
                return await self.client.eval(source(name), *rest)
        except redis.exceptions.RedisError as error:
            raise_if_away(name, error)
            raise


def refusal(error: redis.exceptions.RedisError) -> str:
    """A sentence for a person where the server does not let us, else empty: it may be mended while we wait."""
    met: BaseException = error
    while isinstance(met.__cause__, redis.exceptions.RedisError):  # of a ConnectionError, while one is made
        met = met.__cause__
    if isinstance(met, redis.exceptions.AuthenticationError):
        return f"Redis does not take the user and password in REDIS_URL: {error}"
    if isinstance(met, redis.exceptions.NoPermissionError) or str(error).startswith(_FORBIDDEN):
        return f"Redis does not let the user in REDIS_URL do this: {error} ({_NEXT})"
    return ""


def raise_if_away(name: str, error: redis.exceptions.RedisError) -> None:
    """Raises Unavailable where the server is away, loading or full, Refused where it forbids: later it may not."""
    if said := refusal(error):
        raise Refused(f"{name}: {said}") from error
    if isinstance(error, _AWAY):
        raise Unavailable(f"{name}: {type(error).__name__}: {error}") from error
    if isinstance(error, redis.exceptions.ResponseError) and str(error).startswith(_AWAY_WORDS):
        raise Unavailable(f"{name}: {error}") from error


def text(value: Any) -> str:
    """A reply's bulk string as text."""
    return value.decode() if isinstance(value, bytes) else str(value)
