"""The first page under 100 events a second: neither browser nor dashboard grows (`make soak NAME=dashboard`)."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from end_to_end import chromium
from end_to_end.rig import Rig, rig

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(0)]

SECONDS = float(os.environ.get("DASHBOARD_SECONDS", "25"))
SAMPLES = 12
RATE = 100
LIMITS = {"heap": 6.0, "nodes": 3000.0, "dashboard": 12.0, "journal": 12.0}  # by how much each may grow; MB, but nodes


@dataclass(frozen=True)
class Sample:
    at: float
    heap: float
    nodes: float
    dashboard: float
    journal: float

    def __str__(self) -> str:
        return (
            f"{self.at:6.0f} s  heap {self.heap:5.1f} MB  nodes {self.nodes:6.0f}  "
            f"dashboard {self.dashboard:5.1f} MB  journal {self.journal:5.1f} MB"
        )


@pytest.fixture
async def city(tmp_path: Path):
    chromium.binary()
    async with rig(tmp_path, RUNTIME_DIR=str(tmp_path / "runtime")) as made:
        made.settings["DASHBOARD_PORT"] = str(made.ports.free(0))
        await made.agent(record=False)
        await made.recorder("--generate", "--rate", str(RATE), "--channels", "20", "--seed", "5")
        names = ("publisher", "processor", "journal", "dashboard", "ingest-dahua")
        for name in names:
            made.service(name)
        await made.ready(*names)
        yield made


async def test_an_open_page_does_not_grow(city: Rig) -> None:
    errors: list[str] = []
    async with chromium.launched() as browser:
        page = await browser.new_page()
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.goto(f"http://127.0.0.1:{city.settings['DASHBOARD_PORT']}/")
        session = await page.context.new_cdp_session(page)
        await session.send("Performance.enable")
        samples = await watch(city, session)
    for sample in samples:
        print(sample)  # noqa: T201 - the figures of a soak
    ledger = await city.ledger()
    print(f"received {ledger.received}, published {ledger.outcomes['published']}")  # noqa: T201 - the same
    assert errors == []
    assert ledger.received > SECONDS * RATE / 2
    grown = growth(samples)
    assert {name: round(by, 1) for name, by in grown.items() if by > LIMITS[name]} == {}


async def watch(city: Rig, session) -> list[Sample]:
    begun, samples = time.monotonic(), []
    for number in range(1, SAMPLES + 1):
        await asyncio.sleep(max(0.0, begun + number * SECONDS / SAMPLES - time.monotonic()))
        samples.append(
            Sample(
                time.monotonic() - begun,
                await chromium.heap_mb(session),
                await chromium.nodes(session),
                city.rss_mb("dashboard"),
                city.rss_mb("journal"),
            )
        )
    return samples


def growth(samples: list[Sample]) -> dict[str, float]:
    """The last third's median against the second's: the first warms up."""
    third = len(samples) // 3

    def middle(part: list[Sample], name: str) -> float:
        return float(sorted(getattr(sample, name) for sample in part)[len(part) // 2])

    return {name: middle(samples[2 * third :], name) - middle(samples[third : 2 * third], name) for name in LIMITS}
