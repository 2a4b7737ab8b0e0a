from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from builders import FakeClock
from gantry.clock import SystemClock
from gantry.embedded import Embedded
from gantry_cli.child import Child, Program
from gantry_cli.supervisor import Supervisor
from wait import until

LIVES = "import signal; signal.pause()"
DIES = "raise SystemExit(3)"
STUBBORN = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\nwhile 1: signal.pause()"
)
TELLS_WHEN_STOPPED = """
import signal, sys
def told(*_):
    with open(sys.argv[1], "a") as file: file.write(sys.argv[2] + "\\n")
    raise SystemExit(0)
signal.signal(signal.SIGTERM, told)
print("up", flush=True)
signal.pause()
"""


def a_program(name: str, code: str, *arguments: str, stage: int = 0, log: Path | None = None) -> Program:
    command = (sys.executable, "-c", code, *arguments)
    return Program(name=name, command=command, environ=os.environ, stage=stage, log=log)


def gone(pid: int) -> bool:
    try:
        return " Z " in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")  # dead, and nobody has asked yet
    except (FileNotFoundError, ProcessLookupError):
        return True


@contextlib.asynccontextmanager
async def running(supervisor: Supervisor):
    stop = asyncio.Event()
    task = asyncio.create_task(supervisor.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task
        await supervisor.stop_all(within_s=5)


def a_supervisor(said: list[str], server: Embedded | None = None) -> Supervisor:
    return Supervisor(say=said.append, clock=SystemClock(), first_s=0.05, server=server)


async def test_a_child_that_is_killed_is_started_again():
    said: list[str] = []
    supervisor = a_supervisor(said)
    supervisor.start([a_program("sleeper", LIVES)])
    child = supervisor.children["sleeper"]
    first = child.pid
    async with running(supervisor):
        os.kill(first, signal.SIGKILL)
        await until(_returns(lambda: child.pid != first and child.alive), "the child lives again")
    assert len(said) == 1 and said[0].startswith("sleeper ended with code -9; starts again in ")
    assert gone(child.pid)


async def test_a_child_that_keeps_dying_is_started_ever_more_slowly():
    said: list[str] = []
    clock = FakeClock()
    supervisor = Supervisor(say=said.append, clock=clock, chance=_Most(), first_s=1.0)
    supervisor.start([a_program("dying", DIES)])
    child, waits = supervisor.children["dying"], []
    for _ in range(4):
        await until(_returns(lambda: not child.alive), "it has died")
        supervisor.look()
        waits.append(float(said[-1].split()[-2]))
        clock.at += waits[-1] - 0.1
        before = child.pid
        supervisor.look()
        assert child.pid == before
        clock.at += 0.2
        supervisor.look()
        assert child.pid != before
    assert waits == [1.2, 2.2, 4.2, 8.2]
    assert all("ended with code 3" in sentence for sentence in said)
    clock.at += 61
    await until(_returns(lambda: not child.alive), "it has died")
    supervisor.look()
    assert said[-1].endswith("starts again in 1.2 s")


async def test_children_stop_in_flow_order(tmp_path):
    supervisor, told = a_supervisor([]), tmp_path / "told"
    names = ["publisher", "ingest", "processor"]
    stages = {"ingest": 0, "processor": 1, "publisher": 2}
    for name in names:
        program = a_program(name, TELLS_WHEN_STOPPED, str(told), name, stage=stages[name], log=tmp_path / name)
        supervisor.start([program])
    await until(_returns(lambda: all((tmp_path / name).read_text() for name in names)), "all are up")
    await supervisor.stop_all()
    assert told.read_text(encoding="utf-8").split() == ["ingest", "processor", "publisher"]


async def test_a_child_that_ignores_sigterm_is_killed_and_named(tmp_path):
    said: list[str] = []
    supervisor = a_supervisor(said)
    supervisor.start([a_program("stubborn", STUBBORN, log=tmp_path / "log")])
    child = supervisor.children["stubborn"]
    await until(_returns((tmp_path / "log").read_text), "it is up")
    await supervisor.stop_all(within_s=0.2)
    assert gone(child.pid)
    assert said == ["stubborn did not stop in 0 s and was killed; nothing is lost by it"]


async def test_a_stopped_child_is_not_started_again():
    supervisor = a_supervisor([])
    supervisor.start([a_program("one", LIVES), a_program("two", LIVES)])
    async with running(supervisor):
        await supervisor.stop(["one"])
        supervisor.look()
        assert supervisor.alive() == {"two": True}


async def test_a_child_has_its_own_group_and_log(tmp_path):
    child = Child(a_program("talker", "import os; print(os.getpgid(0), os.getsid(0))", log=tmp_path / "log"))
    child.start()
    await until(_returns(lambda: not child.alive), "it has ended")
    assert (tmp_path / "log").read_text(encoding="utf-8").split() == [str(child.pid)] * 2


def test_no_secret_in_a_programs_repr():
    program = Program(name="p", command=("x",), environ={"CAMERA_PASS": "hunter2"})
    assert "hunter2" not in repr(program)


async def test_a_crashed_server_is_started_again(short_folder):
    said: list[str] = []
    server = Embedded(short_folder / "redis", maxmemory="64mb")
    server.start()
    supervisor = a_supervisor(said, server)
    first = server.process.pid
    async with running(supervisor):
        os.kill(first, signal.SIGKILL)
        await until(_returns(lambda: "the embedded server runs again" in said), "the server runs again")
        assert server.process.pid != first and server.process.poll() is None
    assert server.process.poll() is not None


SUPERVISES = f"""
import asyncio, os, pathlib, sys
from gantry.clock import SystemClock
from gantry.embedded import Embedded
from gantry_cli.child import Program
from gantry_cli.supervisor import Supervisor
server = Embedded(pathlib.Path(sys.argv[1]) / "redis", maxmemory="64mb")
server.start()
supervisor = Supervisor(say=print, clock=SystemClock(), server=server)
supervisor.start(Program(name=n, command=(sys.executable, "-c", {LIVES!r}), environ=os.environ) for n in "ab")
print(server.process.pid, *(child.pid for child in supervisor.children.values()), flush=True)
asyncio.run(supervisor.run(asyncio.Event()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
async def test_killing_the_supervisor_leaves_no_orphans(short_folder):
    command = [sys.executable, "-c", SUPERVISES, str(short_folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as supervisor:  # noqa: ASYNC220 - one line of output
        pids = [int(pid) for pid in supervisor.stdout.readline().split()]
        assert len(pids) == 3 and not any(map(gone, pids))
        supervisor.kill()
    await until(_returns(lambda: all(map(gone, pids))), "server and children are gone")


class _Most(random.Random):
    def uniform(self, a: float, b: float) -> float:  # noqa: ARG002 - the greatest delay that jitter allows
        return b


def _returns(ask):
    async def condition():
        return ask()

    return condition
