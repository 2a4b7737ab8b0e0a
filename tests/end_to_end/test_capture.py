"""A real recorder's bytes through the whole of Gantry, whatever the chunks they come in."""

from __future__ import annotations

from pathlib import Path

import pytest

from end_to_end import comparison
from end_to_end.rig import rig

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(120)]

CAPTURE = "dahua/attach-ipc-wizmind-2026.raw"  # 12 Start, 11 Stop, 50 heartbeats
CROSSINGS, STOPS = 12, 11


@pytest.mark.parametrize("chunk", ["1", "7", "64", "1024", "whole"])
async def test_twelve_crossings_arrive_in_order(tmp_path: Path, captures: Path, chunk: str) -> None:
    async with rig(tmp_path) as whole:
        await whole.agent()
        await whole.recorder("--play", str(captures / CAPTURE), "--chunk", chunk)
        for name in ("publisher", "processor", "ingest-dahua"):
            whole.service(name)
        await whole.reaches("received", CROSSINGS + STOPS)
        audit = await whole.drained()
        rows = whole.measures()
        assert audit.differences == []
        assert audit.ledger.received == CROSSINGS + STOPS
        assert audit.ledger.events["filtered"] == audit.ledger.beside["filtered:stop"] == STOPS
        assert audit.ledger.outcomes["published"] == len(rows) == CROSSINGS
        assert {row["target"] for row in rows} == {"crowd"}
        instants = [row["body"]["TimeInstant"] for row in rows]
        assert instants == sorted(instants) and len(set(instants)) == CROSSINGS
        assert comparison.out_of_order(rows) == []
