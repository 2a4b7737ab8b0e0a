"""SIGHUP on whole processes: what is wrong is refused by line and reason, what is right is in force soon after."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from gantry.clock import SystemClock
from gantry.runtime import EX_CONFIG, EX_USAGE
from gantry.streams.client import Client
from gantry.topology import Topology
from gantry_cli.child import Program
from gantry_cli.plan import script
from gantry_cli.supervisor import Supervisor
from wait import until

pytestmark = pytest.mark.end_to_end

WRONG, RIGHT = "CAM1\nCAM2, CAM3\n", "CAM1\nCAM2\nCAM3\n"


@pytest.fixture
def environ(redis_url: str, tmp_path: Path) -> dict[str, str]:
    given = {"REDIS_URL": redis_url, "INSTANCE": "one", "METRICS_PORT": "0", "CONFIG_DIR": str(tmp_path)}
    return {**os.environ, **given, "LOG_FORMAT": "json"}


@pytest.fixture
def processor(environ: dict[str, str], tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    running: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        with (tmp_path / "log").open("wb") as log:
            running.append(subprocess.Popen(script("processor"), env=environ, stdout=log, stderr=log))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()


def said(folder: Path, event: str) -> list[dict[str, object]]:
    lines = (folder / "log").read_bytes().splitlines()
    return [line for line in map(orjson.loads, lines) if line["event"] == event]


async def waits_for(folder: Path, event: str) -> list[dict[str, object]]:
    async def told() -> list[dict[str, object]]:
        return said(folder, event)

    return await until(told, f"{event} in the log")


async def listed(client: Client) -> int:
    """Serials of allowlist.txt that are in force, as the processor says; -1 while none lives."""
    says = await client.hget(Topology().alive("processor", "one"), "says")
    return int(orjson.loads(says)["maps"]["allowlist"]) if says else -1


async def test_a_wrong_file_is_refused_and_what_was_in_force_stays(processor, client: Client, tmp_path: Path):
    (tmp_path / "allowlist.txt").write_text("CAM1\n")
    process = processor()

    async def in_force() -> bool:
        return await listed(client) == 1

    await until(in_force, "the list to be in force")
    (tmp_path / "allowlist.txt").write_text(WRONG)
    process.send_signal(signal.SIGHUP)
    [refused] = await waits_for(tmp_path, "reload_refused")
    assert "allowlist.txt: line 2: one serial a line" in str(refused["problems"])
    assert process.poll() is None and not said(tmp_path, "stopped")
    assert await listed(client) == 1
    process.terminate()
    assert await asyncio.to_thread(process.wait, 20) == 0


async def test_under_a_supervisor_the_right_file_is_in_force_soon_after(environ, client: Client, tmp_path: Path):
    (tmp_path / "allowlist.txt").write_text("CAM1\n")
    heard: list[str] = []
    supervisor = Supervisor(say=heard.append, clock=SystemClock(), first_s=0.05)
    supervisor.start([Program(name="p", command=script("processor"), environ=environ, log=tmp_path / "log")])
    child, stop = supervisor.children["p"], asyncio.Event()
    first, looking = child.pid, asyncio.create_task(supervisor.run(stop))

    async def three() -> bool:
        return await listed(client) == 3

    try:
        await waits_for(tmp_path, "started")
        (tmp_path / "allowlist.txt").write_text(RIGHT)
        os.kill(first, signal.SIGHUP)
        await until(three, "the new list to be in force")
        assert child.pid != first
        assert len(said(tmp_path, "stopped")) == 1  # it drained, and was not killed
        assert [line.partition(";")[0] for line in heard] == ["p ended with code 0"]
    finally:
        stop.set()
        await looking
        await supervisor.stop_all(within_s=20)


async def test_a_process_without_its_settings_comes_back_when_asked(processor, environ, tmp_path: Path):
    environ["PLATES"] = "keep"
    process = processor()
    await waits_for(tmp_path, "settings_wrong")
    process.send_signal(signal.SIGHUP)
    assert await asyncio.to_thread(process.wait, 20) == 0  # and not 78: a supervisor may tell those apart


def checked(*command: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(script(*command), env=environ, capture_output=True, text=True, timeout=30, check=False)


def test_a_check_says_what_is_wrong_and_starts_nothing(tmp_path: Path):
    environ = {**os.environ, "CONFIG_DIR": str(tmp_path), "DEDUP_TTL_S": "-1"}
    found = checked("processor", "--check", environ=environ)
    assert (found.returncode, found.stdout) == (EX_CONFIG, "")
    assert found.stderr.startswith("processor: DEDUP_TTL_S: ")
    (tmp_path / "devices.toml").write_text("[device.A]\nburst = 0\n")
    found = checked("processor", "--check", environ={**environ, "DEDUP_TTL_S": ""})
    assert (found.returncode, found.stderr.count("\n")) == (EX_CONFIG, 1)
    assert "devices.toml: line 2: device 'A'" in found.stderr
    (tmp_path / "devices.toml").unlink()
    assert checked("processor", "--check", environ={**environ, "DEDUP_TTL_S": ""}).returncode == 0


def test_a_service_takes_no_other_argument():
    found = checked("journal", "--chekc", environ=dict(os.environ))
    assert found.returncode == EX_USAGE
    assert found.stderr == "usage: journal [--check]; everything else is a setting in the environment\n"
