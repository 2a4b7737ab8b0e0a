"""Redis clients, built in one place and without automatic retries: only our idempotent scripts are repeated."""

from __future__ import annotations

import socket
from typing import Any

import redis.asyncio as aredis
from pydantic import SecretStr
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

Client = aredis.Redis

TIMEOUT_S = 5.0


def connect(url: str | SecretStr, name: str, *, block_s: float = 0.0) -> Client:
    """A client for `url` (redis://, rediss://, unix://).

    With `block_s`, one connection for reads that block so many seconds.
    """
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
    plain = url.get_secret_value() if isinstance(url, SecretStr) else url
    return aredis.Redis.from_pool(aredis.BlockingConnectionPool.from_url(plain, **options))
