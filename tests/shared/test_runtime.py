from __future__ import annotations

import asyncio
import sys

import pytest
from redis.exceptions import NoPermissionError

from gantry import runtime
from gantry.settings import Settings


async def deaf(stop: asyncio.Event) -> None:
    """A loop that loses its cancellation, as a call to Redis may."""
    while not stop.is_set():
        try:
            await runtime.pause(stop, 60)
        except asyncio.CancelledError:
            continue


async def failing(stop: asyncio.Event) -> None:  # noqa: ARG001 - a worker takes it
    raise OSError("cannot listen")


async def test_a_worker_that_raises_ends_even_those_that_lose_their_cancellation():
    stop = asyncio.Event()
    with pytest.raises(ExceptionGroup) as raised:
        await asyncio.wait_for(runtime.run_workers([deaf, failing, deaf], stop), 5)
    assert raised.group_contains(OSError, match="cannot listen")
    assert stop.is_set()


async def test_a_worker_that_ends_early_stops_the_others():
    async def early(stop: asyncio.Event) -> None:
        pass

    stop = asyncio.Event()
    await asyncio.wait_for(runtime.run_workers([deaf, early], stop), 5)
    assert stop.is_set()


async def test_what_does_not_finish_within_its_grace_is_cancelled():
    ended = []

    async def stubborn(stop: asyncio.Event) -> None:
        await stop.wait()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    stop = asyncio.Event()
    stop.set()
    await asyncio.wait_for(runtime.run_workers([stubborn], stop, grace_s=0.01), 5)
    assert ended == ["cancelled"]


@pytest.mark.parametrize(
    ("error", "event"), [(NoPermissionError("no 'xread' for you"), "server_refuses"), (ValueError("a bug"), "crashed")]
)
def test_a_command_that_the_server_forbids_ends_the_process_with_a_sentence(
    error: Exception, event: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["test"])

    async def serve(_: Settings, stop: asyncio.Event) -> None:
        async def work(_: asyncio.Event) -> None:
            raise error

        await runtime.run_workers([work], stop)

    settings = {"METRICS_PORT": "0", "LOG_FORMAT": "json"}
    assert runtime.main("test", Settings, serve, settings) == 1
    said = capsys.readouterr()
    assert f'"event":"{event}"' in said.out + said.err
    assert str(error) in said.out + said.err
    assert ("Traceback" in said.out + said.err) == (event == "crashed")
