"""A server filled to maxmemory drains to empty, and what must never be refused is not."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis.exceptions

from builders import FakeClock, Stage, a_measure, a_raw, patient, some_limits
from gantry import topology
from gantry.embedded import Embedded
from gantry.errors import Unavailable
from gantry.event import Accept, Decided
from gantry.streams import groups
from gantry.streams.books import Books
from gantry.streams.client import Client, connect
from gantry.streams.inlet import Answer, Inlet
from gantry.streams.lanes import Lanes, Outcome, Settlement
from gantry.streams.leases import Lease
from gantry.streams.processing import Processing
from gantry.streams.scripts import LADDER, Scripts
from gantry.topology import Topology

KEYS = Topology()
BODY = b'{"filler":"' + b"x" * 300 + b'"}'
MEASURES_AN_EVENT = 3  # what was read grows when it is processed
LIMITS = some_limits(burst=100_000)


@pytest.fixture(scope="module")
def small_server() -> Iterator[Embedded]:
    with tempfile.TemporaryDirectory(prefix="gantry-", dir="/tmp") as folder:
        server = Embedded(Path(folder) / "redis", maxmemory="10mb")
        server.start()
        yield server
        server.stop()


@pytest.fixture
async def small(small_server: Embedded) -> AsyncIterator[Client]:
    connection = connect(small_server.url, "full")
    await connection.flushall()
    await groups.prepare(connection, KEYS)
    yield connection
    await connection.aclose()


@pytest.fixture
async def line(small):
    """The whole line with its ladder on."""
    stage = Stage(small, patient(small), ladder=0)
    stage.processing = Processing(stage.calls, KEYS, dedup_ttl_s=10, ladder=LADDER["commit"])
    stage.lanes = Lanes(stage.calls, KEYS, ladder=LADDER["pull"])
    await stage.lead()
    return stage


async def share(client: Client) -> float:
    info = await client.info("memory")
    return info["used_memory"] / info["maxmemory"]


async def fill_raw(line: Stage) -> int:
    """Append until the ladder refuses; how many were taken."""
    inlet, taken = Inlet(line.calls, KEYS, "spool", quota=10**6), 0
    while True:
        batch = [a_raw(taken + n + 1, f"r/{n % 20}", body=BODY) for n in range(200)]
        answers = await inlet.append("r", batch)
        taken += answers.count(Answer.TAKEN)
        if Answer.SITE_FULL in answers:
            return taken


async def move_on(line: Stage) -> bool:
    """Process and pull as far as memory allows; whether anything moved."""
    batch = await line.processing.read(line.token)
    decided = [
        Decided(i, raw, Accept("", tuple(a_measure(raw.dev, body=BODY) for _ in range(MEASURES_AN_EVENT))))
        for i, raw in batch
    ]
    done = await line.processing.commit(line.token, decided) if decided else None
    pulled = await line.lanes.pull()
    trimmed = await groups.trim(line.calls, KEYS)
    return bool((done and done.finished) or pulled.moved or trimmed)


async def deliver(line: Stage) -> int:
    """One turn of a platform that takes everything."""
    turn = await line.lanes.turn(topology.EVD, LIMITS, [])
    delivered = 0
    while turn.hints or turn.grants:
        settle = None
        if turn.grants:
            settle = Settlement(grant=turn.grants[0], outcome=Outcome.DELIVERED)
            delivered += len(turn.grants[0].items)
        turn = await line.lanes.turn(topology.EVD, LIMITS, turn.hints, settle=settle)
    return delivered


async def audited(client: Client):
    audit = await Books(client, Scripts(client), KEYS).audit()
    assert audit.differences == []
    return audit.ledger


async def test_with_the_platform_down_the_ladder_stops_each_step_and_later_all_drains(small, line):
    taken = await fill_raw(line)
    assert 0.55 < await share(small) < 0.65  # the script itself, with its arguments, counted too
    while await move_on(line):
        pass
    assert await share(small) < 0.95
    stuck = await audited(small)
    assert stuck.outcomes["waiting"] > 0 and stuck.events["in_raw"] > 0
    published = 0
    while (left := await audited(small)).outcomes["waiting"] or left.events["in_raw"]:
        await move_on(line)  # now and then it moves nothing, where receipts had filled what they have just freed
        published += await deliver(line)
    ledger = await audited(small)
    assert (ledger.received, ledger.events["in_raw"]) == (taken, 0)
    assert ledger.outcomes["published"] == published == taken * MEASURES_AN_EVENT


async def test_at_maxmemory_lanes_settle_and_duties_are_kept(small, line):
    await line.fill_lane(50)
    lease = Lease(line.calls, KEYS, "duty", "me", FakeClock())
    assert await lease.hold()
    await crowd_out(small)
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        await small.set("one-more", "x" * 100)
    refused = await Inlet(line.calls, KEYS, "spool", quota=10**6).append("r", [a_raw(10**6)])
    assert refused == [Answer.SITE_FULL]
    assert (await line.lanes.pull()).moved == 0
    assert await lease.hold()
    await groups.enlist(line.calls, KEYS, "me")
    await line.calls.once("alive", [KEYS.alive("publisher", "me")], [10_000, "state", "ready"])
    turn = await line.lanes.turn(topology.EVD, some_limits(batch_max=1), ["cam"])
    for outcome in (Outcome.DELIVERED, Outcome.REFUSED, Outcome.RETRY):  # receipt, letter, breaker and back-off
        settle = Settlement(grant=turn.grants[0], outcome=outcome)
        turn = await line.lanes.turn(topology.EVD, some_limits(batch_max=1), ["cam"], settle=settle)
        assert turn.settled == "settled"
    ledger = await audited(small)
    assert (ledger.outcomes["published"], ledger.outcomes["dead_out"], ledger.outcomes["waiting"]) == (1, 1, 48)


async def crowd_out(client: Client) -> None:
    """Somebody else's data fills the server to the brim."""
    number = 0
    for size in (100_000, 1000, 50):
        try:
            while True:
                number += 1
                await client.set(f"crowd:{number}", "x" * size)
        except redis.exceptions.OutOfMemoryError:
            continue


async def test_a_server_without_the_ladder_refuses_and_nothing_is_half_done(small, line):
    """The ladder is ours; the server's own refusal must come before a script's first write."""
    await crowd_out(small)
    with pytest.raises(Unavailable):
        await Inlet(line.calls, KEYS, "spool", quota=10, ladder=0).append("r", [a_raw(1)])
    assert (await audited(small)).received == 0


async def test_on_a_full_server_without_the_journals_groups_the_others_start(small):
    await small.delete(KEYS.receipts, KEYS.outcomes)  # as a version before left it
    await crowd_out(small)
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        await small.set("one-more", "x" * 100)
    await groups.prepare(small, KEYS)
    assert not await small.exists(KEYS.outcomes)
