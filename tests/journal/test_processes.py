"""The journal as a process: its files, who writes, and how it stops."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import orjson
import pytest
import streams
from streams import outcome, receipt

from end_to_end.rig import Rig, rig
from gantry.topology import Topology
from wait import until

pytestmark = pytest.mark.end_to_end
KEYS = Topology()


@pytest.fixture
async def whole(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path, RUNTIME_DIR=str(tmp_path / "runtime"), LOG_ROTATE_BYTES="4000") as made:
        yield made


async def written(whole: Rig, count: int) -> None:
    async def enough() -> bool:
        try:
            return len(streams.lines(whole.folder / "runtime")) >= count
        except FileNotFoundError:  # not there yet, or renamed or packed just now
            return False

    await until(enough, f"{count} lines; see {whole.folder}/journal.log")


async def document(whole: Rig, name: str) -> dict[str, object]:
    path = whole.folder / "runtime" / name

    async def there() -> bytes:
        return path.read_bytes() if path.exists() else b""

    return orjson.loads(await until(there, f"{name} to be written"))


async def test_lines_parts_and_status_files(whole: Rig) -> None:
    whole.service("journal")
    await whole.ready("journal")
    for number in range(30):
        await streams.add(whole.client, KEYS, receipt(f"a{number}", f"b{number}"), outcome(f"c{number}"))
    await written(whole, 90)

    async def counted() -> bool:
        return await whole.metric("journal", "gantry_journal_lines_total") == 90

    await until(counted, "90 lines to be counted")
    assert await whole.metric("journal", "gantry_journal_rotations_total") >= 1

    async def packed() -> list[Path]:
        return list((whole.folder / "runtime").glob("*.json.gz"))

    await until(packed, "a part to be packed")
    told = await document(whole, "status.json")
    assert told["service"] == "traffic"
    assert told["total_events_received"] == 0
    assert told["circuit_breaker"] == {"trip_count": 0}
    assert not (whole.folder / "runtime" / "last_evd.json").exists()
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    await whole.client.hset(KEYS.last, "evd", f'{now_ms}\ne1\nr/0\ncam\n{now_ms}000\n{{"count":1}}')
    last = await document(whole, "last_evd.json")
    assert (last["family"], last["id"], last["device"], last["measure"]) == ("EVD", "e1", "cam", {"count": 1})
    assert stat.S_IMODE((whole.folder / "runtime" / "events.json").stat().st_mode) == 0o644
    codes = await whole.stop()
    whole.children.clear()
    assert codes == {"journal": 0}


async def test_a_second_journal_of_the_folder_stands_by_and_takes_over_at_once(whole: Rig) -> None:
    whole.service("journal", INSTANCE="one")
    await whole.ready("journal")
    whole.service("journal", "two", INSTANCE="two")

    async def says_why() -> bool:
        said = await whole.client.hget(KEYS.alive("journal", "two"), "says")
        return b"another journal process writes" in (said or b"")

    await until(says_why, "the second to say that it stands by")
    await streams.add(whole.client, KEYS, outcome("a"))
    await written(whole, 1)
    whole.kill("journal")
    await streams.add(whole.client, KEYS, outcome("b"))
    await written(whole, 2)
    await whole.ready("journal-two")
    assert await whole.client.hget(KEYS.lease("journal"), "holder") == b"two"


async def test_a_journal_of_another_folder_takes_over_after_silence(whole: Rig) -> None:
    whole.service("journal", INSTANCE="one")
    await whole.ready("journal")
    whole.service("journal", "two", INSTANCE="two", RUNTIME_DIR=str(whole.folder / "other"))

    async def says_why() -> bool:
        said = await whole.client.hget(KEYS.alive("journal", "two"), "says")
        return b"the journal one reads this site" in (said or b"")

    await until(says_why, "the second to say that it stands by")
    await whole.ready("journal-two")
    whole.kill("journal")
    await streams.add(whole.client, KEYS, outcome("a"))

    async def there() -> bool:
        path = whole.folder / "other" / "events.json"
        return path.exists() and path.stat().st_size > 0

    await until(there, "the second to write into its own folder")
    assert streams.lines(whole.folder / "runtime") == []


async def test_a_folder_that_cannot_be_made_is_a_reason(whole: Rig) -> None:
    (whole.folder / "file").write_bytes(b"")
    whole.service("journal", RUNTIME_DIR=str(whole.folder / "file" / "runtime"))

    async def told() -> bool:
        try:
            found = (await whole.http.get(f"{whole.urls['journal']}/readyz")).json()
        except httpx.TransportError:
            return False
        return "cannot be locked: Not a directory" in found["missing"].get("duty", "")

    await until(told, "the journal to say why it is not ready")
    assert (await whole.http.get(f"{whole.urls['journal']}/healthz")).status_code == 200
