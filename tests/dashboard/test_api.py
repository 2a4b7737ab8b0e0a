from __future__ import annotations

import httpx
import pytest

from builders import Stage, a_letter
from gantry.event import Filter


async def given_some(stage: Stage) -> None:
    await stage.fill_lane(3, lane="cam")
    await stage.entries(2)
    await stage.decide(Filter("allowlist"), a_letter())


async def test_the_process_lives(api: httpx.AsyncClient) -> None:
    assert (await api.get("/healthz")).status_code == 200


async def test_the_ledger_is_told_to_the_number(api: httpx.AsyncClient, stage: Stage) -> None:
    await given_some(stage)
    said = (await api.get("/api/ledger")).json()
    assert said["received"] == 5 and said["balanced"]
    assert said["events"]["filtered"] == 1 and said["events"]["dead_in"] == 1 and said["outcomes"]["waiting"] == 3


@pytest.mark.parametrize(
    "path",
    [
        "/api/rate?window=0",
        "/api/rate?window=601",
        "/api/rate?window=x",
        "/api/rate?other=1",
        "/api/rate?window=1&window=2",
    ],
)
async def test_bad_input_is_refused_in_a_sentence(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.get(path)
    assert answer.status_code == 400 and answer.json()["error"]
