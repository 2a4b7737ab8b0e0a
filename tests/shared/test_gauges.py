from __future__ import annotations

import asyncio

from prometheus_client import REGISTRY

from builders import Stage, a_measure
from gantry.event import Accept, Filter
from gantry.streams import gauges
from gantry.streams.books import Books
from wait import until


async def test_gauges_say_what_the_ledger_and_the_groups_say(client, calls, keys):
    stage = Stage(client, calls)
    await stage.lead()
    await stage.entries(4)
    await stage.decide(Accept("", (a_measure("a"), a_measure("b"))), Filter("stop"))
    await stage.lanes.pull(1)
    books = Books(client, calls, keys)
    gauges.show(await books.read(), ("received", "filtered", "waiting"))
    gauges.show_positions(await books.positions())
    assert [value("gantry_ledger", term=term) for term in ("received", "filtered", "waiting")] == [4, 1, 2]
    assert value("gantry_ledger_imbalance", line="events") == 0
    assert value("gantry_stream_lag", stream="events", group="publisher") == 1
    assert value("gantry_stream_pending", stream="events", group="publisher") == 1
    assert value("gantry_stream_lag", stream="raw", group="processor") == 2


async def test_who_appends_shows_what_was_received(client, calls, keys):
    stop = asyncio.Event()
    await Stage(client, calls).entries(3)
    running = asyncio.create_task(gauges.Received(Books(client, calls, keys)).run(stop))

    async def shown() -> bool:
        return value("gantry_ledger", term="received") == 3

    await until(shown, "the gauge")
    stop.set()
    await running


async def test_on_an_empty_server_there_is_nothing_to_show(client, calls, keys):
    await client.flushall()
    assert await Books(client, calls, keys).positions() == []


def value(name, **labels):
    return REGISTRY.get_sample_value(name, labels)
