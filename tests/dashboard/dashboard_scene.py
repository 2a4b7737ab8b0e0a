"""A site in which everything has happened once, made by the real scripts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import orjson

from builders import T0, Stage, a_measure, some_limits
from dashboard.reading import ends
from gantry.event import Accept, Bury, Filter, LetterClass, RawEntry, new_event_id
from gantry.eventlog import Line
from gantry.eventlog.line import encode
from gantry.streams import groups
from gantry.streams.lanes import Outcome, Settlement
from gantry.streams.scripts import text

LANE, OTHER, CROWD_LANE = "9C0AA51PAZ00001", "9C0AA51PAZ00002", "B8A44F000001"
NAMED = b'{"TimeInstant":"2025-10-09T08:53:20.000Z","event":"TrafficJunction","name":"Main gate","count":%d}'
LIMITS = some_limits(per_minute=60, burst=10, batch_max=1)


def ids(count: int, *, at_us: int = T0) -> list[str]:
    return [new_event_id(at_us + n * 1000) for n in range(count)]


async def receive(stage: Stage, *event_ids: str, dev: str = "ivss/3", body: bytes = b"body") -> None:
    first = stage.numbers.get(dev, 0) + 1
    stage.numbers[dev] = first + len(event_ids) - 1
    raws = [
        RawEntry(
            id=event_id, src="ivss", dev=dev, seq=first + n, t_dev="2025-10-09 08:53:20", t_rx=stage.now, body=body
        )
        for n, event_id in enumerate(event_ids)
    ]
    await stage.receive(*raws)


async def accept(
    stage: Stage, event_id: str, lane: str, *, target: str = "evd", dev: str = "ivss/3", mark: str = ""
) -> None:
    await receive(stage, event_id, dev=dev)
    await stage.decide(Accept(mark, (a_measure(lane, target, NAMED % 1),)))


async def send(stage: Stage, lane: str, outcome: Outcome = Outcome.DELIVERED, *, target: str = "evd") -> None:
    """One request and its answer."""
    turn = await stage.lanes.turn(target, LIMITS, [lane])
    said = {"speaks": False, "reason": "BAD_TIMESTAMP", "answer": '{"name":"BAD_TIMESTAMP"}'}
    done = Settlement(grant=turn.grants[0], outcome=outcome, **said)
    await stage.lanes.turn(target, LIMITS, [], settle=done, want=0)


async def say(stage: Stage, service: str, says: object, **fields: str) -> None:
    """A process is alive and says something of its work."""
    settings = {
        "CAMERA_PASS": {"value": "***", "origin": "file"},
        "REDIS_URL": {"value": "unix:///x", "origin": "default"},
    }
    given = {"state": "ready", "reason": "", "since": "1760000000", "version": "0.1.0", "configuration": "ab12cd34"}
    given |= {"port": "9100", "says": orjson.dumps(says), "settings": orjson.dumps(settings), **fields}
    await stage.client.hset(stage.keys.alive(service, f"{service}-1"), mapping=given)


RECORDER = {"host": "10.0.0.12", "connected": True, "since_ms": T0 // 1000, "last_byte_ms": 5, "last_event_ms": 6}
RECORDER |= {"spooled": 0, "reachable": True, "reason": ""}
LIMITS_SAID = {"per_minute": 60, "burst": 10, "counts": "measures", "requests_per_s": 0}


async def everybody_speaks(stage: Stage) -> None:
    await say(stage, "ingest-dahua", {"recorders": {"ivss": RECORDER}, "vpn": {"iface": "ppp0", "up": True}})
    await say(
        stage, "ingest-axis", {"port": 4443, "pushes": 7, "refused": 1, "last_push_ms": 9, "certificate_until_ms": 99}
    )
    await say(stage, "processor", {"active": True, "dedup_ttl_s": 10.0, "plates": "drop", "maps": {"allowlist": 1}})
    await say(stage, "publisher", {"platform": "https://agent:18185", "answers": {}, "limits": LIMITS_SAID})


async def everything(stage: Stage) -> dict[str, str]:
    """What became of it → the event's id."""
    names = ("published", "dead", "waiting", "filtered", "original", "deduplicated", "quarantine", "in_raw", "crowd")
    said = dict(zip(names, ids(len(names)), strict=True))
    await stage.lead()
    for name in ("published", "dead", "waiting"):
        await accept(stage, said[name], LANE)
        await stage.lanes.pull()
    await send(stage, LANE)
    stage.tick(2)
    await send(stage, LANE, Outcome.REFUSED)
    await accept(stage, said["original"], OTHER, dev="ivss/4", mark="same")
    await accept(stage, said["deduplicated"], OTHER, dev="ivss/4", mark="same")
    await accept(stage, said["crowd"], CROWD_LANE, target="crowd", dev=CROWD_LANE)
    await stage.lanes.pull()
    await receive(stage, said["filtered"], said["quarantine"])
    await stage.decide(Filter("allowlist"), Bury(LetterClass.QUARANTINE, "unknown_code:X", b'{"Code":"X"}'))
    await receive(stage, said["in_raw"])
    await groups.trim(stage.calls, stage.keys)
    await everybody_speaks(stage)
    return said


async def write_log(stage: Stage, folder: Path) -> None:
    """events.json as a journal would have written it by now."""
    lines = []
    for name, key in ((ends.RECEIPTS, stage.keys.receipts), (ends.OUTCOMES, stage.keys.outcomes)):
        for entry, fields in await stage.client.xrange(key):
            lines += ends.of_entry(name, text(entry), fields)
    write(folder, lines)


def write(folder: Path, lines: Sequence[Line]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "events.json").write_bytes(
        b"".join(encode(line) for line in sorted(lines, key=lambda line: line.ended or ""))
    )


def sent(data: Sequence[tuple[str, bytes]], event: str) -> list[dict[str, object]]:
    """The data of a live stream's events of one kind."""
    return [orjson.loads(each) for name, each in data if name == event]
