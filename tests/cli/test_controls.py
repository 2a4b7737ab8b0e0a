from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys

import pytest
import typer

from gantry.settings import Settings
from gantry.streams.controls import Controls, Note
from gantry_cli import arguments, breaker, hold, pause, plan
from gantry_cli.asking import Asker, replied

SAID = ("anna@north", "[road] works")


@pytest.fixture
def act(config, said):
    """Run one command's work; its exit code."""

    async def run(work, *, as_json=False):
        said.console.file.truncate(0)
        said.console.file.seek(0)
        return await replied(config, said, work, as_json=as_json)

    return run


@pytest.fixture
async def site(stage):
    await stage.fill_lane(2, lane="cam-north")
    await stage.fill_lane(1, lane="cam-south")
    await stage.fill_lane(1, lane="cam-south", target="crowd")
    return stage


@pytest.fixture
def controls(stage):
    return Controls(stage.client, stage.calls, stage.keys)


async def due(stage, lane, target="evd"):
    return await stage.client.zscore(stage.keys.due(target), lane)


# pausing


@pytest.mark.usefixtures("site")
async def test_a_pause_is_said_listed_and_ended(act, said):
    assert await act(lambda s: pause.pause(s, (), SAID)) == 0
    assert said.text == "nothing is paused\n"
    assert await act(lambda s: pause.pause(s, ("evd",), SAID)) == 0
    assert "evd is paused until `gantry resume evd`, by anna@north since 2" in said.text
    assert said.text.splitlines()[0].endswith(" UTC (0 s ago): [road] works")
    assert "requests under way are still settled" in said.text
    assert await act(lambda s: pause.pause(s, (), SAID), as_json=True) == 0
    [listed] = said.document["pauses"]
    assert (listed["target"], listed["owner"], listed["until_ms"]) == ("evd", "anna@north", 0)
    assert await act(lambda s: pause.resume(s, ("evd", "crowd"))) == 0
    assert said.text.splitlines()[0].startswith("evd goes on; it was paused by anna@north since 2")
    assert said.text.splitlines()[1] == "crowd was not paused"


@pytest.mark.usefixtures("site")
async def test_a_pause_that_ends_by_itself_says_when_and_what_it_replaces(act, said):
    await act(lambda s: pause.pause(s, ("evd", "crowd"), SAID))
    assert await act(lambda s: pause.pause(s, ("crowd",), ("ben", "maintenance"), for_s=5400)) == 0
    first, second, _ = said.text.splitlines()
    assert first.startswith("crowd is paused until 2") and " UTC (in 90 min), by ben since" in first
    assert second.startswith("  instead of the pause of crowd by anna@north") and second.endswith(": [road] works")


@pytest.mark.usefixtures("site")
async def test_resuming_says_what_else_stops_the_target(act, said, controls):
    await controls.open_breaker("evd", Note(*SAID), for_s=60)
    await act(lambda s: pause.resume(s, ("evd",)))
    assert "but the breaker of evd is open (operator: anna@north: [road] works), next probe in 60 s" in said.text


@pytest.mark.parametrize(
    ("said_by", "for_s", "complaint"),
    [
        (("anna", ""), 0, "the reason is empty"),
        (("anna", "x" * 201), 0, "the reason has 201 characters, at most 200 are kept"),
        (("anna", "two\nlines"), 0, "the reason must be one line without control characters"),
        (("", "x"), 0, "the owner is empty"),
        (("anna", "x"), 31 * 86400, "a pause that ends by itself lasts at most 30 days"),
    ],
)
async def test_a_pause_without_a_proper_reason_is_refused(act, site, said, said_by, for_s, complaint):
    assert await act(lambda s: pause.pause(s, ("evd",), said_by, for_s=for_s)) == 1
    assert complaint in said.complaints and said.text == ""
    assert not await site.client.exists(site.keys.paused)


# holding


async def test_a_device_is_held_where_it_is_known_listed_and_released(act, site, said):
    assert await act(hold.listing) == 0
    assert said.text == "nothing is held\n"
    assert await act(lambda s: hold.hold(s, "cam-south", ("evd", "crowd"), SAID)) == 0
    assert said.text.splitlines() == [
        "cam-south of evd is held until `gantry release cam-south`: 1 measure waits",
        "cam-south of crowd is held until `gantry release cam-south`: 1 measure waits",
    ]
    assert await due(site, "cam-south") == await due(site, "cam-south", "crowd") == float("inf")
    assert await act(hold.listing) == 0
    [row] = [line for line in said.text.splitlines() if line.startswith("evd")]
    assert row.split()[:3] == ["evd", "cam-south", "anna@north"] and row.endswith("[road] works")
    assert "after `gantry release cam-south`" in row
    assert await act(lambda s: hold.release(s, "cam-south", ("evd",)), as_json=True) == 0
    assert [each["target"] for each in said.document["holds"]] == ["crowd"]
    assert await due(site, "cam-south") < float("inf")
    assert await act(lambda s: hold.release(s, "cam-south", ("evd",))) == 0
    assert said.text == "cam-south was not held at evd\n"


@pytest.mark.usefixtures("site")
async def test_a_long_list_is_cut_and_whole_for_programs(act, stage, said):
    count = hold.LISTED + 7
    await stage.client.hset(stage.keys.holds("evd"), mapping={f"cam-{n}": "platform\n1\n\n404" for n in range(count)})
    assert await act(hold.listing) == 0
    assert said.text.endswith("and 7 more; --json has them all\n")
    assert await act(hold.listing, as_json=True) == 0
    assert len(said.document["holds"]) == count


async def test_a_request_under_way_is_said(act, site, said):
    seconds, _ = await site.client.time()
    await site.client.zadd(site.keys.due("evd"), {"cam-north": (int(seconds) + 40) * 1000})
    await site.client.hset(site.keys.lane_state("evd"), "cam-north:token", "t")
    await act(lambda s: hold.hold(s, "cam-north", ("evd",), SAID))
    assert "a request is under way; it is still settled" in said.text
    await act(hold.listing)
    assert "a request is under way" in said.text


async def test_an_unknown_device_is_refused_with_the_names_that_may_be_meant(act, site, said):
    assert await act(lambda s: hold.hold(s, "cam-nroth", ("evd", "crowd"), SAID)) == 1
    assert "no measure of 'cam-nroth' has ever come for evd or crowd; known and like it: cam-north (evd)" in (
        said.complaints
    )
    assert await act(lambda s: hold.hold(s, "SOUTH", ("evd",), SAID)) == 1
    assert "cam-south (evd), cam-south (crowd)" in said.complaints
    assert await act(lambda s: hold.release(s, "cam-nroth", ("evd", "crowd"))) == 1
    assert await act(lambda s: hold.hold(s, "zzz", ("evd",), SAID)) == 1
    assert "no device has a name like it" in said.complaints
    assert not await site.client.exists(site.keys.holds("evd"), site.keys.holds("crowd"))


async def test_an_unknown_device_can_be_held_by_force(act, site, said):
    assert await act(lambda s: hold.hold(s, "new", ("crowd",), SAID, force=True)) == 0
    assert await due(site, "new", "crowd") == float("inf")
    assert await act(lambda s: hold.release(s, "new", ("evd", "crowd"))) == 0
    assert said.text == "new of crowd goes on: 0 measures wait\n"


async def test_what_the_platform_did_not_know_is_released_together(act, site, said, controls):
    for target in ("evd", "crowd"):
        await site.client.hset(site.keys.holds(target), "cam-south", "platform\n1\n\n404")
        await site.client.zadd(site.keys.due(target), {"cam-south": 9_999_999_999_999})
    await controls.hold("evd", "cam-north", Note(*SAID))
    await act(hold.listing)
    assert any(line.split()[:3] == ["crowd", "cam-south", "platform"] for line in said.text.splitlines())
    assert await act(lambda s: hold.release_platform(s, ("evd", "crowd"))) == 0
    assert said.text == "2 devices are tried now\n"
    assert [each.lane for each in await controls.holds("evd")] == ["cam-north"]
    assert await due(site, "cam-south", "crowd") < 9_999_999_999_999


# the breaker


@pytest.mark.usefixtures("site")
async def test_the_breaker_is_opened_shown_and_closed(act, said):
    assert await act(lambda s: breaker.open_(s, ("evd",), SAID, for_s=600)) == 0
    assert said.text.startswith("the breaker of evd is open (operator: anna@north: [road] works), next probe in 10 min")
    assert "`gantry pause`" in said.text
    assert await act(breaker.status) == 0
    told = {line[:11].strip(): line[11:].strip() for line in said.text.splitlines()}
    assert told["state"].split() == ["open", "closed"] and told["cause"].endswith("[road] works")
    assert told["next"] == "next probe in 10 min"
    assert await act(breaker.status, as_json=True) == 0
    evd, crowd = said.document["breakers"]
    assert (evd["state"], evd["trips"], evd["by_hand"], crowd["state"]) == ("open", 1, True, "closed")
    assert await act(lambda s: breaker.reset(s, ("evd", "crowd"))) == 0
    assert said.text.splitlines()[:2] == [
        "the breaker of evd is closed; it was open",
        "the breaker of crowd was closed before",
    ]
    await act(breaker.status)
    assert "last time: operator: anna@north" in said.text


async def test_a_breaker_that_failed_tells_its_story(act, site, said):
    seconds, _ = await site.client.time()
    row = {
        "state": "half",
        "until": (int(seconds) + 40) * 1000,
        "probe": "t cam-north",
        "trips": "3",
        "last": "cam-south",
    }
    row |= {"since": (int(seconds) - 600) * 1000, "reason": "connection refused", "streak": "2"}
    await site.client.hset(site.keys.breaker("evd"), mapping=row)
    await act(breaker.status)
    told = {line[:11].strip(): line[11:].strip() for line in said.text.splitlines()}
    assert "(10 min ago)" in told["since"] and "one probe is under way (cam-north)" in told["next"]
    assert (told["failed last"], told["cause"]) == ("cam-south", "connection refused")
    assert told["trips"].split() == ["3", "0"]


@pytest.mark.usefixtures("site")
async def test_resetting_the_breaker_of_a_paused_target_says_so(act, said, controls):
    await controls.pause("evd", Note(*SAID))
    await act(lambda s: breaker.reset(s, ("evd",)))
    assert "but evd is paused until `gantry resume evd`" in said.text


# what people type


@pytest.mark.parametrize(("word", "seconds"), [("90s", 90), ("15m", 900), ("2h", 7200), ("1d", 86400), (" 1s ", 1)])
def test_durations(word, seconds):
    assert arguments.seconds(word) == seconds


@pytest.mark.parametrize("word", ["", "90", "0s", "-1s", "1.5h", "2 h", "1w", "1h30m", "٣s", "99999999s"])
def test_what_is_no_duration(word):
    with pytest.raises(typer.BadParameter):
        arguments.seconds(word)


def test_a_number_without_unit_is_seconds_where_the_option_says_seconds():
    assert (arguments.bare_seconds("90"), arguments.bare_seconds("2m")) == (90, 120)


def test_targets():
    assert (arguments.targets("evd").names, arguments.targets("all").names) == (("evd",), ("evd", "crowd"))
    with pytest.raises(typer.BadParameter):
        arguments.targets("EVD,")


@pytest.mark.parametrize(
    ("environ", "who"),
    [
        ({"SUDO_USER": "anna", "USER": "root"}, "anna"),
        ({"USER": "ben", "LOGNAME": "x"}, "ben"),
        ({}, pwd.getpwuid(os.getuid()).pw_name),
    ],
)
def test_the_owner_is_the_person(environ, who):
    assert Asker(lambda: environ).owner().rpartition("@")[0] == who


# as processes


def gantry(redis_url: str, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name not in plan.setting_names() | {"SUDO_USER"}}
    environ = clean | {"REDIS_URL": redis_url, "USER": "carla"} | more
    command = [sys.executable, "-m", "gantry_cli", *words]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


async def test_the_commands_as_one_types_them(site, redis_url):
    paused = gantry(redis_url, "pause", "all", "--reason", "platform's maintenance", "--for", "2h")
    assert paused.returncode == 0 and "evd is paused" in paused.stdout and "by carla@" in paused.stdout
    assert len(json.loads(gantry(redis_url, "pause", "--json").stdout)["pauses"]) == 2
    assert gantry(redis_url, "hold", "cam-south", "--target", "crowd", "--reason", "broken").returncode == 0
    assert "cam-south" in gantry(redis_url, "hold").stdout
    assert gantry(redis_url, "release", "cam-south").stdout.startswith("cam-south of crowd goes on")
    opened = gantry(redis_url, "breaker", "open", "crowd", "--reason", "x", "--owner", "dora", "--for", "90")
    assert "operator: dora: x), next probe in 90 s" in opened.stdout
    assert json.loads(gantry(redis_url, "breaker", "status", "--json").stdout)["breakers"][1]["by_hand"]
    assert gantry(redis_url, "breaker", "reset", "all").returncode == 0
    assert gantry(redis_url, "resume", "all").stdout.count("goes on; it was paused by carla@") == 2
    assert not await site.client.exists(site.keys.paused, site.keys.holds("crowd"))


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (["pause", "evd"], 2, "say why: --reason TEXT"),
        (["pause", "", "--reason", "x"], 2, "is no target"),
        (["pause", "sea", "--reason", "x"], 2, "say evd, crowd or all"),
        (["pause", "evd", "--reason", "x", "--for", "90"], 2, "write 90s, 15m, 2h or 1d"),
        (["hold", "x", "--force", "--reason", "x"], 2, "--force needs --target"),
        (["hold", "x"], 2, "say why: --reason TEXT"),
        (["hold", "", "--reason", "x"], 2, "it is empty"),  # a shell's variable that is not set
        (["release", ""], 2, "it is empty"),
        (["release"], 2, "name one DEVICE"),
        (["release", "x", "--all-platform"], 2, "name one DEVICE"),
        (["breaker", "open", "evd", "--reason", "x", "--for", "601"], 1, "for longer, pause the target"),
        (["breaker", "open", "evd"], 2, "say why: --reason TEXT"),
    ],
)
@pytest.mark.usefixtures("stage")
def test_what_is_refused(redis_url, words, code, complaint):
    refused = gantry(redis_url, *words, TERM="dumb", COLUMNS="200")
    assert (refused.returncode, refused.stdout) == (code, "")
    assert complaint in refused.stderr and "Traceback" not in refused.stderr


async def test_no_server_or_no_site_is_one_plain_line(nowhere, redis_url, said):
    elsewhere = Settings(redis_url=redis_url, gantry_site="elsewhere")
    for place in (nowhere, elsewhere):
        assert await replied(place, said, lambda s: pause.pause(s, ("evd",), SAID), as_json=False) == 2
    assert said.complaints.count("\n") == 2
