"""Reading the facts of a status from a real server."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gantry import status
from gantry.errors import Unavailable
from gantry.streams.books import Books
from gantry.streams.client import Client, connect
from gantry.streams.controls import Controls
from gantry.streams.scripts import Calls, Scripts
from gantry.topology import Topology


async def test_alive_processes_last_events_and_books_are_read(client: Client, calls: Calls, keys: Topology) -> None:
    await client.hset(keys.alive("processor", "a"), mapping={"state": "ready", "says": b'{"active":true}'})
    await client.hset(keys.alive("publisher", "b:c"), mapping={"state": "unready", "says": b"not JSON"})
    await client.hset(keys.last, "evd", b"1760000000000\ne1\nr/0\ncam\n1760000000000000\n{}")
    await client.zadd(keys.dedup, {"f": 1, "g": 2})
    await client.hincrby(keys.ledger, "received", 3)
    facts = await status.gather(client, keys, Books(client, calls, keys), Controls(client, calls, keys))
    said = [(one.service, one.instance, one.state, one.says) for one in facts.speakers]
    assert said == [("processor", "a", "ready", {"active": True}), ("publisher", "b:c", "unready", {})]
    assert facts.ledger is not None
    assert facts.ledger.received == 3
    assert facts.measures["evd"].event_id == "e1"
    assert facts.fingerprints == 2
    assert facts.unknown is None
    assert [circuit.target for circuit in facts.circuits] == ["evd", "crowd"]
    assert await status.read_last(client, keys, "evd") == facts.measures["evd"]
    assert await status.read_last(client, keys, "unknown") is None


async def test_a_server_that_is_away_is_unavailable() -> None:
    nobody = connect("redis://127.0.0.1:1/0", "tests")
    keys, calls = Topology(), Scripts(nobody)
    with pytest.raises(Unavailable):
        await status.gather(nobody, keys, Books(nobody, calls, keys), Controls(nobody, calls, keys))
    with pytest.raises(Unavailable):
        await status.read_last(nobody, keys, "evd")
    await nobody.aclose()


@pytest.mark.parametrize(
    ("service", "says"),
    [
        ("ingest-dahua", b'{"recorders": ["r1"]}'),
        ("ingest-dahua", b'{"recorders": {"r1": 7}}'),
        ("ingest-dahua", b'{"vpn": "ppp0"}'),
        ("processor", b'{"maps": [], "dedup_ttl_s": "ten"}'),
        ("publisher", b'{"answers": {"evd": {"code": "200", "at_ms": null}}}'),
        ("publisher", b"7"),
        ("publisher", b"\xff"),
    ],
)
async def test_what_a_process_of_another_version_says_stops_nothing(
    client: Client, calls: Calls, keys: Topology, service: str, says: bytes
) -> None:
    await client.hset(keys.alive(service, "a"), mapping={"state": "ready", "says": says})
    facts = await status.gather(client, keys, Books(client, calls, keys), Controls(client, calls, keys))
    told = status.document(facts, now=datetime.now(UTC))
    assert told["ivss"]["connected"] is None and told["iota"]["last_code"] is None
