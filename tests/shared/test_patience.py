from __future__ import annotations

import asyncio
from typing import Any

import pytest
import structlog

from builders import FakeClock
from gantry.errors import Refused, Unavailable
from gantry.health import Health
from gantry.streams import patience
from gantry.streams.patience import Patience


class Away:
    """A server that is away for so many calls; each try takes ten seconds of the fake clock."""

    def __init__(self, clock: FakeClock, failures: int) -> None:
        self.clock, self.failures = clock, failures

    async def once(self, name: str, _keys: Any, _arguments: Any) -> str:
        if not self.failures:
            return name
        self.failures -= 1
        self.clock.at += 10
        raise Unavailable("connection refused")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_S", 0.0001)
    monkeypatch.setattr(patience, "CAP_S", 0.0001)


async def test_an_outage_is_told_again_and_so_is_its_end() -> None:
    clock = FakeClock()
    calls = Away(clock, failures=8)
    patient = Patience(calls, asyncio.Event(), lambda: None, clock=clock)
    with structlog.testing.capture_logs() as lines:
        assert await patient.sure("read", [], []) == "read"
        await patient.sure("read", [], [])
    told = [(line["event"], line.get("seconds")) for line in lines]
    away, still, back = "server_went_away", "server_still_away", "server_is_back"
    assert told == [(away, None), (still, 30), (still, 60), (back, 70)]


async def test_the_next_outage_is_told_from_its_beginning() -> None:
    clock = FakeClock()
    calls = Away(clock, failures=1)
    patient = Patience(calls, asyncio.Event(), lambda: None, clock=clock)
    with structlog.testing.capture_logs() as lines:
        await patient.sure("read", [], [])
        clock.at += 1000
        calls.failures = 1
        await patient.sure("read", [], [])
    assert [line["event"] for line in lines] == ["server_went_away", "server_is_back"] * 2


async def test_many_that_wait_tell_it_once() -> None:
    clock = FakeClock()
    patient = Patience(Away(clock, failures=3), asyncio.Event(), lambda: None, clock=clock)
    with structlog.testing.capture_logs() as lines:
        await asyncio.gather(*(patient.sure("turn", [], []) for _ in range(3)))
    assert [line["event"] for line in lines] == ["server_went_away", "server_is_back"]


async def test_stopping_ends_the_repeating() -> None:
    stop = asyncio.Event()
    stop.set()
    with pytest.raises(Unavailable):
        await Patience(Away(FakeClock(), failures=9), stop, lambda: None).sure("read", [], [])


async def test_who_is_not_let_in_is_unready_until_that_is_mended() -> None:
    class Forbidding(Away):
        async def once(self, name: str, keys: Any, arguments: Any) -> str:
            try:
                return await super().once(name, keys, arguments)
            except Unavailable:
                seen.append(health.missing())
                raise Refused(f"{name}: not allowed") from None

    clock, seen = FakeClock(), list[dict[str, str]]()
    health = Health(clock)
    patient = Patience(Forbidding(clock, failures=2), asyncio.Event(), lambda: None, clock=clock, health=health)
    await patient.sure("read", [], [])
    assert seen == [{}, {"access:read": "read: not allowed"}]
    assert health.missing() == {}
