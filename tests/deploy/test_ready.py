"""The probe of every container, run as the engine runs it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from gantry.clock import SystemClock
from gantry.health import Health, pages
from gantry.web import serve
from gantry_cli.ports import Ports

PROBE = Path(__file__).parents[2] / "deploy" / "image" / "ready.py"


@pytest.fixture
def free_port() -> int:
    return Ports().free(0)


async def probe(port: object) -> tuple[int | None, str]:
    """Exit code and what it says."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-IS", str(PROBE)), env={"METRICS_PORT": str(port)}, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_it_says_what_readyz_says(free_port: int) -> None:
    health, stop = Health(SystemClock()), asyncio.Event()
    health.lacks("settings", "IOTA_JSON_BASE is not set")
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(pages(health), host="127.0.0.1", port=free_port, stop=stop))
        while "does not answer" in (first := await probe(free_port))[1]:
            pass
        health.has("settings")
        second = await probe(free_port)
        stop.set()
    assert first == (1, '{"ready":false,"missing":{"settings":"IOTA_JSON_BASE is not set"}}\n')
    assert second == (0, '{"ready":true,"missing":{}}\n')


async def test_nobody_there_is_unhealthy(free_port: int) -> None:
    code, said = await probe(free_port)
    assert code == 1
    assert f"port {free_port} does not answer" in said


@pytest.mark.parametrize("answer", [b"", b"nonsense 200\r\n\r\nx", b"HTTP/1.1 503 Busy\r\n\r\n", b"x" * 100_000])
async def test_anything_but_200_is_unhealthy_and_bounded(free_port: int, answer: bytes) -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(reply, "127.0.0.1", free_port):
        code, said = await probe(free_port)
    assert code == 1
    assert len(said) < 10_000
