"""What is done on the command line stands in the same list as what is done on the page; and `gantry password`."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console
from typer.testing import CliRunner

from dead_letters import CUT, put, put_event
from gantry.accounts import Account, Accounts, Origin, Role
from gantry.errors import Malformed
from gantry.settings import Settings
from gantry.streams.actions import Actions
from gantry.streams.books import Books
from gantry.streams.controls import Controls
from gantry_cli import breaker, dead_act, hold, password, pause
from gantry_cli.__main__ import app
from gantry_cli.asking import Asker, replied
from gantry_cli.connection import Site
from gantry_cli.dead_act import Task
from gantry_cli.dead_choice import Choice, Filters
from gantry_cli.output import Output
from visitors import QUICK, Visitor, furnished, settled

SAID = ("ana@north", "road works")
TARGETS = ("evd", "crowd")


class Said(Output):
    """An Output that keeps what was said."""

    def __init__(self) -> None:
        super().__init__(Console(file=io.StringIO(), width=200), Console(file=io.StringIO(), width=200))

    @property
    def text(self) -> str:
        return self.console.file.getvalue()


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def act(redis_url, said):
    async def run(work, *, as_json=False):
        return await replied(Settings(redis_url=redis_url), said, work, as_json=as_json)

    return run


@pytest.fixture
async def listed(client, calls, keys):
    async def ask():
        found = [line.action for line in reversed(await Actions(client, calls, keys).page())]
        assert {(each.role, each.origin) for each in found} <= {("operator", "cli")}
        return [(each.who, each.what, each.scope, each.count, each.result) for each in found]

    return ask


async def test_pausing_and_resuming_are_written_down(act, listed):
    await act(lambda site: pause.pause(site, TARGETS, SAID, for_s=60))
    await act(lambda site: pause.resume(site, TARGETS, who="bo@north"))
    await act(lambda site: pause.resume(site, ("evd",)))
    await act(lambda site: pause.pause(site, (), SAID))  # only lists
    assert await listed() == [
        ("ana@north", "pause", "evd, for 60 s: road works", 1, "done"),
        ("ana@north", "pause", "crowd, for 60 s: road works", 1, "done"),
        ("bo@north", "resume", "evd", 1, "done"),
        ("bo@north", "resume", "crowd", 1, "done"),
        ("somebody", "resume", "evd", 1, "was not paused"),
    ]


async def test_holding_and_releasing_are_written_down(act, stage, listed):
    await stage.fill_lane(1)
    await act(lambda site: hold.hold(site, "cam", TARGETS, SAID))
    await act(lambda site: hold.release(site, "cam", TARGETS, who="bo"))
    await act(lambda site: hold.release_platform(site, TARGETS, who="bo"))
    assert await act(lambda site: hold.hold(site, "unheard-of", TARGETS, SAID)) == 1
    await act(hold.listing)
    assert await listed() == [
        ("ana@north", "hold", "cam of evd: road works", 1, "done"),
        ("bo", "release", "cam of evd", 1, "done"),
        ("bo", "release", "all that the platform holds of evd and crowd", 0, "done"),
    ]


async def test_breakers_opened_and_closed_are_written_down(act, listed):
    await act(lambda site: breaker.open_(site, ("crowd",), SAID, for_s=30))
    await act(lambda site: breaker.reset(site, TARGETS, who="bo"))
    await act(breaker.status)
    assert await listed() == [
        ("ana@north", "breaker.open", "crowd, for 30 s: road works", 1, "done"),
        ("bo", "breaker.reset", "evd", 1, "was closed"),
        ("bo", "breaker.reset", "crowd", 1, "was open"),
    ]


async def test_letters_retried_and_dropped_are_written_down(redis_url, stage, said, listed):
    await put(stage, 1)
    named = await put(stage, 2)
    await put_event(stage, 3, body=CUT)
    config = Settings(redis_url=redis_url)

    async def run(verb, choice, *, consent=True):
        await dead_act.run(config, said, Task(verb=verb, choice=choice, owner="ana", confirm=lambda _: consent))

    await run("drop", Choice(everything=True), consent=False)
    await run("retry", Choice(ids=(named,)))
    await run("retry", Choice(everything=True))
    await run("drop", Choice(filters=Filters(kind="quarantine")))
    assert await listed() == [
        ("ana", "dead.retry", f"letter {named}", 1, "1 of 1 retried"),
        ("ana", "dead.retry", "all letters", 1, "1 of 2 retried"),
        ("ana", "dead.drop", "class quarantine", 1, "1 of 1 dropped"),
    ]
    assert (await Books(stage.client, stage.calls, stage.keys).audit()).differences == []


@pytest.mark.usefixtures("client")
async def test_where_the_list_cannot_be_written_it_is_said(act, monkeypatch, said):
    async def refuse(*_):
        return False

    monkeypatch.setattr(Actions, "record", refuse)
    assert await act(lambda site: pause.pause(site, ("evd",), SAID)) == 0
    assert "this could not be written to the list of actions" in said.text


# gantry password


@pytest.fixture
async def site(client, calls, keys):
    return Site(client, keys, Books(client, calls, keys), Controls(client, calls, keys))


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.READER])
async def test_a_new_password_is_printed_once_and_ends_the_sessions(parts, act, said, role):
    home = await settled(furnished(parts))
    someone, other = Visitor(home), Visitor(home)
    await someone.log_in(role)
    await other.log_in("reader" if role is Role.OPERATOR else "operator")
    assert await act(lambda site: password.renew(site, role, "", who="ana", make=lambda: "made-for-a-test")) == 0
    assert said.text.count("made-for-a-test") == 1
    assert f"sessions of {role} have ended" in said.text
    assert "take it out, or the next start puts it back" in said.text
    assert await someone.role() == "nobody"
    assert await other.role() != "nobody"
    assert (await someone.log_in(role)).status_code == 401
    assert (await someone.log_in(role, "made-for-a-test")).status_code == 303
    found = [line.action for line in await home.access.actions.page() if line.action.what == "password"]
    assert [(each.who, each.scope, each.origin) for each in found] == [("ana", str(role), "cli")]
    assert "made-for-a-test" not in repr(await home.client.xrange(home.keys.actions))


async def test_a_typed_password_is_not_shown(act, said, client, calls, keys):
    assert await act(lambda site: password.renew(site, Role.OPERATOR, "typed by hand", who="ana")) == 0
    assert "typed by hand" not in said.text
    assert await Accounts(client, calls, keys).check("operator", "typed by hand")


@pytest.mark.usefixtures("client")
async def test_a_program_reads_the_password_as_json(act, said):
    assert await act(lambda site: password.renew(site, Role.OPERATOR, "", who="ana"), as_json=True) == 0
    document = json.loads(said.text)
    assert document["account"] == "operator" and len(document["password"]) == 24


@pytest.mark.parametrize("word", ["short", "x" * 1025, "two\nlines-of-it", "bell\x07-in-there"])
async def test_a_password_that_will_not_do_changes_nothing(site, client, keys, word):
    with pytest.raises(Malformed):
        await password.renew(site, Role.OPERATOR, word, who="ana")
    assert not await client.exists(keys.accounts)


async def test_nobody_changes_it_at_the_same_moment(client, calls, keys):
    accounts = Accounts(client, calls, keys, hasher=QUICK)
    nothing = Account("", "")
    assert await accounts.put(Role.OPERATOR, nothing, Origin.COMMAND, "one of two")
    assert not await accounts.put(Role.OPERATOR, nothing, Origin.COMMAND, "the other one")
    assert await accounts.check("operator", "one of two")


@pytest.mark.parametrize("setting", ["DASHBOARD_PASSWORD", "DASHBOARD_PASSWORD_FILE"])
def test_what_a_setting_says_is_not_changed_here(setting, redis_url):
    environ = {setting: "x", "REDIS_URL": redis_url, "USER": "ana"}
    found = CliRunner().invoke(app, ["password"], obj=Asker(lambda: environ))
    assert found.exit_code == 2
    assert f"{setting} is set" in found.output


@pytest.mark.usefixtures("client")
def test_a_password_comes_in_by_a_pipe(redis_url):
    environ = {"REDIS_URL": redis_url, "USER": "ana"}
    found = CliRunner().invoke(app, ["password", "--type"], input="piped-in-here\n", obj=Asker(lambda: environ))
    assert (found.exit_code, "sessions of operator have ended" in found.output) == (0, True)
    assert "piped" not in found.output
    found = CliRunner().invoke(app, ["password", "--type"], input="", obj=Asker(lambda: environ))
    assert found.exit_code == 2


def test_a_server_that_is_away_is_said(tmp_path):
    environ = {"REDIS_URL": f"unix://{tmp_path}/none.sock", "USER": "ana"}
    found = CliRunner().invoke(app, ["password"], obj=Asker(lambda: environ))
    assert found.exit_code == 2
