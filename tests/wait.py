"""Waiting for a condition instead of sleeping."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

EVERY_S = 0.02


async def until(condition: Callable[[], Awaitable[T]], what: str, *, within_s: float = 20.0) -> T:
    """Ask until the answer is truthy, and return it; fail with `what` and the last answer after `within_s`."""
    end = time.monotonic() + within_s
    while True:
        answer = await condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"waited {within_s} s for: {what}; last answer {answer!r}")
        await asyncio.sleep(EVERY_S)
