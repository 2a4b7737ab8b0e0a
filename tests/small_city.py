"""A small city on a server, as the services leave it: for looking at, and for tests of what shows it."""

from __future__ import annotations

import json
import math
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from builders import Stage, a_letter, a_measure, a_raw, some_limits
from gantry import topology
from gantry.event import Accept, Filter, LetterClass
from gantry.streams.actions import Action, Actions
from gantry.streams.controls import Controls, Note
from gantry.streams.lanes import Outcome, Settlement

LIMITS = some_limits()
NAMES = ("Plaza Mayor", "Puerta Norte", "Calle Real", "Mercado", "Estación", "Puente Viejo")
MINUTE_S, HOUR_S = 60, 3600


def iso(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def a_body(number: int, at_s: float, name: str = "", **more: Any) -> bytes:
    given = {"TimeInstant": iso(at_s), "count": number % 7, "lane": 1 + number % 3, **({"name": name} if name else {})}
    return orjson.dumps(given | more)


async def build(stage: Stage, runtime: Path | None = None) -> None:
    """Devices of both targets, delivered, waiting, held; duplicates, letters, an open breaker."""
    stage.processing.test_clock = stage.lanes.test_clock = ""  # the server's own clock
    await stage.lead()
    await _measures(stage)
    await _ends(stage)
    await _standstills(stage)
    await _history(stage)
    await alive(stage)
    if runtime:
        write_log(runtime)


async def receive(stage: Stage, count: int, dev: str) -> None:
    """The next `count` events of a device, just now."""
    first = stage.numbers.get(dev, 0) + 1
    stage.numbers[dev] = first + count - 1
    now = time.time_ns() // 1000
    await stage.receive(*(a_raw(number, dev, t_rx=now - 200_000 + number) for number in range(first, first + count)))


async def wait_in(stage: Stage, lane: str, target: str, count: int, name: str = "") -> None:
    """So many measures of a device that the platform knows stand in its lane."""
    await stage.client.hsetnx(stage.keys.lane_state(target), f"{lane}:batch", 30)
    await receive(stage, count, lane)
    bodies = [a_body(n, time.time() - count + n, name) for n in range(count)]
    await stage.decide(*(Accept("", (a_measure(lane, target, body),)) for body in bodies))
    await stage.lanes.pull()


async def _measures(stage: Stage) -> None:
    now = time.time()
    for number, name in enumerate(NAMES):
        target = topology.CROWD if number % 3 == 2 else topology.EVD
        lane = f"9C0AA51PAZ{number:05}"
        await stage.client.hsetnx(stage.keys.lane_state(target), f"{lane}:batch", 30)
        await receive(stage, 8, f"ivss/{number}")
        bodies = [a_body(n, now - 60 + n, name) for n in range(8)]
        await stage.decide(*(Accept("", (a_measure(lane, target, body),)) for body in bodies))
    await stage.lanes.pull()
    for number in range(len(NAMES) - 1):
        target = topology.CROWD if number % 3 == 2 else topology.EVD
        turn = await stage.lanes.turn(target, LIMITS, [f"9C0AA51PAZ{number:05}"])
        settlement = Settlement(grant=turn.grants[0], outcome=Outcome.DELIVERED, reason="")
        await stage.lanes.turn(target, LIMITS, [], settle=settlement, want=0)


async def _ends(stage: Stage) -> None:
    await receive(stage, 6, "ivss/0")
    measure = a_measure("9C0AA51PAZ00000", topology.EVD, a_body(1, time.time(), NAMES[0]))
    await stage.decide(
        Accept("same", (measure,)),
        Accept("same", (measure,)),
        Filter("stop"),
        Filter("allowlist"),
        a_letter(LetterClass.QUARANTINE, "unknown_code:FaceRecognition"),
        a_letter(LetterClass.IN, "broken: no UTC"),
    )
    for n in range(3):
        await wait_in(stage, f"refused-{n}", topology.CROWD, 1)
        turn = await stage.lanes.turn(topology.CROWD, LIMITS, [f"refused-{n}"])
        answer = '{"name":"BAD_TIMESTAMP","message":"Invalid timestamp"}'
        settlement = Settlement(grant=turn.grants[0], outcome=Outcome.REFUSED, reason="BAD_TIMESTAMP", answer=answer)
        await stage.lanes.turn(topology.CROWD, LIMITS, [], settle=settlement, want=0)


async def _standstills(stage: Stage) -> None:
    controls = Controls(stage.client, stage.calls, stage.keys)
    await wait_in(stage, "held-by-people", topology.EVD, 40)
    await controls.hold("evd", "held-by-people", Note("ana@dashboard", "new lens, wait until Thursday"))
    await wait_in(stage, "unknown-there", topology.CROWD, 5)
    turn = await stage.lanes.turn(topology.CROWD, LIMITS, ["unknown-there"])
    settlement = Settlement(grant=turn.grants[0], outcome=Outcome.HOLD, delay_s=120, reason="DEVICE_NOT_FOUND")
    await stage.lanes.turn(topology.CROWD, LIMITS, [], settle=settlement, want=0)
    await controls.open_breaker("crowd", Note("ana", "they restart the platform"), for_s=600)
    await stage.client.hset(stage.keys.over_limit("evd"), "9C0AA51PAZ00001", "84.0 60.0 1203")
    log = Actions(stage.client, stage.calls, stage.keys)
    await log.record(Action(who="operator", role="operator", origin="127.0.0.1", what="hold", scope="held-by-people"))
    await log.record(Action(who="ana", role="operator", origin="cli", what="breaker.open", scope="crowd, for 600 s"))


async def _history(stage: Stage) -> None:
    """What came in the 90 days before, as a city breathes."""
    now = int(time.time())
    for period, step, count in (("minutes", MINUTE_S, 1500), ("hours", HOUR_S, 2184)):
        fields = {}
        for start in range(now // step * step - count * step, now // step * step, step):
            day = 1.1 - math.cos(2 * math.pi * (start % 86400) / 86400)
            fields[f"{start}:evd"] = int(day * step / 6 * (1 + 0.2 * math.sin(start / 977)))
            fields[f"{start}:crowd"] = int(day * step / 14 * (1 + 0.3 * math.sin(start / 1511)))
        await stage.client.hset(stage.keys.rollup(period), mapping=fields)


async def alive(stage: Stage, *, ttl_s: int = 3600, healthy: bool = False) -> None:
    """What each service says of itself; unless `healthy`, a recorder is lost and publishers differ."""
    now_ms = int(time.time() * 1000)
    limits = {"per_minute": 60, "burst": 10, "counts": "measures", "requests_per_s": 0}
    recorder = {"host": "10.0.0.12", "connected": True, "since_ms": now_ms - 7_200_000, "last_byte_ms": now_ms - 900}
    recorder |= {"last_event_ms": now_ms - 4_000, "spooled": 0, "reachable": True, "reason": ""}
    lost = {**recorder, "host": "10.0.0.13", "connected": False, "reachable": False, "reason": "connect: timed out"}
    axis = {"port": 4443, "pushes": 1532, "refused": 2, "last_push_ms": now_ms - 31_000}
    says: dict[str, dict[str, Any]] = {
        "ingest-dahua": {
            "recorders": {"north": recorder} if healthy else {"north": recorder, "south": lost},
            "vpn": {"iface": "ppp0", "up": True},
        },
        "ingest-axis": {**axis, "certificate_until_ms": now_ms + 86_400_000 * 300},
        "processor": {"active": True, "dedup_ttl_s": 10.0, "plates": "drop", "maps": {"allowlist": 5}},
        "publisher": {"platform": "https://platform.example:18185", "answers": {}, "limits": limits},
        "journal": {},
    }
    for service, said in says.items():
        settings = {
            "LOG_LEVEL": {"value": "info", "origin": "default"},
            "REDIS_URL": {"value": "unix:///run/redis.sock", "origin": "environment"},
            "IOTA_APIKEY_EVD": {"value": "***", "origin": "file"},
            "IOTA_CA_FILE": {"value": "", "origin": "default"},
        }
        instances = {"processor": ("test",), "publisher": ("a",) if healthy else ("a", "b")}
        for instance in instances.get(service, ("a",)):
            key = stage.keys.alive(service, instance)
            fields: dict[str, Any] = {
                "state": "ready",
                "reason": "",
                "since": int(time.time()) - 86_400,
                "version": "1",
            }
            fields |= {"configuration": f"1f3a{instance}", "port": 9110, "says": json.dumps(said)}
            await stage.client.hset(key, mapping={**fields, "settings": json.dumps(settings)})
            await stage.client.expire(key, ttl_s)


def a_line(number: int, **changed: Any) -> dict[str, Any]:
    """A line of the event log."""
    now = time.time() - number * 3
    at_ms = int(now * 1000)
    line = {
        "at": f"receipts/{at_ms}-0/0",
        "outcome": "published",
        "id": f"01k{number:023d}",
        "family": "EVD",
        "device": f"9C0AA51PAZ{number % 6:05}",
        "dev": f"ivss/{number % 6}",
        "src": "ivss",
        "what": "TrafficJunction",
        "received": iso(now - 0.31),
        "ended": iso(now),
        "detail": "",
        "target": "evd",
        "seq": 1000 - number,
        "attempts": 1,
        "receipt": f"{at_ms}-0",
        "letter": None,
        "measure": json.loads(a_body(number, now, NAMES[number % 6])),
    }
    return line | changed


def write_log(runtime: Path) -> None:
    """A log as the journal writes it, oldest first."""
    runtime.mkdir(parents=True, exist_ok=True)
    lines = [a_line(number) for number in range(150)]
    ended = {"receipt": None, "measure": None, "attempts": None, "seq": None, "target": "", "device": "ivss/2"}
    lines[2] = a_line(2, outcome="filtered", detail="stop", **ended)
    lines[4] = a_line(4, outcome="deduplicated", detail=f"01k{5:023d}", **ended)
    lines[6] = a_line(6, outcome="dead", detail="unknown_code:FaceRecognition", letter="1760000000000-0", **ended)
    text = b"".join(orjson.dumps(line) + b"\n" for line in reversed(lines))
    (runtime / "events.json").write_bytes(text)
