"""The system's Chromium for tests of the dashboard; without one they skip, and say so."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, CDPSession, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")


def binary() -> str:
    """Its path; skips the test where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is on the PATH (apt-get install chromium)")
    return found


@asynccontextmanager
async def launched() -> AsyncIterator[Browser]:
    path = binary()
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium's sandbox refuses root
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=[*flags, "--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            await browser.close()


async def heap_mb(session: CDPSession) -> float:
    """What the page's JavaScript holds, after a collection."""
    await session.send("HeapProfiler.collectGarbage")
    metrics = await session.send("Performance.getMetrics")
    return next(row["value"] for row in metrics["metrics"] if row["name"] == "JSHeapUsedSize") / 1e6


async def nodes(session: CDPSession) -> int:
    """Elements and texts that the page holds, also those that are detached."""
    metrics = await session.send("Performance.getMetrics")
    return int(next(row["value"] for row in metrics["metrics"] if row["name"] == "Nodes"))
