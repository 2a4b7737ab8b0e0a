"""A site in use, and a command's output as text."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from builders import Stage
from gantry.settings import Settings
from gantry_cli.output import Output


class Said(Output):
    """An Output that keeps what was said."""

    def __init__(self) -> None:
        super().__init__(Console(file=io.StringIO(), width=160), Console(file=io.StringIO(), width=160))

    @property
    def text(self) -> str:
        return self.console.file.getvalue()

    @property
    def complaints(self) -> str:
        return self.errors.file.getvalue()

    @property
    def document(self) -> Any:
        return json.loads(self.text)


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def config(redis_url: str) -> Settings:
    return Settings(redis_url=redis_url)


@pytest.fixture
def nowhere(tmp_path) -> Settings:
    return Settings(redis_url=f"unix://{tmp_path}/none.sock")


@pytest.fixture
async def stage(client, calls) -> Stage:
    return Stage(client, calls)


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A socket's path must be short; pytest's own folders are not."""
    with tempfile.TemporaryDirectory(prefix="gantry-", dir="/tmp") as folder:
        yield Path(folder)
