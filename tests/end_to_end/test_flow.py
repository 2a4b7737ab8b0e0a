"""All kinds of events of the twins through the whole of Gantry, and what may be seen of them where."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from end_to_end import comparison
from end_to_end.rig import KEYS, PASSWORD, TOKEN, Rig, rig
from wait import until

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(120)]

EVENTS = 120
PLATE = re.compile(rb"\b\d{4}[B-Z]{3}\b")


@pytest.fixture
async def whole(tmp_path: Path):
    async with rig(tmp_path) as made:
        await made.agent()
        await made.recorder("--generate", "--rate", "100", "--events", str(EVENTS), "--channels", "3", "--seed", "9")
        for name in ("publisher", "processor", "ingest-axis"):
            made.service(name)
        await made.ready("publisher", "processor", "ingest-axis")
        yield made


async def test_every_kind_arrives_and_the_books_balance(whole: Rig) -> None:
    whole.counter("--counters", "1", "--interval", "1", "--history-hours", "1", "--pushes", "2", "--seed", "9")
    whole.service("ingest-dahua")
    await everything_acknowledged(whole)
    produced, acked = comparison.minutes(whole.folder / "minutes.ndjson")
    await whole.reaches("received", EVENTS + len(produced))
    audit = await whole.drained()
    assert audit.differences == []
    rows = whole.measures()
    sent = await whole.ask("twin-recorder", "/twin/sent?from=1")
    assert kinds(rows) == {row["code"] for row in sent} | {"people-counts"}
    stops = sum(row["action"] == "Stop" for row in sent)
    assert audit.ledger.beside["filtered:stop"] == stops
    assert acked <= set(comparison.arrived(rows).counts) and acked == set(produced)
    assert {row["target"] for row in rows if row["body"]["event"] == "TrafficJunction"} == {"evd"}
    assert all(row["body"] for row in rows)


async def everything_acknowledged(whole: Rig) -> None:
    async def done() -> bool:
        return not whole.children["twin-counter"].alive

    await until(done, "the counter to have pushed and heard 200")


def kinds(rows: list) -> set[str]:
    return {row["body"]["event"] for row in rows}


async def test_no_plate_and_no_secret_stands_behind_the_processor(whole: Rig) -> None:
    whole.service("ingest-dahua")
    await whole.reaches("received", EVENTS)
    await whole.drained()
    assert "TrafficJunction" in kinds(whole.measures())
    texts = [(whole.folder / "measures.ndjson").read_bytes()]
    for stream in ("events", "receipts", "dead"):
        texts += [b" ".join(fields.values()) for _, fields in await whole.client.xrange(f"gantry:{{main}}:{stream}")]
    services = ("publisher", "processor", "ingest-axis", "ingest-dahua")
    metrics = [(await whole.http.get(f"{whole.urls[name]}/metrics")).content for name in services]
    logs = [whole.log(name).encode() for name in services]
    assert [found for text in (*texts, *metrics, *logs) for found in PLATE.findall(text)] == []
    for secret in (*KEYS.values(), TOKEN, PASSWORD):
        assert [text for text in (*metrics, *logs) if secret.encode() in text] == []
