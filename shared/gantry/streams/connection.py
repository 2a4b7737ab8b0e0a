"""A connection that asks its way each time it is made, and is dropped when the server says that it is the wrong one.

Whatever a server answers that a later or another connection would get right (a slot that has moved, a master that
became a replica, one that loads or lacks its replicas) is raised as redis.exceptions.ConnectionError, so that all
who call wait and come again, as for a server that is away. Nothing is sent a second time here.
"""

from __future__ import annotations

import ssl
from typing import Any

import redis.exceptions
from redis.asyncio.connection import AbstractConnection, Connection, UnixDomainSocketConnection

from gantry.streams.address import Node
from gantry.streams.routes import Fixed, Route

ELSEWHERE = ("MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN", "READONLY", "UNBLOCKED", "NOREPLICAS")


class Watchful(AbstractConnection):
    """What any connection makes of such answers."""

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*args, **options)
        except redis.exceptions.ResponseError as error:
            reason = elsewhere(error)
            if not reason:
                raise
            hint = self.misled(reason)
            await self.disconnect(nowait=True)
            raise redis.exceptions.ConnectionError(reason + hint) from error

    def misled(self, reason: str) -> str:
        """For those who can ask somebody else; what else there is to say."""
        del reason
        return ""


class Local(Watchful, UnixDomainSocketConnection):
    """To a socket."""


class Found(Watchful, Connection):
    """To the node that a route names, in TLS where there is a `context`."""

    def __init__(self, *, route: Route, context: ssl.SSLContext | None, **options: Any) -> None:
        super().__init__(**options)
        self._route, self._context = route, context

    async def _connect(self) -> None:
        node = await self._route.find()
        self.host, self.port = node.host, node.port
        try:
            await super()._connect()  # type: ignore[no-untyped-call] # redis-py's
        except ssl.SSLCertVerificationError as error:
            raise redis.exceptions.ConnectionError(_untrusted(node, error)) from error
        except ssl.SSLError as error:
            raise redis.exceptions.ConnectionError(f"{node} does not answer in TLS: {error.reason}") from error
        except TimeoutError as error:
            self._route.doubt()
            how = "a connection in TLS" if self._context else "a connection"
            seconds = f"{self.socket_connect_timeout:g} s"
            raise redis.exceptions.ConnectionError(f"{node} does not take {how} within {seconds}") from error
        except OSError:
            self._route.doubt()
            raise

    def _connection_arguments(self) -> dict[str, Any]:
        """The certificate must be valid for the host that is connected to, announced or named."""
        return {"host": self.host, "port": self.port, "ssl": self._context}

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        await super().on_connect_check_health(check_health=check_health)
        if self._route.wants_master and not await self._is_master():
            self._route.doubt()
            raise redis.exceptions.ConnectionError(f"{self.host}:{self.port} is not the master yet, or not any more")

    async def _is_master(self) -> bool:
        await self.send_command("ROLE", check_health=False)
        try:
            reply = await self.read_response()
        except redis.exceptions.NoPermissionError:  # then the sentinels' word is taken for it
            return True
        return bool(reply[0] == b"master")

    def misled(self, reason: str) -> str:
        self._route.doubt()
        of_a_cluster = reason.startswith("MOVED") and isinstance(self._route, Fixed)
        return ": it is one of a cluster, for which REDIS_URL begins with redis+cluster://" if of_a_cluster else ""


def elsewhere(error: redis.exceptions.ResponseError) -> str:
    """A sentence, where the answer says that another connection, or a later one, is needed; else empty."""
    said = str(error)
    code = error.status_code or said.partition(" ")[0]  # redis-py cuts off the words that it knows
    if code not in ELSEWHERE:
        return ""
    return f"{code}: {said.removeprefix(code).strip()}"


def _untrusted(node: Node, error: ssl.SSLCertVerificationError) -> str:
    return f"the certificate of {node} is not trusted: {error.verify_message} (REDIS_CA_FILE says whom to trust)"
