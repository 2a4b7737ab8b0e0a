"""Redis clients, built in one place and without automatic retries: only our idempotent scripts are repeated."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import redis.asyncio as aredis
import redis.exceptions
from pydantic import SecretStr
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.maint_notifications import MaintNotificationsConfig

from gantry.settings import Settings
from gantry.streams import address as addresses
from gantry.streams.address import Address, Node
from gantry.streams.connection import Found, Local
from gantry.streams.routes import ASK_S, Asked, BySentinels, Fixed, InCluster, Route
from gantry.topology import Topology

Client = aredis.Redis

TIMEOUT_S = 5.0
CONNECT_S = 2.0


def connect(server: Settings | SecretStr | str, name: str, *, block_s: float = 0.0) -> Client:
    """A client of the server that the site of the settings lives on, or of a URL (of site `main` in a cluster).

    With `block_s`, one connection for reads that block so many seconds. Raises ValueError for a URL that is none.
    """
    settings = server if isinstance(server, Settings) else Settings(redis_url=_secret(server))
    address = addresses.parse(settings.redis_url.get_secret_value())
    options = {
        **_common(address, name, TIMEOUT_S + block_s),  # redis-py's own 5 s would cut a blocking read short
        "max_connections": 1 if block_s else 64,
        "timeout": TIMEOUT_S + block_s,  # for a free connection, when all are in use
    }
    if address.kind == "socket":
        options |= {"connection_class": Local, "path": address.path}
    else:
        context = ssl.create_default_context(cafile=settings.redis_ca_file) if address.tls else None
        route = _route(address, settings.gantry_site, _Asking(address, name, context))
        options |= {"connection_class": Found, "route": route, "context": context}
    return aredis.Redis.from_pool(aredis.BlockingConnectionPool(**options))


def may_fail_over(client: Client) -> bool:
    """Whether another server may take this one's place: of a cluster or under sentinels, as far as the URL says."""
    return isinstance(client.connection_pool.connection_kwargs.get("route"), (InCluster, BySentinels))


def _secret(url: SecretStr | str) -> SecretStr:
    return url if isinstance(url, SecretStr) else SecretStr(url)


def _common(address: Address, name: str, timeout_s: float) -> dict[str, Any]:
    return {
        "username": address.user or None,
        "password": address.password or None,
        "db": address.db,
        "socket_connect_timeout": CONNECT_S,
        "socket_timeout": timeout_s,
        "retry": Retry(NoBackoff(), 0),
        "health_check_interval": 0,
        "driver_info": None,  # CLIENT SETINFO is not of Redis 7.0, so no user could be allowed it there
        "client_name": f"gantry-{name}-{socket.gethostname()}"[:64].replace(" ", "-"),
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),  # with it, a closed one is not noticed
    }


def _route(address: Address, site: str, asking: _Asking) -> Route:
    asked = Asked(asking, address.nodes)
    match address.kind:
        case "cluster":
            return InCluster(asked, key_slot(Topology(site).ledger.encode()))
        case "sentinel":
            return BySentinels(asked, address.master)
        case _:
            return Fixed(address.nodes[0])


@dataclass(frozen=True, slots=True)
class _Asking:
    """One question to one node, over a connection of its own."""

    address: Address
    name: str
    context: ssl.SSLContext | None

    async def __call__(self, node: Node, *words: str) -> Any:
        if self.address.kind != "sentinel":
            return await self._once(node, {}, words)
        try:  # sentinels need not have the users of the servers
            return await self._once(node, {"username": None, "password": None}, words)
        except (redis.exceptions.AuthenticationError, redis.exceptions.NoPermissionError):
            if not self.address.password:
                raise
            return await self._once(node, {}, words)

    async def _once(self, node: Node, login: Mapping[str, None], words: tuple[str, ...]) -> Any:
        options = {**_common(self.address, self.name, ASK_S), "socket_connect_timeout": ASK_S, "db": 0, **login}
        connection = Found(route=Fixed(node), context=self.context, **options)
        try:
            async with asyncio.timeout(ASK_S):
                await connection.connect()  # type: ignore[no-untyped-call] # redis-py's
                await connection.send_command(*words)
                return await connection.read_response()
        except TimeoutError:
            raise redis.exceptions.TimeoutError(f"no answer within {ASK_S:g} s") from None
        finally:
            await connection.disconnect(nowait=True)
