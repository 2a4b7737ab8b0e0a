"""A dashboard over a real server, asked through its own application."""

from __future__ import annotations

import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # dashboard_scene.py, by plain name

from builders import Stage
from dashboard import app
from dashboard.__main__ import parts as all_parts
from dashboard.config import Config
from dashboard.parts import Parts
from gantry.streams.client import Client, connect
from gantry.streams.scripts import Calls


@pytest.fixture
def config(redis_url: str, tmp_path: Path) -> Config:
    return Config(redis_url=redis_url, config_dir=tmp_path / "config", runtime_dir=tmp_path / "runtime")


@pytest.fixture
def parts(config: Config, client: Client) -> Parts:
    return all_parts(config, client)


@pytest.fixture
async def away(config: Config) -> AsyncIterator[Parts]:
    """A dashboard whose server does not answer."""
    nowhere = connect("unix:///nowhere/redis.sock", "tests")
    yield all_parts(config, nowhere)
    await nowhere.aclose()


@pytest.fixture
def stage(client: Client, calls: Calls) -> Stage:
    return Stage(client, calls)


@pytest.fixture
async def api(parts: Parts) -> AsyncIterator[httpx.AsyncClient]:
    """Asks the application without a socket; what fails inside is an answer, as it is for a browser."""
    transport = httpx.ASGITransport(app.build(parts), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


@pytest.fixture
def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
