"""What a server forgets over a restart must not unsettle the books: Redis 7.0 forgets how far a group has read."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from builders import Stage, a_measure, patient
from contract.conftest import BINARIES
from gantry.embedded import Embedded
from gantry.event import Accept, Decided
from gantry.streams import groups
from gantry.streams.books import Books
from gantry.streams.client import Client, connect
from gantry.topology import Topology
from wait import until

KEYS = Topology()


@pytest.fixture(params=[*BINARIES])
def own_server(request: pytest.FixtureRequest) -> Iterator[Embedded]:
    with tempfile.TemporaryDirectory(prefix="gantry-", dir="/tmp") as folder:
        embedded = Embedded(Path(folder) / "redis", binary=BINARIES[request.param], maxmemory="64mb")
        embedded.start()
        yield embedded
        embedded.stop()


@pytest.mark.parametrize("end", ["stop", "kill"])
@pytest.mark.parametrize("rewrite", [False, True], ids=["", "after a rewrite"])
async def test_the_books_balance_after_a_restart(own_server: Embedded, end: str, rewrite: bool) -> None:
    client = connect(own_server.url, "restart")
    await groups.prepare(client, KEYS)
    stage = Stage(client, patient(client))
    await stage.lead()
    await stage.entries(30)
    batch = await stage.processing.read(stage.token, 20)
    decided = [Decided(entry_id, raw, Accept("", (a_measure(),))) for entry_id, raw in batch[:12]]
    await stage.processing.commit(stage.token, decided)
    await stage.lanes.pull(7)
    await groups.trim(stage.calls, KEYS)
    if rewrite:
        await client.bgrewriteaof()
        await until(partial(rewritten, client), "the rewrite to end")
    await client.aclose()
    getattr(own_server, end)()
    own_server.start()
    client = connect(own_server.url, "restart")
    stage = Stage(client, patient(client))
    audit = await Books(client, stage.calls, KEYS).audit()
    assert audit.differences == []
    assert (audit.recount["pending"], audit.recount["lag"], audit.recount["raw_open"]) == (7, 5, 18)
    assert [i for i, _ in await stage.processing.read(stage.token, 20)] == [i for i, _ in batch[12:]]
    await client.aclose()


async def rewritten(client: Client) -> bool:
    info = await client.info("persistence")
    return not info["aof_rewrite_in_progress"] and not info["aof_rewrite_scheduled"]
