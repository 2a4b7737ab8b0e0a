"""Whole processes on a real server: one works, one stands by, and kill -9 loses nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from processor_entries import T_RX, crossing, text_of

from gantry.event import RawEntry
from gantry.runtime import EX_CONFIG
from gantry.streams.books import Books
from gantry.streams.client import Client
from gantry.streams.inlet import BATCH, Inlet
from gantry.streams.scripts import Scripts
from gantry.topology import PROCESSOR_DUTY, Topology
from wait import until

pytestmark = pytest.mark.end_to_end

EVENTS = 4000

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(redis_url: str, tmp_path: Path) -> Iterator[Start]:
    """Starts a processor of a given name; what still runs at the end is killed."""
    running: list[subprocess.Popen[bytes]] = []

    def begin(instance: str, **settings: str) -> subprocess.Popen[bytes]:
        given = {"REDIS_URL": redis_url, "INSTANCE": instance, "METRICS_PORT": "0", "CONFIG_DIR": str(tmp_path)}
        environ = {**os.environ, **given, "LOG_FORMAT": "json", **settings}
        with (tmp_path / f"{instance}.log").open("wb") as log:
            process = subprocess.Popen([sys.executable, "-m", "processor"], env=environ, stdout=log, stderr=log)
        running.append(process)
        return process

    yield begin
    for process in running:
        process.kill()
        process.wait()


async def receive(calls: Scripts, keys: Topology, numbers: range) -> None:
    inlet = Inlet(calls, keys, "spool", quota=10**6, ladder=0)
    raws = [
        RawEntry(
            id=f"e{n}",
            src="ivss",
            dev="ivss/3",
            seq=n,
            t_dev="",
            t_rx=T_RX,
            body=text_of("CrossLineDetection", crossing(EventID=n)),
        )
        for n in numbers
    ]
    for first in range(0, len(raws), BATCH):
        await inlet.append("ivss", raws[first : first + BATCH])


async def test_a_standby_takes_over_when_the_holder_is_killed(
    start: Start, client: Client, calls: Scripts, keys: Topology
) -> None:
    books = Books(client, calls, keys)

    async def leads(name: bytes) -> bool:
        return bool(await client.hget(keys.lease(PROCESSOR_DUTY), "holder") == name)

    async def accepted(least: int) -> bool:
        return (await books.read()).events["accepted"] >= least

    first = start("first")
    await until(lambda: leads(b"first"), "the first to lead")
    second = start("second")

    async def stands_by() -> bool:
        return await client.hget(keys.alive("processor", "second"), "state") == b"ready"

    await until(stands_by, "the second to stand by")
    await receive(calls, keys, range(1, EVENTS + 1))
    await until(lambda: accepted(1), "the first to be at work")
    first.kill()
    await until(lambda: leads(b"second"), "the second to lead")
    await until(lambda: accepted(EVENTS), "all events accepted")
    audit = await books.audit()
    assert audit.balanced, audit.differences
    assert audit.ledger.events == {**dict.fromkeys(audit.ledger.events, 0), "accepted": EVENTS}
    assert await client.xlen(keys.events) == EVENTS
    second.send_signal(signal.SIGTERM)
    assert second.wait(timeout=20) == 0
    assert await leads(b"first") is False and not await client.hexists(keys.lease(PROCESSOR_DUTY), "token")


async def test_it_says_whether_it_is_the_active_one_and_what_is_in_force(
    start: Start, client: Client, keys: Topology, tmp_path: Path
) -> None:
    (tmp_path / "allowlist.txt").write_text("9C0AA51PAZ00001\n9C0AA51PAZ00002\n")
    (tmp_path / "camera_name_map.json").write_text('{"9C0AA51PAZ00001": "North gate"}')
    start("first", DEDUP_TTL_S="2.5")

    async def says() -> dict[str, Any]:
        told = await client.hget(keys.alive("processor", "first"), "says")
        return dict(orjson.loads(told)) if told else {}

    async def leads() -> bool:
        return bool((await says()).get("active"))

    await until(leads, "the first to say that it is the active one")
    assert await says() == {
        "active": True,
        "dedup_ttl_s": 2.5,
        "plates": "drop",
        "maps": {"allowlist": 2, "machine_to_serial": 0, "camera_name_map": 1},
    }


async def test_a_bad_file_makes_it_wait_unready_and_say_so(start: Start, tmp_path: Path) -> None:
    (tmp_path / "allowlist.txt").write_text("CAM1\nCAM2, CAM3\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = start("unready", METRICS_PORT=str(port))

    async def page() -> httpx.Response | None:
        try:
            async with httpx.AsyncClient() as http:
                return await http.get(f"http://127.0.0.1:{port}/readyz")
        except httpx.TransportError:
            return None  # not up yet

    said = await until(page, "the page to answer")
    assert said is not None
    assert said.status_code == 503
    assert "allowlist.txt: line 2: one serial a line" in said.json()["missing"]["settings"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == EX_CONFIG
    assert "line 2" in (tmp_path / "unready.log").read_text()
