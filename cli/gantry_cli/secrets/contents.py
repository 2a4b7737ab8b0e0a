"""What each service's folder of secrets holds, from what people gave and what was made here. Pure.

A value that `.env` names comes before one that was put, and that before one that was made. Every file of a service
exists: one without a value is empty, which its settings take for not set.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from gantry.errors import Malformed
from gantry.streams import access
from gantry_cli.secrets import names

Files = dict[tuple[str, str], str]  # (folder, file) → content


@dataclass(frozen=True, slots=True)
class Known:
    """Values by the name of their setting; `made` holds passwords of Redis' users too, as redis/<user>."""

    env: Mapping[str, str] = field(repr=False)
    given: Mapping[str, str] = field(repr=False)
    made: Mapping[str, str] = field(repr=False)

    def value(self, name: str) -> str:
        """Empty when nobody gave or made one."""
        return self.env.get(name) or self.given.get(name) or self.made.get(name, "")

    def origin(self, name: str) -> str:
        """Where the value in force comes from."""
        places = ((".env", self.env), ("put", self.given), ("made here", self.made))
        return next((word for word, place in places if place.get(name)), "not set")


def password_of(user: str) -> str:
    """Under which name a Redis user's password is kept."""
    return f"redis/{user}"


def to_make(*, demo: bool) -> tuple[str, ...]:
    """What is made when nobody gave it."""
    users = (password_of(user) for user in names.clients())
    return (*users, names.DASHBOARD_PASSWORD, *(names.DEMO if demo else ()))


def files(known: Known, server: str, *, demo: bool) -> Files:
    """Every file but certificates. `server`: redis:// or rediss:// with host and port. Raises Malformed for another."""
    made: Files = {}
    for user in names.clients():
        own = user != names.ADMIN and known.value(names.REDIS_URL)
        made[user, "redis_url"] = own or url(server, user, known.made[password_of(user)])
    for name, services in names.owners().items():
        for service in services:
            made[service, name.lower()] = known.value(name)
    made[names.SERVER, "users.acl"] = access.acl_file(
        {user: hashlib.sha256(known.made[password_of(user)].encode()).hexdigest() for user in names.clients()}
    )
    if demo:
        made |= {(names.TWINS, file): known.value(name) for name, file in names.DEMO.items()}
    return made


def url(server: str, user: str, password: str) -> str:
    """The server as this user reaches it. Raises Malformed."""
    parts = address(server)
    return f"{parts.scheme}://{user}:{password}@{parts.netloc}"


def address(server: str) -> SplitResult:
    """Raises Malformed unless it is a scheme, a host and a port."""
    parts = urlsplit(server)
    if parts.scheme not in ("redis", "rediss") or not parts.hostname or parts.username or parts.path not in ("", "/"):
        raise Malformed(f"{server!r} is not redis://HOST:PORT or rediss://HOST:PORT")
    return parts
