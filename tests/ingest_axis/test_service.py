from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from builders import FakeClock
from gantry.errors import Unavailable
from gantry.event import new_event_id
from gantry.health import Health
from gantry.streams.client import Client
from gantry.streams.scripts import Calls, Scripts
from gantry.topology import Topology
from ingest_axis import retail
from ingest_axis.service import BATCH, BATCH_BYTES, Intake, NoRoom, batches
from ingest_axis.standing import Standing

KEYS = Topology()
PushOf = Callable[..., dict[str, Any]]


class Shaky:
    """A way to Redis that fails as told: before the script ran, or after it, with the reply lost."""

    def __init__(self, calls: Calls, *faults: str) -> None:
        self._calls, self.faults, self.calls = calls, list(faults), 0

    async def once(self, name: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        self.calls += 1
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "before":
            raise Unavailable("before")
        answer = await self._calls.once(name, keys, arguments)
        if fault == "after":
            raise Unavailable("after")
        return answer

    async def sure(self, name: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        return await self._calls.sure(name, keys, arguments)


def an_intake(client: Client, calls: Calls | None = None, **changed: Any) -> Intake:
    clock = FakeClock()
    standing = Standing(client, Health(clock), clock, accept_weak=True)
    given = {"quota": 10**6, "stop": asyncio.Event(), "patience_s": 5.0, **changed}
    return Intake(
        calls=calls or Scripts(client), keys=KEYS, standing=standing, clock=clock, new_id=new_event_id, **given
    )


def parsed(document: dict[str, Any], serial: str = "9c0aa5000001") -> retail.Push:
    return retail.read(json.dumps({**document, "sensor": {"serial": serial}}).encode())


async def numbers(client: Client, serial: str = "9c0aa5000001") -> list[int]:
    reply = await client.xrange(KEYS.raw)
    return [int(fields[b"seq"]) for _, fields in reply if fields[b"dev"] == serial.encode()]


async def test_two_pushes_of_a_device_do_not_mix(client: Client, push: PushOf) -> None:
    intake, one = an_intake(client), parsed(push(5000))
    await asyncio.gather(intake.store(one, 1), intake.store(one, 2))
    assert await numbers(client) == 2 * list(range(1, 5001))
    assert not intake._turns


async def test_a_small_push_need_not_wait_for_a_big_one(client: Client, push: PushOf) -> None:
    intake = an_intake(client)
    big = asyncio.create_task(intake.store(parsed(push(10_000)), 1))
    await asyncio.sleep(0)
    await intake.store(parsed(push(1), serial="9c0aa5000002"), 1)
    assert not big.done()
    await big
    assert await numbers(client, "9c0aa5000002") == [1]


@pytest.mark.parametrize("fault", ["before", "after"])
async def test_a_fault_in_mid_push_neither_loses_nor_repeats(client: Client, push: PushOf, fault: str) -> None:
    shaky = Shaky(Scripts(client), "", fault, fault, "")
    await an_intake(client, shaky).store(parsed(push(700)), 1)
    assert await numbers(client) == list(range(1, 701))
    assert shaky.calls == 6


async def test_redis_away_from_the_start_is_refused_at_once(client: Client, push: PushOf) -> None:
    shaky = Shaky(Scripts(client), "before")
    with pytest.raises(NoRoom, match="Redis does not answer"):
        await an_intake(client, shaky).store(parsed(push(1)), 1)
    assert shaky.calls == 1


async def test_patience_ends_and_what_was_taken_stays(client: Client, push: PushOf) -> None:
    with pytest.raises(NoRoom, match="DEVICE_QUOTA"):
        await an_intake(client, quota=250, patience_s=0.3).store(parsed(push(400)), 1)
    assert await numbers(client) == list(range(1, 251))


async def test_stopping_ends_patience(client: Client, push: PushOf) -> None:
    stop = asyncio.Event()
    stop.set()
    shaky = Shaky(Scripts(client))
    with pytest.raises(NoRoom):
        await an_intake(client, shaky, quota=3, patience_s=3600.0, stop=stop).store(parsed(push(4)), 1)
    assert shaky.calls == 1


async def test_a_full_site_is_said(client: Client, push: PushOf) -> None:
    before = (await client.config_get("maxmemory"))["maxmemory"]
    await client.config_set("maxmemory", "1mb")
    try:
        with pytest.raises(NoRoom, match="Redis is full"):
            await an_intake(client, patience_s=0.2).store(parsed(push(1)), 1)
    finally:
        await client.config_set("maxmemory", before)


async def test_the_memory_of_a_push_runs_out(client: Client, push: PushOf) -> None:
    await an_intake(client).store(parsed(push(1)), 1)
    [producer] = [key async for key in client.scan_iter(match=KEYS.producer("*"))]
    assert 3500 < await client.ttl(producer) <= 3600


def test_batches_are_bounded_in_number_and_in_bytes(push: PushOf) -> None:
    assert [len(batch) for batch in batches(parsed(push(401)), 1, new_event_id)] == [BATCH, BATCH, 1]
    fat = [{"note": "x" * 300_000}] * 8
    sizes = [[len(entry.body) for entry in batch] for batch in batches(parsed({"data": {"measurements": fat}}), 1, str)]
    assert sum(map(len, sizes)) == 8
    assert all(sum(batch) <= BATCH_BYTES for batch in sizes)
