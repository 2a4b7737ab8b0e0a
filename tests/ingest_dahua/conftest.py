"""The folder on the path, for dahua_bytes.py."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from collections.abc import Callable, Iterator

import pytest
from twin_process import Twin


@pytest.fixture
def twin() -> Iterator[Callable[..., Twin]]:
    """Start twins by their arguments; they end with the test."""
    started: list[Twin] = []

    def start(*arguments: str) -> Twin:
        started.append(Twin(*arguments))
        return started[-1]

    yield start
    for each in started:
        each.stop()
