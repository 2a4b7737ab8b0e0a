"""Calls that share a connection: each gets its own answer, and a failure tells everybody."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import redis.exceptions

from gantry.embedded import Embedded
from gantry.errors import Unavailable
from gantry.streams.client import connect
from gantry.streams.pipelined import Pipelined
from gantry.topology import Topology


@pytest.fixture(scope="module")
def embedded():
    with tempfile.TemporaryDirectory(prefix="gantry-", dir="/tmp") as folder:
        made = Embedded(Path(folder) / "redis", maxmemory="64mb")
        made.start()
        yield made
        made.stop()


@pytest.fixture
async def real(embedded):
    made = connect(embedded.url, "pipelined")
    await made.flushall()
    yield made
    await made.aclose()


@pytest.fixture
async def calls(real):
    made = Pipelined(real)
    yield made
    await made.aclose()


def note(calls: Pipelined, number: int):
    return calls.once("alive", [f"{{x}}:{number}"], [10_000, "number", str(number)])


async def test_each_of_many_calls_gets_its_own_answer(real, calls):
    await asyncio.gather(*(note(calls, number) for number in range(300)))
    kept = [await real.hget(f"{{x}}:{number}", "number") for number in range(300)]
    assert kept == [str(number).encode() for number in range(300)]
    mine = [row for row in await real.client_list() if "pipelined" in row["name"]]
    assert len(mine) == 2  # this one and the one that asks


async def test_a_call_that_the_server_refuses_fails_alone(calls):
    ledger = Topology().ledger
    wrong = calls.once("alive", [ledger], ["no number", "a", "b"])
    answers = await asyncio.gather(note(calls, 1), wrong, note(calls, 2), return_exceptions=True)
    assert [isinstance(answer, redis.exceptions.ResponseError) for answer in answers] == [False, True, False]


async def test_a_server_that_forgot_its_scripts_learns_them_again(real, calls):
    await note(calls, 1)
    await real.script_flush()
    await asyncio.gather(*(note(calls, number) for number in range(5)))


async def test_who_no_longer_waits_takes_nobody_elses_answer(calls):
    ledger = [Topology().raw, Topology().events, Topology().ledger]
    gone = asyncio.ensure_future(note(calls, 1))
    stays = asyncio.ensure_future(calls.once("ledger", ledger, ["publisher"]))
    await asyncio.sleep(0)
    gone.cancel()
    assert isinstance(await stays, list)
    assert await note(calls, 2) == 0  # no settings stand there


async def test_when_the_server_dies_all_are_told_and_later_calls_find_the_new_one(embedded, real, calls):
    await note(calls, 1)
    embedded.kill()
    for _ in range(3):
        answers = await asyncio.gather(*(note(calls, number) for number in range(20)), return_exceptions=True)
        assert all(isinstance(answer, Unavailable) for answer in answers)
    embedded.start()
    await note(calls, 2)
    assert await real.hget("{x}:2", "number") == b"2"


@pytest.mark.parametrize("rounds", [1, 2, 3])
async def test_a_closed_one_leaves_nobody_waiting(real, rounds):
    """Also when its session has not begun yet."""
    calls = Pipelined(real)
    waiting = [asyncio.ensure_future(note(calls, number)) for number in range(3)]
    for _ in range(rounds):
        await asyncio.sleep(0)
    await calls.aclose()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(answer == 1 or isinstance(answer, Unavailable) for answer in done)


class LosesCancellation:
    """A connection that fails while it writes, and whose write then ends as if nobody had cancelled it.

    That is what asyncio.wait_for, in which redis-py writes, does before Python 3.12 when both come at once.
    """

    def __init__(self) -> None:
        self.writes, self.written_again = 0, asyncio.Event()

    async def send_packed_command(self, command: list[bytes], *, check_health: bool) -> None:
        del command, check_health
        self.writes += 1
        if self.writes > 1:
            self.written_again.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0 if self.writes == 1 else 3600)

    async def read_response(self, **_options: float) -> None:
        await self.written_again.wait()
        raise redis.exceptions.ConnectionError("TRYAGAIN")

    async def disconnect(self, *, nowait: bool) -> None:
        del nowait


async def test_a_cancellation_that_is_lost_leaves_nobody_waiting(real, calls):
    calls._pool = SimpleNamespace(make_connection=LosesCancellation)
    first = asyncio.create_task(note(calls, 1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    second = asyncio.create_task(note(calls, 2))
    async with asyncio.timeout(10):
        answers = await asyncio.gather(first, second, return_exceptions=True)
    assert [type(answer) for answer in answers] == [Unavailable, Unavailable]
    calls._pool = real.connection_pool
    await note(calls, 3)
    assert await real.hget("{x}:3", "number") == b"3"
