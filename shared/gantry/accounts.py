"""The two accounts of the dashboard and their passwords: argon2id in Redis, in clear nowhere."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import argon2
import argon2.exceptions
import redis.exceptions

from gantry.errors import Unavailable
from gantry.streams.client import Client
from gantry.streams.scripts import Once, text
from gantry.topology import Topology

LONGEST = 1024  # characters of a password
_AT_ONCE = 2  # verifications, 46 MiB each
_GROUPS, _GROUP_CHARS = 5, 4
_CLEAR = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that looks like something else: 99 bits in 20 of them


class Role(StrEnum):
    """Who may do what: an account's name is its role."""

    NOBODY = "nobody"
    READER = "reader"
    OPERATOR = "operator"


class Origin(StrEnum):
    """Where a password comes from."""

    SETTING = "setting"
    GENERATED = "generated"
    COMMAND = "command"  # of `gantry password`


ACCOUNTS = (Role.OPERATOR, Role.READER)
HASHER = argon2.PasswordHasher(time_cost=1, memory_cost=47_104, parallelism=1)  # OWASP's first choice: 60 ms, 46 MiB


@dataclass(frozen=True, slots=True)
class Account:
    """What Redis knows of an account's password."""

    origin: str
    hashed: str

    @classmethod
    def parse(cls, stored: str) -> Account:
        """From the hash's field; ("", "") for one that is not there."""
        origin, _, hashed = stored.partition(" ")
        return cls(origin, hashed)

    def __str__(self) -> str:
        return f"{self.origin} {self.hashed}" if self.hashed else ""

    @property
    def stamp(self) -> str:
        """What a session remembers, so that it ends with its password; empty without one."""
        return hashlib.sha256(self.hashed.encode()).hexdigest()[:16] if self.hashed else ""


class Accounts:
    """The accounts of one site. Everything that asks Redis raises Unavailable."""

    def __init__(self, client: Client, calls: Once, keys: Topology, *, hasher: argon2.PasswordHasher = HASHER) -> None:
        self._client, self._calls, self._keys, self._hasher = client, calls, keys, hasher
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._nobodys = ""  # a hash that no password has

    async def read(self) -> dict[Role, Account]:
        """Every account."""
        try:
            stored = await self._client.hmget(self._keys.accounts, list(ACCOUNTS))
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError) as error:
            raise Unavailable(f"accounts: {error}") from error
        return {role: Account.parse(text(each or b"")) for role, each in zip(ACCOUNTS, stored, strict=True)}

    async def check(self, name: str, password: str) -> tuple[Role, str] | None:
        """Role and stamp, or None; takes as long for a name that does not exist."""
        found = {str(role): account for role, account in (await self.read()).items() if account.hashed}
        account = found.get(name)
        fits = await self.fits(account or Account("", await self._nobody()), password)
        return (Role(name), account.stamp) if account and fits else None

    async def fits(self, account: Account, password: str) -> bool:
        """Whether it is that account's password."""
        async with self._turns:
            return await asyncio.to_thread(_fits, self._hasher, account.hashed, _normal(password))

    async def put(self, role: Role, before: Account, origin: Origin, password: str) -> bool:
        """Set a password where `before` still stands, which ends the account's sessions; whether it came to that."""
        async with self._turns:
            hashed = await asyncio.to_thread(self._hasher.hash, _normal(password))
        return await self._change(role, before, Account(origin, hashed))

    async def remove(self, role: Role, before: Account) -> bool:
        """Take an account away where `before` still stands."""
        return await self._change(role, before, Account("", ""))

    async def _change(self, role: Role, before: Account, after: Account) -> bool:
        words = [str(role), str(before), str(after)]
        return text(await self._calls.once("account", [self._keys.accounts], words)) == str(after)

    async def _nobody(self) -> str:
        if not self._nobodys:
            async with self._turns:
                self._nobodys = await asyncio.to_thread(self._hasher.hash, secrets.token_hex(16))
        return self._nobodys


def new_password() -> str:
    """One that can be read out and typed, e.g. "k7vm-w3qt-9dhx-2fzr-p8ju"."""
    groups = ("".join(secrets.choice(_CLEAR) for _ in range(_GROUP_CHARS)) for _ in range(_GROUPS))
    return "-".join(groups)


def stamps(stored: Mapping[Role, Account]) -> dict[str, str]:
    """Account → stamp, of those that have a password."""
    return {str(role): account.stamp for role, account in stored.items() if account.hashed}


def _normal(password: str) -> str:
    """An ñ is the same ñ on every keyboard."""
    return unicodedata.normalize("NFC", password)


def _fits(hasher: argon2.PasswordHasher, hashed: str, password: str) -> bool:
    try:
        return hasher.verify(hashed, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
