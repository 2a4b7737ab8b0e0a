from __future__ import annotations

from gantry import topology
from gantry.clock import SystemClock
from gantry.event import Accept, Decided, Measure, RawEntry, new_event_id
from gantry.streams.books import Books
from gantry.streams.inlet import Answer, Inlet
from gantry.streams.lanes import Lanes, Limits, Outcome, Settlement
from gantry.streams.leases import Lease
from gantry.streams.processing import Processing

LIMITS = Limits(lease_s=40, batch_max=30, per_minute=60000, burst=100, counts="measures", open_after=3, cooldown_s=30)


async def test_one_event_goes_all_the_way(client, calls, keys):
    inlet = Inlet(calls, keys, "spool", quota=10)
    raw = RawEntry(id=new_event_id(1), src="r", dev="r/0", seq=1, t_dev="", t_rx=1_000_000, body=b"x\n\n")
    assert await inlet.append("r", [raw]) == [Answer.TAKEN]
    assert await inlet.append("r", [raw]) == [Answer.TAKEN_BEFORE]
    lease = Lease(calls, keys, topology.PROCESSOR_DUTY, "me", SystemClock())
    assert await lease.hold()
    processing = Processing(calls, keys, dedup_ttl_s=10)
    [(entry_id, entry)] = await processing.read(lease.token)
    assert entry == raw
    measures = (
        Measure(target="evd", lane="cam", body=b'{"a":"1\\n2"}'),
        Measure(target="crowd", lane="cam", body=b'{"b":1}'),
    )
    done = await processing.commit(lease.token, [Decided(entry_id, entry, Accept("fp", measures))])
    assert done and done.finished == 1
    lanes = Lanes(calls, keys)
    pulled = await lanes.pull()
    assert pulled.moved == 2 and pulled.lanes == {"evd": ["cam"], "crowd": ["cam"]}
    turn = await lanes.turn("evd", LIMITS, ["cam"])
    [grant] = turn.grants
    assert grant.items[0].body == b'{"a":"1\\n2"}' and grant.items[0].event_id == raw.id
    turn = await lanes.turn("evd", LIMITS, [], settle=Settlement(grant=grant, outcome=Outcome.DELIVERED))
    assert turn.settled == "settled" and turn.wait_s is None
    books = Books(client, calls, keys)
    audit = await books.audit()
    assert audit.differences == []
    assert audit.ledger.outcomes["waiting"] == 1 and audit.ledger.outcomes["published"] == 1
    assert (await books.read()).balanced
