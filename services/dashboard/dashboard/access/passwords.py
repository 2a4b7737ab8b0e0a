"""At start: the settings' passwords are put into force, and an operator who has none is given one."""

from __future__ import annotations

import asyncio
import ipaddress
import random

from dashboard.access import telemetry
from dashboard.config import Config
from gantry.accounts import Account, Accounts, Origin, Role, new_password
from gantry.backoff import delay
from gantry.errors import Unavailable
from gantry.runtime import Worker, pause

LOOK_S = 60.0
SHORT = 10  # characters; shorter ones are warned about


def keeper(config: Config, accounts: Accounts, *, look_s: float = LOOK_S) -> Worker:
    """The loop that does it as soon as Redis answers, and again should Redis have lost everything."""

    async def keep(stop: asyncio.Event) -> None:
        settled, attempt, chance = False, 0, random.Random()
        while not stop.is_set():
            try:
                if not settled or not (await accounts.read())[Role.OPERATOR].hashed:
                    await settle(config, accounts)
                settled, attempt = True, 0
                await pause(stop, look_s)
            except Unavailable:
                await pause(stop, delay(attempt, first_s=0.2, cap_s=5.0, chance=chance))
                attempt += 1

    return keep


async def settle(config: Config, accounts: Accounts) -> None:
    """Make Redis say what the settings say. Two dashboards that start together agree. Raises Unavailable."""
    given = {Role.OPERATOR: config.dashboard_password, Role.READER: config.dashboard_reader_password}
    for role, before in (await accounts.read()).items():
        secret = given[role]
        if secret is not None:
            await _impose(accounts, role, before, secret.get_secret_value())
        elif role is Role.OPERATOR and before.origin in ("", Origin.SETTING):
            await _generate(accounts, role, before)
        elif before.origin == Origin.SETTING and await accounts.remove(role, before):
            telemetry.account_removed(role)


async def _impose(accounts: Accounts, role: Role, before: Account, password: str) -> None:
    if len(password) < SHORT:
        telemetry.password_short("DASHBOARD_PASSWORD" if role is Role.OPERATOR else "DASHBOARD_READER_PASSWORD", SHORT)
    if before.hashed and before.origin == Origin.SETTING and await accounts.fits(before, password):
        return
    if await accounts.put(role, before, Origin.SETTING, password):
        telemetry.password_from_setting(role)


async def _generate(accounts: Accounts, role: Role, before: Account) -> None:
    password = new_password()
    if await accounts.put(role, before, Origin.GENERATED, password):
        telemetry.password_generated(role, password)


def is_loopback(host: str) -> bool:
    """Whether DASHBOARD_HOST reaches no further than this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
