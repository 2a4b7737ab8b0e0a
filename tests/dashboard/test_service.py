"""The command `dashboard` as a process."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from gantry.embedded import Embedded
from wait import until


class Process:
    """One dashboard."""

    def __init__(self, folder: Path, port: int, redis_url: str) -> None:
        self.port, self._log = port, folder / "log"
        self._environ = {
            "PATH": os.environ["PATH"],
            "REDIS_URL": redis_url,
            "METRICS_PORT": "0",
            "DASHBOARD_PORT": str(port),
            "DASHBOARD_PASSWORD": "invented-0000",
            "RUNTIME_DIR": str(folder),
            "CONFIG_DIR": str(folder),
        }

    async def start(self) -> None:
        with self._log.open("wb") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "dashboard", env=self._environ, stdout=log, stderr=log
            )

    async def status(self, path: str) -> int:
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}") as browser:
                return (await browser.get(path)).status_code
        except httpx.TransportError:
            return 0

    async def answers(self, path: str, code: int) -> bool:
        return await self.status(path) == code

    async def stop(self) -> tuple[int | None, str]:
        if self.process.returncode is None:
            self.process.terminate()
        await asyncio.wait_for(self.process.wait(), 20)
        return self.process.returncode, self._log.read_text()


@pytest.fixture
async def process(tmp_path: Path, free_port: int) -> AsyncIterator[Process]:
    """Its server is not there yet."""
    made = Process(tmp_path, free_port, f"unix://{tmp_path}/redis/redis.sock")
    await made.start()
    yield made
    await made.stop()


async def test_it_serves_while_the_server_comes_and_goes(process: Process, tmp_path: Path):
    await until(lambda: process.answers("/healthz", 200), "the process listens")
    assert await process.status("/api/status") == 503
    server = Embedded(tmp_path / "redis", maxmemory="64mb")
    await asyncio.to_thread(server.start)
    try:
        await until(lambda: process.answers("/api/status", 200), "the server is read")
        assert await process.status("/") == 200
    finally:
        await asyncio.to_thread(server.stop)
    await until(lambda: process.answers("/api/status", 503), "it says that the server is away")
    assert await process.status("/healthz") == 200
    code, log = await process.stop()
    assert code == 0 and "Traceback" not in log and "invented-0000" not in log
