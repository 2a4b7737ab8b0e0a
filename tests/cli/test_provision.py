"""`gantry provision` against the agent's twin: a real process with groups, devices and entities."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from gantry.settings import load
from gantry_cli.provision import run, verify
from gantry_cli.provision.config import Config
from gantry_cli.provision.run import Asked, Session
from gantry_cli.provision.verify import Look
from twins.agent.handle import AgentHandle, started

KEYS = {"evd": "key-of-vehicles", "crowd": "key-of-people"}
TOKEN = "token-of-the-north"
SCOPE = {"Fiware-Service": "demo", "Fiware-ServicePath": "/gates"}
OPTIONS = ("--north-port", "0", "--no-groups", "--north-token", TOKEN)
SENT_AT = "2026-01-15T10:00:00.123Z"
Do = Callable[[Callable[[Session], Awaitable[int]]], Awaitable[int]]


@pytest.fixture(scope="module")
def twin() -> Iterator[AgentHandle]:
    with started(KEYS, *OPTIONS) as handle:
        yield handle


@pytest.fixture
def north(twin: AgentHandle) -> Iterator[httpx.Client]:
    twin.forget()
    with httpx.Client(base_url=twin.north, headers={**SCOPE, "X-Auth-Token": TOKEN}, trust_env=False) as opened:
        yield opened
        for key in KEYS.values():
            opened.delete(f"/iot/services?resource=/iot/json&apikey={key}")


@pytest.fixture
def settings(twin: AgentHandle, north: httpx.Client, tmp_path: Path) -> dict[str, str]:
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    return {
        "IOTA_JSON_BASE": twin.url,
        "IOTA_APIKEY_EVD": KEYS["evd"],
        "IOTA_APIKEY_CRWD": KEYS["crowd"],
        "IOTA_NORTH_URL": f"{north.base_url}?protocol=IoTA-JSON",
        "IOTA_NORTH_TOKEN_FILE": str(token),
        "IOTA_TIMEOUT_S": "5",
        "FIWARE_SERVICE": "demo",
        "FIWARE_SERVICEPATH": "/gates",
        "REDIS_URL": f"unix://{tmp_path}/none.sock",
    }


@pytest.fixture
def do(settings: dict[str, str], said: Any) -> Do:
    """A command, with these settings and some that a test changes."""

    def doing(work: Callable[[Session], Awaitable[int]], **changed: str) -> Awaitable[int]:
        return run.within(load(Config, {**settings, **changed}), said, work)

    return doing


def plan(session: Session) -> Awaitable[int]:
    return run.plan(session, Asked())


def yes(session: Session) -> Awaitable[int]:
    return run.apply(session, Asked(), lambda _: True)


def check(device: str = "", send: str = "", *, as_json: bool = False) -> Callable[[Session], Awaitable[int]]:
    return lambda session: verify.run(session, Asked(as_json=as_json), Look(device, send))


def post(twin: AgentHandle, target: str, measure: dict[str, Any], device: str = "cam1") -> None:
    answer = httpx.post(f"{twin.url}?k={KEYS[target]}&i={device}", json=measure, trust_env=False)
    assert answer.json() == {}


def put(north: httpx.Client, **fields: Any) -> None:
    """Change the group of the vehicles by hand."""
    answer = north.put(f"/iot/services?resource=/iot/json&apikey={KEYS['evd']}", json=fields)
    assert answer.status_code == 204


def groups(north: httpx.Client) -> dict[str, Any]:
    return {group["apikey"]: group for group in north.get("/iot/services").json().get("services", [])}


async def test_from_nothing_to_right(do: Do, said: Any, north: httpx.Client) -> None:
    assert await do(plan) == 1
    assert "evd: group *** on /iot/json of service demo, path /gates, TrafficFlowObserved: must be made" in said.text
    assert groups(north) == {}  # a plan changes nothing
    assert await do(check()) == 1
    assert await do(yes) == 0
    assert "made the group of evd" in said.text and "as they must be" in said.text
    made = groups(north)
    assert {group["entity_type"] for group in made.values()} == {"TrafficFlowObserved", "CrowdFlowObserved"}
    assert all(group["explicitAttrs"] is True for group in made.values())
    assert await do(plan) == 0
    assert await do(yes) == 0
    assert await do(check()) == 0
    assert "not verified: whether values and times are stored: set IOTA_BROKER_URL" in said.text
    for secret in (*KEYS.values(), TOKEN):
        assert secret not in said.text + said.complaints


async def test_only_what_differs_is_changed_and_attributes_of_others_stay(
    do: Do, said: Any, north: httpx.Client
) -> None:
    await do(yes)
    theirs = {"object_id": "t", "name": "temperature", "type": "Number"}
    put(north, attributes=[theirs], timestamp=False, static_attributes=[{"name": "provider"}])
    assert await do(yes) == 0
    group = groups(north)[KEYS["evd"]]
    assert group["timestamp"] is True and group["static_attributes"] == [{"name": "provider"}]
    assert group["attributes"][0] == theirs and len(group["attributes"]) == 13
    assert "changed the group of evd" in said.text and "changed the group of crowd" not in said.text


async def test_nothing_is_done_unless_it_is_confirmed(do: Do, said: Any, north: httpx.Client) -> None:
    asked: list[str] = []

    def no(question: str) -> bool:
        asked.append(question)
        return False

    assert await do(lambda session: run.apply(session, Asked(), no)) == 1
    assert await do(lambda session: run.apply(session, Asked(), None)) == 2
    assert asked == ["Do this on the platform (service demo, path /gates)?"]
    assert "say --yes" in said.complaints
    assert groups(north) == {}


async def test_one_target_alone(do: Do, north: httpx.Client) -> None:
    types = {"evd": "Gate", "crowd": "Door"}
    one = Asked(targets=["crowd"], types=types)
    assert await do(lambda session: run.apply(session, one, lambda _: True)) == 0
    assert [group["entity_type"] for group in groups(north).values()] == ["Door"]


async def test_the_silent_traps_are_found_by_settings_and_by_reading_back(
    do: Any, said: Any, north: httpx.Client, twin: AgentHandle
) -> None:
    await do(yes)
    count = {"object_id": "count", "name": "count", "type": "Number"}
    put(north, attributes=[count])
    assert await do(check(send="test-cam"), IOTA_BROKER_URL=twin.north) == 1
    lines = said.text.splitlines()
    wrong = [line for line in lines if "WRONG" in line]
    assert any("TimeInstant is not mapped under explicitAttrs" in line for line in wrong)
    assert any("dropped without a word" in line and "averageVehicleSpeed" in line for line in wrong)
    assert any(line.startswith("evd/test-cam") and "sent and not stored: event, name" in line for line in wrong)
    assert any(line.startswith("evd/test-cam") and "the time of arrival is stored" in line for line in wrong)
    assert any(line.startswith("crowd/test-cam") and "right" in line for line in lines)
    assert [one["device"] for one in twin.measures()] == ["test-cam", "test-cam"]


async def test_verify_sends_nothing_unless_it_is_told_to(do: Any, twin: AgentHandle) -> None:
    await do(yes)
    await do(check(device="cam1"), IOTA_BROKER_URL=twin.north)
    await do(check(), IOTA_BROKER_URL=twin.north)
    assert twin.measures() == []


async def test_what_was_stored_before_the_group_was_mended_may_be_all_that_is_wrong(
    do: Any, said: Any, twin: AgentHandle
) -> None:
    await do(yes)
    post(twin, "evd", {"count": 1})
    assert await do(check(device="cam1"), IOTA_BROKER_URL=twin.north) == 1
    assert "if it has nothing to do, verify again after the device's next measure" in said.text


async def test_a_named_device_is_read_back_without_redis(do: Any, said: Any, twin: AgentHandle) -> None:
    await do(yes)
    post(twin, "evd", {"TimeInstant": SENT_AT, "event": "TrafficJunction", "count": 1})
    assert await do(check(device="cam1"), IOTA_BROKER_URL=twin.north) == 0
    assert "evd/cam1    right:        stored: TimeInstant, event, count; never sent or not stored: name" in said.text
    assert "TimeInstant is not the time of arrival" in said.text
    assert "crowd/cam1  not verified:" in said.text and "no entity CrowdFlowObserved:cam1" in said.text


MEASURE = {"TimeInstant": SENT_AT, "event": "TrafficJunction", "count": 1, "averageVehicleSpeed": 43.5}


@pytest.fixture
async def lanes(client: Any, keys: Any, redis_url: str) -> str:
    """A server on which cam2 was delivered last."""
    for lane in ("cam1", "cam2"):
        await client.xadd(keys.receipts, {"v": "1", "target": "evd", "lane": lane})
    packed = b"1768471200123\n1-0\nevent\ndev\n1\n1768471200999000\n" + orjson.dumps(MEASURE)
    await client.hset(keys.lane_state("evd"), "cam2:newest", packed)
    return redis_url


@pytest.mark.parametrize("lost", [False, True])
async def test_the_device_that_was_delivered_last_is_read_back(
    do: Any, said: Any, north: httpx.Client, twin: AgentHandle, lanes: str, *, lost: bool
) -> None:
    await do(yes)
    if lost:
        rest = [one for one in groups(north)[KEYS["evd"]]["attributes"] if one["name"] != "TimeInstant"]
        put(north, attributes=rest)
    post(twin, "evd", MEASURE, device="cam2")
    code = await do(check(as_json=True), IOTA_BROKER_URL=twin.north, REDIS_URL=lanes)
    document = orjson.loads(said.text[said.text.rindex('{\n  "findings"') :])
    found = {(one["about"], one["level"]): one["text"] for one in document["findings"]}
    if lost:
        assert code == 1
        assert "the time of arrival is stored" in found["evd/cam2", "WRONG"]
    else:
        assert code == 0
        assert found["evd/cam2", "right"] == "4 attributes stored, TimeInstant is the event's own"
    assert "nothing of it was delivered lately" in found["crowd", "not verified"]


async def test_an_entity_that_is_not_there_though_a_receipt_came(
    do: Any, said: Any, twin: AgentHandle, client: Any, keys: Any, redis_url: str
) -> None:
    await do(yes)
    await client.hset(keys.lane_state("evd"), "cam9:newest", b'1\n1-0\ne\nd\n1\n1\n{"TimeInstant":"x","count":1}')
    assert await do(check(device="cam9"), IOTA_BROKER_URL=twin.north, REDIS_URL=redis_url) == 1
    assert "no entity TrafficFlowObserved:cam9 of type TrafficFlowObserved, though" in said.text


async def test_a_broker_that_is_away_is_said_plainly(do: Any, said: Any) -> None:
    await do(yes)
    assert await do(check(device="cam1"), IOTA_BROKER_URL="http://127.0.0.1:9") == 2
    assert said.text.count("not verified: whether values and times are stored: the broker at http://127.0.0.1:9") == 2
    assert "Connection refused" in said.text


async def test_a_test_measure_that_is_refused(do: Any, said: Any, twin: AgentHandle) -> None:
    await do(yes)
    twin.script("bad_timestamp", target="evd")
    try:
        assert await do(check(send="test-cam")) == 1
    finally:
        twin.clear()
    assert "the test measure got no receipt: 400 BAD_TIMESTAMP" in said.text
    assert KEYS["evd"] not in said.text


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"IOTA_NORTH_TOKEN_FILE": "", "IOTA_NORTH_TOKEN": "old-token"},
            "(401 AUTHENTICATION_ERROR): IOTA_NORTH_TOKEN",
        ),
        ({"IOTA_NORTH_URL": "http://127.0.0.1:9"}, "does not answer: Connection refused"),
    ],
)
async def test_what_cannot_be_asked_is_one_line_and_exit_2(
    changed: dict[str, str], words: str, do: Any, said: Any
) -> None:
    assert await do(plan, **changed) == 2
    assert said.text == ""
    assert said.complaints.count("\n") == 1 and words in said.complaints
    assert "old-token" not in said.complaints


async def test_a_page_that_is_not_the_api(do: Any, said: Any, twin: AgentHandle) -> None:
    assert await do(plan, IOTA_NORTH_URL=twin.base) == 2
    assert "404 with text/html, not JSON: IOTA_NORTH_URL" in said.complaints
    assert await do(plan, IOTA_NORTH_URL=f"{twin.north}/elsewhere") == 2


async def test_a_key_that_another_service_has(do: Any, said: Any) -> None:
    await do(yes)
    assert await do(yes, FIWARE_SERVICEPATH="/else") == 2
    assert "409 DUPLICATE_GROUP" in said.complaints and "FIWARE_SERVICEPATH" in said.complaints
    assert KEYS["evd"] not in said.complaints


def gantry(folder: Path, settings: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gantry_cli", "provision", *arguments]
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), **settings}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=50, check=False)


async def test_the_command_itself(settings: dict[str, str], tmp_path: Path) -> None:
    for arguments, code, words in (
        (("plan", "--target", "evd"), 1, "Next: gantry provision apply"),
        (("apply", "--yes", "--evd-type", "Gate"), 0, "made the group of crowd"),
        (("plan", "--json"), 0, '"to_do": 0'),
        (("verify", "--send", "a b"), 2, "no id that a broker takes"),
        (("plan", "--crowd-type", "a b"), 78, "no type of entities"),
    ):
        done = await asyncio.to_thread(gantry, tmp_path, settings, *arguments)
        assert (done.returncode, words in done.stdout + done.stderr) == (code, True), done
        assert not any(secret in done.stdout + done.stderr for secret in (*KEYS.values(), TOKEN))
        assert "Traceback" not in done.stderr


async def test_settings_that_are_missing_or_wrong_are_named_at_once(tmp_path: Path) -> None:
    wrong = {
        "FIWARE_SERVICE": "a b",
        "FIWARE_SERVICEPATH": "gates",
        "IOTA_NORTH_URL": "http://user:pass@host",
        "IOTA_NORTH_TOKEN": "a\tb",
        "IOTA_BROKER_URL": "broker:1026",
    }
    done = await asyncio.to_thread(gantry, tmp_path, wrong, "plan")
    assert done.returncode == 78
    for name in (*wrong, "IOTA_APIKEY_EVD", "IOTA_APIKEY_CRWD", "IOTA_JSON_BASE"):
        assert f"gantry: {name}" in done.stderr
    assert "pass@" not in done.stderr
