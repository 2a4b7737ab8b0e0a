"""Who may do what on the dashboard: accounts, sessions, and the middleware that every request passes."""

from __future__ import annotations

from functools import partial

from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route

from dashboard.access import judging, login, passwords, telemetry
from dashboard.access.door import Door, Hosts
from dashboard.access.gate import Access, Refusals, cookie_name, record
from dashboard.access.headers import SecurityHeaders
from dashboard.access.sessions import Sessions
from dashboard.access.throttle import Throttle
from dashboard.actions.bulk import Bulk
from dashboard.config import Config
from dashboard.parts import Parts
from gantry.accounts import Accounts
from gantry.clock import Clock
from gantry.runtime import Worker
from gantry.streams.actions import Actions
from gantry.streams.client import Client
from gantry.streams.letters import Letters
from gantry.streams.scripts import Once
from gantry.topology import Topology


def build(config: Config, client: Client, calls: Once, keys: Topology, clock: Clock) -> Access:
    """`Parts.access`."""
    actions = Actions(client, calls, keys)
    return Access(
        accounts=Accounts(client, calls, keys),
        sessions=Sessions(client, calls, keys),
        throttle=Throttle(clock),
        actions=actions,
        refusals=Refusals(clock),
        bulk=Bulk(Letters(client, calls, keys), clock, partial(record, actions)),
        names=config.host_names,
        closed=config.dashboard_reading == "login",
        secure=config.dashboard_secure_cookies,
        cookie=cookie_name(keys.site, secure=config.dashboard_secure_cookies),
    )


def routes(parts: Parts) -> list[BaseRoute]:
    """/login and /logout."""
    return [
        Route(judging.LOGIN, partial(login.form, parts)),
        Route(judging.LOGIN, partial(login.log_in, parts), methods=["POST"]),
        Route(judging.LOGOUT, partial(login.log_out, parts), methods=["POST"]),
    ]


def middleware(parts: Parts) -> list[Middleware]:
    """The outermost first; behind it `request.state` has who, said and bulk."""
    access: Access = parts.access
    return [Middleware(SecurityHeaders), Middleware(Hosts, access), Middleware(Door, access)]


def workers(parts: Parts) -> list[Worker]:
    """Loops beside the server: passwords at start, and bulk actions."""
    access: Access = parts.access
    if parts.config.dashboard_reading == "open" and not passwords.is_loopback(parts.config.dashboard_host):
        telemetry.reading_open(parts.config.dashboard_host)
    return [passwords.keeper(parts.config, access.accounts), access.bulk.run]
