"""What services say of themselves becomes problems; what nobody says becomes none."""

from __future__ import annotations

import pytest

from gantry import ledger
from gantry.diagnosis import backlog, facts, processes
from gantry.diagnosis.backlog import Backlog
from gantry.diagnosis.facts import Facts, Journal, Overdrive, Server
from gantry.diagnosis.processes import Limits, Process, Setting
from gantry.diagnosis.texts import render
from gantry.diagnosis.verdicts import problems
from gantry.pace import Overrun
from gantry.streams import groups

NOW = 1_768_444_260_000  # 2026-01-15 02:31 UTC
DAY = 86_400_000


def a_process(service: str, instance: str = "", **given) -> Process:
    rest = {"state": "ready", "reason": "", "since": 1, "version": "0.1.0", "configuration": "aa"}
    return Process(service=service, instance=instance or f"{service}-1", **{**rest, **given})


def a_site(*alive: Process, **given) -> Facts:
    others = {"processor": a_process("processor"), "publisher": a_process("publisher")}
    others |= {"ingest-dahua": a_process("ingest-dahua")}
    missing = [each for name, each in others.items() if name not in {process.service for process in alive}]
    rest = {"ledger": None, "breakers": (), "holders": (), "pauses": (), "held": (), "overdrives": ()}
    server = Server(product="valkey 9", weaknesses=(), used=0, maximum=100)
    return Facts(
        **{"server": server, "processes": (*missing, *alive), "quota": 200_000, "now_ms": NOW, **rest, **given}
    )


def codes(site: Facts) -> dict[str, bool]:
    return {problem.code: problem.wrong for problem in problems(site)}


def told(site: Facts, code: str, lang: str = "en") -> str:
    [problem] = [each for each in problems(site) if each.code == code]
    return render(problem, lang).cause


def attached(instance: str = "d-1", **said) -> Process:
    given = {"host": "10.0.0.12", "connected": True, "since_ms": NOW - 9_000_000, "reachable": True, "reason": ""}
    return a_process("ingest-dahua", instance, says={"recorders": {"north": {**given, **said}}, "vpn": None})


def test_a_site_where_nobody_says_anything_has_no_problems():
    assert codes(a_site()) == {}


@pytest.mark.parametrize(
    "says",
    [
        {},
        {"recorders": 3, "vpn": "up"},
        {"recorders": {"north": {"connected": "yes"}}},
        {"recorders": {}, "vpn": {"iface": "ppp0"}},
        {"recorders": None, "certificate_until_ms": "soon", "limits": [1]},
    ],
)
def test_what_another_version_says_in_its_own_way_is_no_problem(says):
    alive = [a_process(name, says=says) for name in ("ingest-dahua", "ingest-axis", "publisher")]
    assert codes(a_site(*alive)) == {}


def test_a_recorder_that_somebody_is_connected_to_is_all_right():
    standby = attached("d-2", connected=False, reachable=None, reason="another instance attaches")
    assert codes(a_site(standby, attached())) == codes(a_site(attached(), standby)) == {}


@pytest.mark.parametrize(
    "reason", ["not attached to 10.0.0.12: the recorder answers 503", "no sign of life from the recorder yet"]
)
def test_a_recorder_that_nobody_is_connected_to_is_told_once_with_reason_and_since(reason):
    trying = attached(connected=False, reason="the recorder answers 503")
    unready = a_process("ingest-dahua", "d-1", state="unready", reason=reason, says=trying.says)
    standby = attached("d-2", connected=False, reachable=None, reason="another instance attaches")
    site = a_site(standby, unready)
    assert codes(site) == {"recorder-unattached": True}
    since = "2026-01-15 00:01 UTC (2.5 h ago)"
    assert told(site, "recorder-unattached") == (
        f"nobody is connected to recorder north since {since}: the recorder answers 503"
    )
    assert "hace 2,5 h" in told(site, "recorder-unattached", "es")


def test_an_ingest_that_is_unready_for_more_than_its_recorder_is_told_beside():
    says = attached(connected=False, reason="eof").says
    unready = a_process(
        "ingest-dahua",
        "d-1",
        state="unready",
        reason="not attached to 10.0.0.12: eof; Redis does not answer: x",
        says=says,
    )
    assert codes(a_site(unready)) == {"process-unready": True, "recorder-unattached": True}


def test_a_recorder_whose_host_does_not_answer_behind_a_vpn_that_is_down():
    lost = attached(connected=False, reachable=False, reason="connect: no route").says | {
        "vpn": {"iface": "ppp0", "up": False}
    }
    site = a_site(a_process("ingest-dahua", "d-1", says=lost))
    assert list(codes(site)) == ["vpn-down", "recorder-unreachable"]
    assert told(site, "vpn-down", "es") == "la VPN está caída: interfaz ppp0 de d-1"


@pytest.mark.parametrize(
    ("end_ms", "found"),
    [
        (0, {}),
        (NOW + 15 * DAY, {}),
        (NOW + 13 * DAY, {"certificate-ends": False}),
        (NOW - 1, {"certificate-ended": True}),
    ],
)
def test_a_certificate_that_ends(end_ms, found):
    door = a_process("ingest-axis", says={"certificate_until_ms": end_ms})
    other = a_process("ingest-axis", "axis-2", says={"certificate_until_ms": NOW + 90 * DAY})
    assert codes(a_site(door, other)) == found


def test_processes_with_other_settings_are_named_with_the_settings_that_differ():
    def publisher(instance: str, digest: str, proxy: str) -> Process:
        given = {"IOTA_PROXY": Setting(proxy, "environment"), "INSTANCE": Setting(instance, "default")}
        return a_process("publisher", instance, configuration=digest, settings=given)

    site = a_site(publisher("p-1", "aa", ""), publisher("p-2", "bb", "http://10.0.0.9:3128"))
    assert codes(site) == {"settings-differ": False}
    assert told(site, "settings-differ") == "2 processes of publisher run with different settings: IOTA_PROXY"
    assert codes(a_site(publisher("p-1", "aa", ""), publisher("p-2", "aa", ""))) == {}
    silent = a_site(a_process("publisher", "p-1"), a_process("publisher", "p-2", configuration="bb"))
    assert told(silent, "settings-differ").endswith("they do not say which")


@pytest.mark.parametrize(
    ("journal", "alive", "skipped", "found"),
    [
        (None, False, 0, {}),
        (None, False, 7, {}),
        (Journal(3), False, 0, {"journal-missing": False}),
        (Journal(10_001), False, 0, {"journal-missing": False}),
        (Journal(10_000), True, 0, {}),
        (Journal(10_001), True, 0, {"journal-behind": False}),
        (Journal(0), True, 7, {"journal-skipped": False}),
    ],
)
def test_a_journal_matters_once_there_has_been_one(journal, alive, skipped, found):
    accounts = ledger.read({"journal_skipped": skipped} if skipped else {}, in_raw=0, waiting=0)
    running = (a_process("journal"),) if alive else ()
    assert codes(a_site(*running, journal=journal, ledger=accounts)) == found


def test_a_long_backlog_is_to_be_known_unless_the_device_is_over_its_limit():
    long = Backlog("evd", "cam-1", 108_000, 30.0)
    site = a_site(backlogs=(long,))
    assert codes(site) == {"backlog-long": False}
    assert "takes 30.0 h at the allowed rate (108000 wait)" in told(site, "backlog-long")
    over = Overdrive("evd", "cam-1", Overrun(90, 60, 108_000))
    assert codes(a_site(backlogs=(long,), overdrives=(over,))) == {"over-limit": False}


def test_each_problem_is_said_in_both_languages_without_a_full_stop():
    lost = attached(connected=False, reachable=False).says | {"vpn": {"iface": "ppp0", "up": False}}
    accounts = ledger.read({"received": 1, "dead_in": 2, "journal_skipped": 3}, in_raw=0, waiting=0)
    site = a_site(
        a_process("ingest-dahua", "d-1", says=lost),
        a_process("ingest-axis", says={"certificate_until_ms": NOW - DAY}, state="molten", configuration="bb"),
        a_process("ingest-axis", "axis-2"),
        journal=Journal(4),
        ledger=accounts,
        server=Server(product="valkey 9", weaknesses=("appendfsync is no, wanted always",), used=90, maximum=100),
    )
    found = problems(site)
    assert len(found) == 11
    for problem in found:
        english, spanish = render(problem), render(problem, "es")
        assert english.cause != spanish.cause and english.step != spanish.step
        assert not any(text.endswith(".") for text in (*(english.cause, english.step), spanish.cause, spanish.step))
        assert problem.link in {"letters", "streams", "devices", "configuration", "breaker", ""}


async def test_the_journal_stands_where_its_groups_do(client, keys):
    await groups.prepare(client, keys)
    for stream in (keys.receipts, keys.outcomes):
        await client.xadd(stream, {"v": "1"})
    assert await facts.journal(client, keys) is None  # the groups are there from the start
    await client.xadd(keys.outcomes, {"v": "1"})
    await client.xreadgroup("journal", "writer", {keys.receipts: ">"})
    assert await facts.journal(client, keys) == Journal(3)


async def test_processes_are_read_with_what_they_say_and_their_settings(client, keys):
    whole = {"state": "ready", "since": "5", "says": '{"active": true}', "settings": '{"PLATES": {"value": "drop"}}'}
    await client.hset(keys.alive("processor", "a"), mapping=whole)
    await client.hset(keys.alive("processor", "b"), mapping={"says": "[1]", "settings": "{", "since": "x"})
    first, second = await processes.read(client, keys)
    assert (first.says, first.settings) == ({"active": True}, {"PLATES": Setting("drop")})
    assert (second.says, second.settings, second.state, second.since) == ({}, {}, "unknown", 0)


async def test_the_lane_that_takes_longest_is_found_only_when_there_can_be_one(client, keys):
    limits = Limits(per_minute=1.0)
    for lane, waiting in (("cam-1", 1500), ("cam-2", 3000)):
        await client.rpush(keys.lane("evd", lane), *range(waiting))
        await client.zadd(keys.due("evd"), {lane: 1})
    assert await backlog.read(client, keys, 4500, limits) == (Backlog("evd", "cam-2", 3000, 50.0),)
    assert await backlog.read(client, keys, 1440, limits) == ()  # by the ledger, no lane can be that long
    assert await backlog.read(client, keys, 4500, None) == ()
    assert await backlog.read(client, keys, 4500, Limits(per_minute=1.0, counts="requests")) == ()
