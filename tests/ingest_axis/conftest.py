from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from gantry import certificates
from gantry.certificates import Folder
from gantry.embedded import Embedded
from twins.counter import message, people
from twins.counter.message import Look
from wait import until

TOKENS = ("token-of-today", "token-of-tomorrow")
SERIAL = "9c0aa5000001"
FIRST = datetime(2026, 5, 1, tzinfo=UTC)


def a_push(minutes: int = 1, **changed: Any) -> dict[str, Any]:
    """A push as a dict, to be spoiled."""
    looks = message.body(Look(serial=SERIAL), people.minutes(7, SERIAL, FIRST, minutes), FIRST)
    return {**json.loads(looks), **changed}


@dataclass
class Service:
    """ingest-axis as its own process."""

    certs: Folder
    redis_url: str
    log: Path
    tokens: str = ",".join(TOKENS)
    settings: dict[str, str] = field(default_factory=dict)
    port: int = 0
    metrics_port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        self.port = self.port or _free_port()
        self.metrics_port = self.metrics_port or _free_port()
        ours = {
            "REDIS_URL": self.redis_url,
            "AXIS_PORT": str(self.port),
            "METRICS_PORT": str(self.metrics_port),
            "AXIS_TLS_CERT": str(self.certs.server_crt),
            "AXIS_TLS_KEY": str(self.certs.server_key),
            "AXIS_TOKENS": self.tokens,
            **self.settings,
        }
        with self.log.open("ab") as out:
            command = [sys.executable, "-m", "ingest_axis"]
            self.process = subprocess.Popen(command, env={**os.environ, **ours}, stdout=out, stderr=out)

    async def start(self, *, ready: bool = True) -> None:
        self.launch()
        await until(self.is_ready if ready else self.answers, "ingest-axis is up")

    async def is_ready(self) -> bool:
        return await self.answers() and (await self.page("readyz")).status_code == 200

    async def answers(self) -> bool:
        """Whether both ports listen."""
        try:
            await self.page("healthz")
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except (httpx.TransportError, OSError):
            return False
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        return True

    async def page(self, name: str) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.get(f"http://127.0.0.1:{self.metrics_port}/{name}")

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.certs.ca_crt)

    def client(self, token: str = TOKENS[0]) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        base = f"https://localhost:{self.port}"
        return httpx.AsyncClient(base_url=base, headers=headers, verify=self.context(), trust_env=False, timeout=30)

    async def push(self, content: Any, **headers: str) -> httpx.Response:
        body = content if isinstance(content, bytes | str) else json.dumps(content)
        async with self.client() as client:
            return await client.post("/axis/retail", content=body, headers=headers)

    async def raw_exchange(self, *pieces: bytes, within_s: float = 20.0) -> bytes:
        """Write bytes as they are; return everything until the server closes."""
        reader, writer = await asyncio.open_connection("localhost", self.port, ssl=self.context())
        try:
            for piece in pieces:
                writer.write(piece)
                with suppress(ConnectionError):
                    await writer.drain()
            async with asyncio.timeout(within_s):
                return await reader.read()
        finally:
            writer.transport.abort()

    def logged(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        assert self.process
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return certificates.init(tmp_path_factory.mktemp("certs"), [], now=datetime.now(UTC))


@pytest.fixture
def push() -> Callable[..., dict[str, Any]]:
    return a_push


@pytest.fixture(scope="session")
def shared_process(certs: Folder, server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    log = tmp_path_factory.mktemp("ingest-axis") / "log"
    service = Service(certs, server_url, log, settings={"AXIS_MAX_BODY_BYTES": "1000000"})
    service.launch()
    yield service
    assert service.stop() == 0


@pytest.fixture
async def axis(shared_process: Service, redis_url: str) -> Service:
    """One process for all tests that leave it as it was, on an emptied server."""
    assert redis_url == shared_process.redis_url
    await until(shared_process.is_ready, "ingest-axis is ready")
    return shared_process


@pytest.fixture
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """A server of the test's own, to be stopped or weakened; not started."""
    server = Embedded(tmp_path_factory.mktemp("r") / "redis", maxmemory="128mb")
    yield server
    server.stop()


@pytest.fixture
async def own_axis(certs: Folder, own_redis: Embedded, tmp_path: Path) -> AsyncIterator[Service]:
    """A process of the test's own; not started."""
    service = Service(certs, own_redis.url, tmp_path / "log")
    yield service
    if service.process:
        service.stop()
