"""`make compose`: the stack of docker-compose.yml on a real engine. Not part of `make test`, which needs no engine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from compose.stack import Stack, engine, run


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """They run when they are asked for by name."""
    asked = any("compose" in argument for argument in config.args)
    return None if asked or collection_path.name == "conftest.py" else True


@pytest.fixture(scope="session")
def image() -> None:
    """Built once."""
    if reason := engine():
        pytest.fail(f"no Docker engine with compose answers here: {reason}")
    run("docker", "compose", "--env-file", "demo.env", "build", "--quiet", "setup")


@pytest.fixture(scope="session")
def stack(image: None) -> Iterator[Stack]:  # noqa: ARG001 - built before
    """The whole stack with its twins, healthy, and a name that only this run knows."""
    made = Stack(f"gantry-check-{os.getpid()}")
    try:
        made.compose("up", "--detach", "--wait", "--wait-timeout", "240")
        yield made
    finally:
        made.down()


@pytest.fixture(scope="session")
def bare(image: None) -> Iterator[Stack]:  # noqa: ARG001 - built before
    """A fresh clone without `.env`: no settings, no twins."""
    made = Stack(f"gantry-bare-{os.getpid()}", env_file="/dev/null", profiles=(), settings={"GANTRY_ENV": "no.env"})
    try:
        made.compose("up", "--detach")
        yield made
    finally:
        made.down()
