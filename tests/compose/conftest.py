"""`make compose`: the stack of docker-compose.yml on a real engine. Not part of `make test`, which needs no engine."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from compose.stack import Stack, engine, run


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """They run when they are asked for by name."""
    asked = any("compose" in argument for argument in config.args)
    return None if asked or collection_path.name == "conftest.py" else True


@pytest.fixture(scope="session")
def image() -> Iterator[dict[str, str]]:
    """Built once, under a name of its own: an installation on the same engine keeps its image."""
    if reason := engine():
        pytest.fail(f"no Docker engine with compose answers here: {reason}")
    named = {"GANTRY_IMAGE": f"gantry-check:{secrets.token_hex(4)}"}
    run("docker", "compose", "--env-file", "demo.env", "build", "--quiet", "setup", env={**os.environ, **named})
    yield named
    run("docker", "rmi", named["GANTRY_IMAGE"], check=False)


@pytest.fixture(scope="session")
def stack(image: dict[str, str]) -> Iterator[Stack]:
    """The whole stack with its twins, healthy, and a name that only this run knows."""
    made = Stack(f"gantry-check-{secrets.token_hex(4)}", settings={**image, "TWIN_RATE": "20"})
    try:
        made.compose("up", "--detach", "--wait", "--wait-timeout", "240")
        yield made
    finally:
        made.down()


@pytest.fixture(scope="session")
def bare(image: dict[str, str]) -> Iterator[Stack]:
    """A fresh clone without `.env`: no settings, no twins."""
    own = {**image, "GANTRY_ENV": "no.env"}
    made = Stack(f"gantry-bare-{secrets.token_hex(4)}", env_file="/dev/null", profiles=(), settings=own)
    try:
        made.compose("up", "--detach")
        yield made
    finally:
        made.down()
