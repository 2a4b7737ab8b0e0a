from __future__ import annotations

from prometheus_client import REGISTRY

from builders import Stage, a_measure
from gantry.event import Accept, Filter
from gantry.streams import gauges
from gantry.streams.books import Books


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


async def test_on_an_empty_server_there_is_nothing_to_show(client, calls, keys):
    await client.flushall()
    assert await Books(client, calls, keys).positions() == []


def value(name, **labels):
    return REGISTRY.get_sample_value(name, labels)
