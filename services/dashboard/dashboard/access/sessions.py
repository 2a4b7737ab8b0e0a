"""Browsers that have logged in. The cookie holds the token, Redis only its digest."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass

import msgspec
import redis.exceptions

from dashboard.access.who import Said, Who
from gantry.accounts import ACCOUNTS, Account, Role
from gantry.errors import Unavailable
from gantry.streams.client import Client
from gantry.streams.scripts import Once, text
from gantry.topology import Topology

IDLE_MS = 12 * 3_600_000
LONGEST_MS = 7 * 86_400_000
RENEWED_EVERY_MS = 60_000  # not with each request
_TOKEN_BYTES = 32
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Session:
    """Who it is, and what they are to be told."""

    who: Who
    said: Said | None


class Sessions:
    """The sessions of one site. Everything here raises Unavailable."""

    def __init__(self, client: Client, calls: Once, keys: Topology, *, test_clock: str = "") -> None:
        self._client, self._calls, self._keys, self.test_clock = client, calls, keys, test_clock

    async def open(self, role: Role, stamp: str) -> str:
        """Begin one; returns its token, for the cookie."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        fields = ["account", str(role), "stamp", stamp, "csrf", secrets.token_urlsafe(_TOKEN_BYTES)]
        arguments = ["open", IDLE_MS, LONGEST_MS, *fields, self.test_clock]
        await self._calls.once("session", [self._keys.session(digest(token))], arguments)
        return token

    async def find(self, token: str) -> Session | None:
        """The session of a cookie, kept alive by that; None when it ended, or its password was changed."""
        if not _TOKEN.fullmatch(token):
            return None
        name, key = digest(token), self._keys.session(digest(token))
        pipe = self._client.pipeline(transaction=False)
        pipe.hgetall(key)
        pipe.pttl(key)
        pipe.hmget(self._keys.accounts, list(ACCOUNTS))
        pipe.time()
        try:
            found, left_ms, accounts, (seconds, us) = await pipe.execute()
            fields = {text(field): text(value) for field, value in found.items()}
            stored = {str(role): text(each or b"") for role, each in zip(ACCOUNTS, accounts, strict=True)}
            session = _session(name, fields, stored)
            lives_ms = min(IDLE_MS, int(fields.get("ends", "0")) - (int(seconds) * 1000 + int(us) // 1000))
            if session is None or lives_ms <= 0:
                if fields:
                    await self._client.delete(key)
                return None
            if left_ms < lives_ms - RENEWED_EVERY_MS:
                await self._client.pexpire(key, lives_ms)
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as error:
            raise Unavailable(f"session: {error}") from error
        return session

    async def close(self, token_digest: str) -> None:
        """Log out."""
        try:
            await self._client.delete(self._keys.session(token_digest))
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as error:
            raise Unavailable(f"session: {error}") from error

    async def say(self, token_digest: str, said: Said) -> None:
        """Have the next page say something; what was said before is gone."""
        words = msgspec.json.encode(said).decode()
        await self._calls.once("session", [self._keys.session(token_digest)], ["say", words])


def digest(token: str) -> str:
    """What Redis knows of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _session(name: str, fields: dict[str, str], stored: dict[str, str]) -> Session | None:
    account = fields.get("account", "")
    stamp = Account.parse(stored.get(account, "")).stamp
    if not stamp or not secrets.compare_digest(stamp, fields.get("stamp", "")) or not fields.get("csrf"):
        return None
    return Session(Who(account, Role(account), fields["csrf"], name), _said(fields.get("said", "")))


def _said(words: str) -> Said | None:
    """What another version wrote is not said."""
    try:
        return msgspec.json.decode(words, type=Said) if words else None
    except msgspec.DecodeError:
        return None
