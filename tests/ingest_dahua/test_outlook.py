"""The way to a recorder, tried against ports of this machine."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from builders import FakeClock
from ingest_dahua.link import Link
from ingest_dahua.outlook import PROBE_EVERY_S, Outlook
from ingest_dahua.vpn import Vpn
from wait import until


class Port:
    """Takes connections and counts them."""

    def __init__(self) -> None:
        self.came, self.said = 0, b""

    async def listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._take, "127.0.0.1", 0)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came += 1
        self.said += await reader.read()
        writer.close()


@pytest.fixture
async def port() -> AsyncIterator[tuple[Port, tuple[str, int]]]:
    made = Port()
    server = await made.listen()
    yield made, server.sockets[0].getsockname()
    server.close()
    await server.wait_closed()


@pytest.fixture
def closed() -> tuple[str, int]:
    """An address that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return "127.0.0.1", free.getsockname()[1]


def sought(host: str, clock: FakeClock) -> Link:
    link = Link(host=host, clock=clock, silent_s=15)
    link.seek()
    return link


async def test_a_silent_host_is_tried_at_most_every_half_minute(port: tuple[Port, tuple[str, int]]) -> None:
    clock = FakeClock()
    link = sought("probed", clock)
    outlook = Outlook(link, port[1], None, clock=clock)
    for _ in range(61):  # looks at 0, 1, … 60 s: tries at 0, 30 and 60 s
        await outlook.look()
        clock.at += 1
    assert link.reachable is True

    async def counted() -> bool:
        return port[0].came >= 3

    await until(counted, "three connections")
    assert port[0].came == 3
    assert port[0].said == b"", "a probe asks for nothing"


async def test_a_host_that_sends_is_left_alone(port: tuple[Port, tuple[str, int]]) -> None:
    clock = FakeClock()
    link = sought("sends", clock)
    outlook = Outlook(link, port[1], None, clock=clock)
    for _ in range(100):
        link.byte_came(clock.now_us())
        await outlook.look()
        clock.at += 10
    assert port[0].came == 0
    assert outlook.says()["recorders"]["sends"]["reachable"] is True


async def test_a_standby_leaves_the_host_alone(port: tuple[Port, tuple[str, int]]) -> None:
    clock = FakeClock()
    link = Link(host="standby", clock=clock, silent_s=15)
    outlook = Outlook(link, port[1], None, clock=clock)
    for _ in range(100):
        await outlook.look()
        clock.at += 10
    assert port[0].came == 0
    assert outlook.says()["recorders"]["standby"]["reachable"] is None


def gauge(host: str) -> float | None:
    return REGISTRY.get_sample_value("gantry_ingest_dahua_reachable", {"recorder": host})


async def test_what_is_found_is_told_counted_and_logged_once(closed: tuple[str, int]) -> None:
    clock = FakeClock()
    link = sought("told", clock)
    outlook = Outlook(link, closed, None, clock=clock)
    with capture_logs() as lines:
        for _ in range(3):
            await outlook.look()
            clock.at += PROBE_EVERY_S
        assert outlook.says()["recorders"]["told"]["reachable"] is False
        assert gauge("told") == 0
        link.byte_came(clock.now_us())
        await outlook.look()
        assert gauge("told") == 1
        link.stand_by()
        await outlook.look()
        assert gauge("told") is None
    assert [line["event"] for line in lines] == ["recorder_takes_no_connection", "recorder_answers"]


async def test_a_host_that_swallows_packets_costs_a_bounded_time() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        fillers = []
        for _ in range(8):  # its queue is full: Linux drops further attempts without a word
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(address)
            fillers.append(filler)
        clock = FakeClock()
        link = sought("swallows", clock)
        async with asyncio.timeout(5):
            await Outlook(link, address, None, clock=clock, connect_s=0.2).look()
        for filler in fillers:
            filler.close()
    assert link.reachable is False


async def test_a_name_that_does_not_resolve_is_not_reachable() -> None:
    clock = FakeClock()
    link = sought("nameless", clock)
    await Outlook(link, ("recorder.invalid", 80), None, clock=clock).look()
    assert link.reachable is False


async def test_the_interface_is_looked_at_each_time_and_a_change_is_said(tmp_path: Path) -> None:
    (tmp_path / "ppp0").mkdir()
    (tmp_path / "ppp0" / "flags").write_text("0x10d1\n")
    (tmp_path / "ppp0" / "operstate").write_text("unknown\n")
    clock = FakeClock()
    outlook = Outlook(Link(host="r", clock=clock, silent_s=15), ("", 0), Vpn("ppp0", tmp_path), clock=clock)
    with capture_logs() as lines:
        await outlook.look()
        assert outlook.says()["vpn"] == {"iface": "ppp0", "up": True}
        await outlook.look()
        (tmp_path / "ppp0" / "flags").unlink()  # as when the connection goes
        await outlook.look()
    assert outlook.says()["vpn"] == {"iface": "ppp0", "up": False}
    assert REGISTRY.get_sample_value("gantry_ingest_dahua_vpn_up", {"iface": "ppp0"}) == 0
    assert [line["event"] for line in lines] == ["vpn_up", "vpn_down"]


async def test_without_an_interface_nothing_is_said_of_one() -> None:
    clock = FakeClock()
    outlook = Outlook(Link(host="r", clock=clock, silent_s=15), ("", 0), None, clock=clock)
    await outlook.look()
    assert outlook.says()["vpn"] is None


async def test_it_looks_until_it_is_told_to_stop(closed: tuple[str, int]) -> None:
    clock, stop, beats = FakeClock(), asyncio.Event(), 0

    def beat() -> None:
        nonlocal beats
        beats += 1

    link = sought("runs", clock)
    loop = asyncio.create_task(Outlook(link, closed, None, clock=clock, beat=beat).run(stop))

    async def looked() -> bool:
        return link.reachable is False

    await until(looked, "the first look")
    stop.set()
    async with asyncio.timeout(5):
        await loop
    assert beats == 1
