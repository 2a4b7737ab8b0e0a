from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from typer.testing import CliRunner

from dead_letters import CUT, put, put_event
from gantry.errors import Unavailable
from gantry.settings import Settings
from gantry.streams import letters
from gantry.streams.books import Books
from gantry.streams.letters import Letters
from gantry_cli import dead_act, plan
from gantry_cli.__main__ import app
from gantry_cli.asking import Asker
from gantry_cli.dead_act import Task
from gantry_cli.dead_choice import Choice, Filters
from gantry_cli.dead_choice import moment as at
from wait import until

EVERY = Choice(everything=True)


def a_task(verb: Any = "retry", choice: Choice = EVERY, **changed: Any) -> Task:
    return Task(**{"verb": verb, "choice": choice, "owner": "ana", "confirm": lambda _: True, **changed})


@pytest.fixture
async def four(stage):
    """Two measures and two events, one of which can never be retried."""
    return [await put(stage, 1), await put(stage, 2), await put_event(stage, 3), await put_event(stage, 4, body=CUT)]


@pytest.fixture
def dead(stage):
    return Letters(stage.client, stage.calls, stage.keys)


@pytest.fixture
async def ledger(stage):
    async def ask():
        audit = await Books(stage.client, stage.calls, stage.keys).audit()
        assert audit.differences == []
        return audit.ledger

    return ask


async def left(dead: Letters) -> list[str]:
    return [letter.entry_id async for page in dead.pages(letters.Wanted()) for letter in page]


async def test_all_that_can_be_retried_is(four, dead, config, said, ledger):
    assert await dead_act.run(config, said, a_task()) == 1  # one stays
    assert await left(dead) == four[3:]
    books = await ledger()
    assert (books.outcomes["waiting"], books.events["in_raw"], books.events["dead_in"]) == (2, 1, 1)
    assert books.beside == {"retried": 2, "retried_in": 1, "retried:ana": 3}
    assert "retry 4 letters: all there are" in said.text
    assert "1 of them can never be retried, and stay: of its content only the length was kept" in said.text
    assert "retried 3 letters of 4, by ana" in said.text


async def test_measures_are_retried_oldest_first(stage, four, config, said):
    assert await dead_act.run(config, said, a_task(choice=Choice(ids=(four[1], four[0])))) == 0
    rows = await stage.client.xrange(stage.keys.events)
    assert [(row[b"seq"], row[b"id"][-1:]) for _, row in rows] == [(b"1", b"1"), (b"2", b"2")]


async def test_what_is_dropped_was_what_the_filter_says(four, dead, config, said, ledger):
    assert await dead_act.run(config, said, a_task("drop", Choice(filters=Filters(kind="out")))) == 0
    assert await left(dead) == four[2:]
    assert (await ledger()).beside == {"dropped:ana": 2}
    assert "drop 2 letters: class out" in said.text and "dropped 2 letters of 2, by ana" in said.text


async def test_final_letters_can_be_dropped(four, dead, config, said):
    assert await dead_act.run(config, said, a_task("drop", Choice(filters=Filters(kind="quarantine")))) == 0
    assert await left(dead) == four[:2] and "never be retried" not in said.text


async def test_a_question_names_count_and_pace(four, dead, config, said):
    asked = []
    assert await dead_act.run(config, said, a_task(confirm=asked.append, per_s=0.5)) == 1
    assert await dead_act.run(config, said, a_task("drop", confirm=asked.append)) == 1
    assert asked == [
        "Retry 3 letters at 0.5 a second, 6 s?",
        "Drop 4 letters for good? (`gantry dead export` keeps a copy)",
    ]
    assert said.text.count("nothing was done") == 2 and await left(dead) == four


async def test_without_anybody_to_ask_many_are_refused_and_one_is_done(four, dead, config, said):
    assert await dead_act.run(config, said, a_task(confirm=None)) == 2
    assert "say --yes" in said.complaints and await left(dead) == four
    assert await dead_act.run(config, said, a_task(choice=Choice(ids=(four[0],)), confirm=None)) == 0
    assert await left(dead) == four[1:]


async def test_one_letter_that_a_filter_happens_to_find_is_not_dropped_unasked(stage, dead, config, said):
    only = await put(stage, 1)
    by_filter = a_task("drop", Choice(filters=Filters(kind="out")), confirm=None)
    assert await dead_act.run(config, said, by_filter) == 2
    assert await left(dead) == [only]
    assert await dead_act.run(config, said, a_task("drop", Choice(ids=(only,)), confirm=None)) == 0


@pytest.mark.parametrize("verb", ["retry", "drop"])
async def test_nothing_that_matches_is_said_and_asked_about_by_nobody(verb, four, config, said):
    task = a_task(verb, Choice(filters=Filters(device="no*")), confirm=None)
    assert await dead_act.run(config, said, task) == 1
    assert said.complaints == f"gantry: no letter to {verb}: device no*\n" and said.text == ""
    assert len(four) == 4


async def test_an_id_that_is_gone_is_named_and_the_others_are_done(four, dead, config, said):
    assert await dead_act.run(config, said, a_task("drop", Choice(ids=("5-5", four[0])))) == 1
    assert "no letter 5-5" in said.complaints and await left(dead) == four[1:]


async def test_a_letter_that_can_never_be_retried_is_not(four, dead, config, said):
    assert await dead_act.run(config, said, a_task(choice=Choice(ids=(four[3],)))) == 1
    assert await left(dead) == four and "can never be retried" in said.text and "Retry" not in said.text


async def test_a_letter_that_this_version_cannot_put_back_stays(stage, dead, config, said):
    odd = await put(stage, 1, target="elsewhere")
    assert await dead_act.run(config, said, a_task()) == 1
    assert await left(dead) == [odd] and "retried 0 letters of 1" in said.text and "1 stay: they lack" in said.text


async def test_an_empty_site_has_nothing_to_retry(stage, config, said):
    assert await dead_act.run(config, said, a_task()) == 1
    assert await dead_act.run(config, said, a_task(choice=Choice(ids=("5-5",)))) == 1
    assert said.complaints.count("\n") == 2 and not await stage.client.exists(stage.keys.dead)


async def test_letters_that_die_meanwhile_are_not_concerned(stage, four, dead, said, monkeypatch):
    """Else one that dies again at once would be retried for ever."""
    monkeypatch.setattr(letters, "PAGE", 1)

    class Dying(Letters):
        async def drop(self, entry_ids, owner):
            again.append(await put(stage, 1000 + len(again)))
            return await super().drop(entry_ids, owner)

    again: list[str] = []
    dying = Dying(stage.client, stage.calls, stage.keys)
    progress = await dead_act._act(dying, said, a_task("drop"), (0, four[-1]), asyncio.Event())
    assert progress.done == 4 and await left(dead) == again


async def test_letters_that_somebody_else_took_are_counted_as_such(four, dead, config, said, monkeypatch):
    read = dead_act.chosen

    async def slowly(*given, **named):  # somebody comes between the reading of a page and the acting on it
        async for page in read(*given, **named):
            await dead.drop(four[:2], "ben")
            yield page

    monkeypatch.setattr(dead_act, "chosen", slowly)
    assert await dead_act.run(config, said, a_task("drop")) == 1
    assert await left(dead) == []
    assert "dropped 2 letters of 4, by ana" in said.text
    assert "2 were gone: somebody else dealt with them" in said.text


async def test_a_server_that_goes_away_leaves_the_last_step_in_doubt(stage, four, dead, said):
    class Away(Letters):
        async def retry(self, entry_ids, owner):
            if entry_ids[0] == four[1]:
                raise Unavailable("letter: ConnectionError")
            return await super().retry(entry_ids, owner)

    away = Away(stage.client, stage.calls, stage.keys)
    task = a_task(per_s=1000)
    progress = await dead_act._act(away, said, task, (0, four[-1]), asyncio.Event())
    assert (progress.done, progress.unsure) == (1, 1)
    assert dead_act._say_result(said, task, dead_act.Survey(count=4), progress) == 2
    assert "the server went away" in said.complaints and "does nothing twice" in said.complaints
    assert await left(dead) == four[1:]


async def test_a_rate_is_kept(stage, config, said):
    for number in range(1, 7):
        await put(stage, number)
    began = time.monotonic()
    assert await dead_act.run(config, said, a_task(per_s=25)) == 0
    assert 0.2 <= time.monotonic() - began < 5


async def test_a_stop_ends_between_two_letters(stage, four, dead, said):
    class Stopping(Letters):
        async def retry(self, entry_ids, owner):
            stop.set()
            return await super().retry(entry_ids, owner)

    stop = asyncio.Event()
    stopping = Stopping(stage.client, stage.calls, stage.keys)
    progress = await dead_act._act(stopping, said, a_task(per_s=100), (0, four[-1]), stop)
    assert progress.stopped and progress.done == 1 and await left(dead) == four[1:]


async def test_no_server_or_no_streams_is_one_plain_line(nowhere, redis_url, said):
    for config in (nowhere, Settings(redis_url=redis_url)):
        assert await dead_act.run(config, said, a_task()) == 2
    assert said.complaints.count("\n") == 2


# as one types it


def environ(redis_url: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if name not in plan.setting_names() | {"SUDO_USER"}}
    return clean | {"REDIS_URL": redis_url, "USER": "carla", "COLUMNS": "120"}


def gantry(redis_url: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gantry_cli", "dead", *words]
    return subprocess.run(
        command, env=environ(redis_url), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


async def test_the_commands_as_one_types_them(four, dead, redis_url, ledger, tmp_path):
    file = tmp_path / "all.ndjson"
    assert gantry(redis_url, "export", "--to", str(file)).returncode == 0
    assert len(file.read_text().splitlines()) == 4
    assert gantry(redis_url, "list", "--class", "out", "--json").stdout.count(f'"{four[0]}"') == 1
    assert gantry(redis_url, "list", "--summary").stdout.endswith("4 letters of 4 in dead: all there are\n")
    assert four[2] in gantry(redis_url, "show", four[2]).stdout
    refused = gantry(redis_url, "drop", "--class", "out")
    assert refused.returncode == 2 and "say --yes" in refused.stderr and await left(dead) == four
    done = gantry(redis_url, "drop", "--class", "out", "--until", "1m", "--yes")
    assert done.returncode == 0 and "dropped 2 letters of 2, by carla" in done.stdout
    assert gantry(redis_url, "retry", four[2], "--owner", "dora").returncode == 0
    assert (await ledger()).beside == {"dropped:carla": 2, "retried_in": 1, "retried:dora": 1}
    assert await left(dead) == four[3:]


@pytest.mark.parametrize(
    "words",
    [
        ("drop", "--yes"),
        ("retry", "--yes"),
        ("drop", "--all", "--class", "out", "--yes"),
        ("drop", "--target", "", "--yes"),
        ("drop", "--device", "", "--class", "out", "--yes"),
        ("drop", "--reason", " ", "--yes"),
        ("drop", "--text", "", "--yes"),
        ("drop", "--class", "all", "--yes"),
        ("drop", "", "--yes"),
        ("drop", "--since", "yesterday", "--yes"),
        ("drop", "--all", "--owner", "a b", "--yes"),
        ("retry", "--all", "--rate", "0", "--yes"),
        ("retry", "--all", "--rate", "2000", "--yes"),
        ("list", "--from", "no-id"),
        ("list", "--limit", "0"),
        ("show",),
    ],
)
def test_words_that_say_too_little_are_refused(words):
    """A shell's variable that is not set must not choose every letter."""
    here = Asker(lambda: environ("unix:///nowhere"))
    refused = CliRunner().invoke(app, ["dead", *words], obj=here)
    assert refused.exit_code == 2 and "Usage: " in refused.stderr and refused.stdout == ""


def typed(redis_url: str, *words: str) -> tuple[subprocess.Popen[bytes], int]:
    """The command on a terminal, and the terminal."""
    here, there = pty.openpty()
    command = [sys.executable, "-m", "gantry_cli", "dead", *words]
    process = subprocess.Popen(
        command, env=environ(redis_url), stdin=there, stdout=there, stderr=there, start_new_session=True
    )
    os.close(there)
    os.set_blocking(here, False)
    return process, here


class Screen:
    def __init__(self, terminal: int) -> None:
        self.terminal, self.text = terminal, ""

    async def shows(self, part: str) -> bool:
        with contextlib.suppress(OSError):  # nothing new; or the command has ended
            self.text += os.read(self.terminal, 65_536).decode()
        return part in self.text


async def ended(process: subprocess.Popen[bytes]) -> int:
    await until(lambda: asyncio.sleep(0, process.poll() is not None), "the command's end")
    return process.returncode


async def test_on_a_terminal_a_person_is_asked_and_ctrl_c_is_a_no(four, dead, redis_url):
    process, terminal = typed(redis_url, "drop", "--all")
    screen = Screen(terminal)
    await until(lambda: screen.shows("[y/N]"), "the question")
    process.send_signal(signal.SIGINT)
    await until(lambda: screen.shows("nothing was done"), "its end")
    assert await ended(process) == 1 and await left(dead) == four
    os.close(terminal)


async def test_ctrl_c_stops_a_retry_in_good_order(stage, dead, redis_url, ledger):
    for number in range(1, 101):
        await put(stage, number)
    process, terminal = typed(redis_url, "retry", "--all", "--rate", "20")
    screen = Screen(terminal)
    await until(lambda: screen.shows("[y/N]"), "the question")
    os.write(terminal, b"y\n")
    await until(lambda: stage.client.xlen(stage.keys.events), "the first letter")
    process.send_signal(signal.SIGINT)
    await until(lambda: screen.shows("the same command goes on with them"), "its end")
    done = await stage.client.xlen(stage.keys.events)
    assert await ended(process) == 1 and len(await left(dead)) == 100 - done
    assert f"retried {done} letter" in screen.text and "Traceback" not in screen.text
    assert (await ledger()).beside["retried"] == done
    os.close(terminal)


def test_a_moment_is_no_filter_by_itself_that_matches_all():
    assert Choice(filters=Filters(since=at("1h"))).made and not Choice().made
