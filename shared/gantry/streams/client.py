"""Redis clients, built in one place and without automatic retries: only our idempotent scripts are repeated."""

from __future__ import annotations

import socket
from typing import Any

import redis.asyncio as aredis
from pydantic import SecretStr
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from gantry.settings import Settings

Client = aredis.Redis

TIMEOUT_S = 5.0


def connect(server: Settings | SecretStr | str, name: str, *, block_s: float = 0.0) -> Client:
    """A client of the server that the settings name, or of a URL (redis://, rediss://, unix://).

    With `block_s`, one connection for reads that block so many seconds.
    """
    url = server.redis_url if isinstance(server, Settings) else server
    plain = url.get_secret_value() if isinstance(url, SecretStr) else url
    options: dict[str, Any] = {
        "decode_responses": False,
        "socket_connect_timeout": 2.0,
        "socket_timeout": TIMEOUT_S + block_s,  # redis-py's own 5 s would cut a blocking read short
        "retry": Retry(NoBackoff(), 0),
        "health_check_interval": 0,
        "client_name": f"gantry-{name}-{socket.gethostname()}"[:64].replace(" ", "-"),
        "max_connections": 1 if block_s else 64,
        "timeout": TIMEOUT_S + block_s,  # for a free connection, when all are in use
    }
    if isinstance(server, Settings) and server.redis_ca_file and plain.startswith("rediss://"):
        options["ssl_ca_certs"] = str(server.redis_ca_file)
    return aredis.Redis.from_pool(aredis.BlockingConnectionPool.from_url(plain, **options))
