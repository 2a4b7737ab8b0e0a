"""Who writes the log: the lock of the folder, the lease of the site, and whoever waits for them."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from builders import FakeClock
from gantry.health import Health
from gantry.streams.leases import SILENT_S, Lease
from gantry.streams.scripts import Calls
from gantry.topology import JOURNAL_DUTY, Topology
from journal.duty import Duty
from journal.lock import NAME
from wait import until

Make = Callable[..., Duty]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def make(calls: Calls, keys: Topology, clock: FakeClock, tmp_path: Path) -> Iterator[Make]:
    made: list[Duty] = []

    def start(name: str, folder: str = "runtime", site: Topology = keys) -> Duty:
        duty = Duty(Lease(calls, site, JOURNAL_DUTY, name, clock), tmp_path / folder, Health(clock), clock)
        made.append(duty)
        return duty

    yield start
    for duty in made:
        duty._lock.leave()


def missing(duty: Duty) -> dict[str, str]:
    return duty._health.missing()


@pytest.mark.parametrize("folder", ["runtime", "elsewhere"])
async def test_who_stands_by_for_a_living_journal_is_ready(make: Make, folder: str) -> None:
    first, second = make("one"), make("two", folder)
    await first.ask()
    assert missing(second)
    await second.ask()
    assert (first.mine, second.mine) == (True, False)
    assert missing(first) == missing(second) == {}
    assert first.standing_by == "" and "this one stands by" in second.standing_by


async def test_a_folder_that_a_journal_of_another_site_has_is_no_reason_to_be_ready(make: Make) -> None:
    await make("one").ask()
    second = make("two", site=Topology("other"))
    await second.ask()
    assert "no journal reads this site" in missing(second)["duty"]
    assert second.standing_by == ""


async def test_a_folder_whose_holder_no_longer_renews_is_not_either(make: Make, clock: FakeClock) -> None:
    await make("one").ask()
    second = make("two")
    await second.ask()
    clock.at += SILENT_S
    await second.ask()
    assert missing(second)


async def test_the_next_of_a_folder_does_not_wait(make: Make) -> None:
    first = make("one")
    await first.ask()
    first._lock.leave()  # as the kernel does for the dead
    second = make("two")
    await second.ask()
    assert second.mine and missing(second) == {}


async def test_a_copy_of_the_folder_does_not_make_two_that_write(make: Make, tmp_path: Path) -> None:
    first = make("one")
    await first.ask()
    (tmp_path / "copy").mkdir()
    shutil.copy(tmp_path / "runtime" / NAME, tmp_path / "copy" / NAME)
    second = make("two", "copy")
    await second.ask()
    await first.ask()
    assert (first.mine, second.mine) == (False, True)


async def test_a_folder_that_cannot_be_had_is_told_once_with_the_next_step(make: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    duty, stop = make("one", "file/runtime"), asyncio.Event()
    with capture_logs() as logs:
        for _ in range(2):
            running = asyncio.create_task(duty.run(stop))
            await until(lambda: asyncio.sleep(0, "cannot" in missing(duty)["duty"]), "the reason in readiness")
            stop.set()
            await running
            stop.clear()
    assert [(row["event"], row["log_level"]) for row in logs if row["event"] == "folder_unusable"] == [
        ("folder_unusable", "error")
    ]
