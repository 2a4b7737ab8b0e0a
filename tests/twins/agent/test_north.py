"""The agent's northbound API, and what the broker keeps under the groups' settings."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from twins.agent.handle import AgentHandle, started

SCOPE = {"Fiware-Service": "demo", "Fiware-ServicePath": "/gates"}
OPTIONS = ("--north-port", "0", "--no-groups", "--north-token", "t0ken", "--service", "demo", "--servicepath", "/gates")
SENT = "2026-01-15T10:00:00.000Z"
TIME = {"object_id": "TimeInstant", "name": "TimeInstant", "type": "DateTime"}
OURS = "/iot/services?resource=/iot/json&apikey=evd-key"


@pytest.fixture(scope="module")
def twin(agent_keys: dict[str, str]) -> Iterator[AgentHandle]:
    with started(agent_keys, *OPTIONS) as handle:
        yield handle


@pytest.fixture
def north(twin: AgentHandle) -> Iterator[httpx.Client]:
    twin.forget()
    headers = {**SCOPE, "X-Auth-Token": "t0ken"}
    with httpx.Client(base_url=twin.north, headers=headers, trust_env=False, timeout=5) as opened:
        yield opened
        opened.delete(OURS)


def a_group(**more: Any) -> dict[str, Any]:
    return {"apikey": "evd-key", "resource": "/iot/json", "entity_type": "Flow", **more}


def make(north: httpx.Client, **more: Any) -> None:
    assert north.post("/iot/services", json={"services": [a_group(**more)]}).status_code == 201


def sent(twin: AgentHandle, body: Any, device: str = "cam1") -> httpx.Response:
    return httpx.post(f"{twin.url}?k=evd-key&i={device}", json=body, trust_env=False)


def said(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("name", "")


def entity(north: httpx.Client, name: str = "Flow:cam1", query: str = "type=Flow") -> dict[str, Any]:
    return north.get(f"/v2/entities/{name}?{query}").json()


def test_a_groups_life(north: httpx.Client, twin: AgentHandle) -> None:
    assert said(north.get("/iot/services")) == (404, "DEVICE_GROUP_NOT_FOUND")
    assert said(sent(twin, {"v": 1})) == (404, "DEVICE_GROUP_NOT_FOUND")
    made = north.post("/iot/services", json={"services": [a_group(attributes=[TIME])]})
    assert (made.status_code, made.json()) == (201, {})
    assert said(north.post("/iot/services", json={"services": [a_group()]})) == (409, "DUPLICATE_GROUP")
    listed = north.get("/iot/services").json()
    assert listed["count"] == 1 and listed["services"][0]["attributes"] == [TIME]
    assert sent(twin, {"v": 1}).json() == {}
    other = {"object_id": "v", "name": "value", "type": "Number"}
    assert north.put(OURS, json={"attributes": [other], "timestamp": True}).status_code == 204
    (group,) = north.get("/iot/services").json()["services"]
    assert group["attributes"] == [other]  # the whole list is replaced
    assert (group["timestamp"], group["entity_type"]) == (True, "Flow")
    assert north.delete(OURS).status_code == 204
    assert said(sent(twin, {"v": 1})) == (404, "DEVICE_GROUP_NOT_FOUND")
    assert said(north.put(OURS, json={})) == (404, "DEVICE_GROUP_NOT_FOUND")


def test_what_is_refused(north: httpx.Client, twin: AgentHandle) -> None:
    bare = httpx.Client(base_url=twin.north, trust_env=False)
    assert bare.get("/iot/about").json() == {"libVersion": "4.14.0", "version": "3.14.0"}
    assert bare.get("/iot/services", headers=SCOPE).status_code == 401
    assert said(bare.get("/iot/services", headers={"X-Auth-Token": "t0ken"})) == (400, "MISSING_HEADERS")
    for wrong in (b"{", b"[]", b'{"groups":[]}', b'{"services":[{"resource":"/iot/json"}]}', b'{"services":[7]}'):
        assert said(north.post("/iot/services", content=wrong)) == (400, "WRONG_SYNTAX")
    make(north)
    assert said(north.put(OURS, json={"attributes": [{"type": "Text"}]})) == (400, "WRONG_SYNTAX")
    elsewhere = {"Fiware-ServicePath": "/else"}
    assert said(north.put(OURS, json={}, headers=elsewhere)) == (403, "MISMATCHED_SERVICE")
    assert said(north.get("/iot/services", headers=elsewhere)) == (404, "DEVICE_GROUP_NOT_FOUND")
    assert north.get("/iot/services", headers={"Fiware-ServicePath": "/*"}).json()["count"] == 1
    assert north.get("/nothing").status_code == 404
    bare.close()


def test_under_explicit_attributes_the_time_that_was_sent_is_lost_unless_it_is_mapped(
    north: httpx.Client, twin: AgentHandle
) -> None:
    speed = {
        "object_id": "v",
        "name": "speed",
        "type": "Number",
        "metadata": {"unit": {"type": "Text", "value": "KMH"}},
    }
    make(north, explicitAttrs=True, attributes=[speed])
    assert sent(twin, {"v": 3, "unknown": 4, "TimeInstant": SENT}).json() == {}
    kept = entity(north)
    assert set(kept) == {"id", "type", "speed", "TimeInstant"}  # `unknown` was dropped without a word
    arrived = dt.datetime.fromisoformat(kept["TimeInstant"]["value"])
    assert abs((dt.datetime.now(dt.UTC) - arrived).total_seconds()) < 10
    north.put(OURS, json={"attributes": [speed, TIME]})
    sent(twin, {"v": 5, "TimeInstant": SENT})
    kept = entity(north)
    assert (kept["speed"]["value"], kept["TimeInstant"]["value"]) == (5, SENT)
    assert kept["speed"]["metadata"] == {**speed["metadata"], "TimeInstant": {"type": "DateTime", "value": SENT}}
    assert sent(twin, {"unknown": 1}, "cam2").json() == {}
    assert north.get("/v2/entities/Flow:cam2").status_code == 404  # nothing at all reached the broker


def test_without_explicit_attributes_everything_is_kept(north: httpx.Client, twin: AgentHandle) -> None:
    make(north, static_attributes=[{"name": "provider", "type": "Text", "value": "us"}])
    sent(twin, [{"v": 1, "id": 9, "TimeInstant": SENT}, {"w": 2, "TimeInstant": SENT.replace("10:00", "10:01")}])
    kept = entity(north)
    values = {name: one["value"] for name, one in kept.items() if name not in ("id", "type")}
    assert values == {"v": 1, "measure_id": 9, "w": 2, "provider": "us", "TimeInstant": SENT.replace("10:00", "10:01")}
    assert kept["v"]["type"] == "Text"


def test_names_of_entities(north: httpx.Client, twin: AgentHandle) -> None:
    make(north)
    given = {"device_id": "p1", "apikey": "evd-key", "entity_type": "Flow", "entity_name": "gate"}
    assert north.post("/iot/devices", json={"devices": [given]}).status_code == 201
    sent(twin, {"v": 1}, "p1")
    assert entity(north, "gate")["v"]["value"] == 1
    north.put(OURS, json={"entityNameExp": "\"urn:\" + type + ':' + id"})
    sent(twin, {"v": 2}, "p1")
    assert entity(north, "urn:Flow:p1")["v"]["value"] == 2  # wins over the device's own name
    assert north.delete("/iot/devices/p1?apikey=evd-key").status_code == 204


def test_devices(north: httpx.Client, twin: AgentHandle) -> None:
    make(north, autoprovision=False)
    assert said(sent(twin, {"v": 1}, "new")) == (404, "DEVICE_NOT_FOUND")
    assert said(north.post("/iot/devices", json={"devices": [{}]})) == (400, "MISSING_ATTRIBUTES")
    device = {"devices": [{"device_id": "new", "apikey": "evd-key"}]}
    assert north.post("/iot/devices", json=device).status_code == 201
    assert said(north.post("/iot/devices", json=device)) == (409, "DUPLICATE_DEVICE_ID")
    assert sent(twin, {"v": 1}, "new").json() == {}
    assert north.put("/iot/devices/new", json={"entity_name": "gate"}).status_code == 204
    assert north.get("/iot/devices/new?apikey=evd-key").json()["entity_name"] == "gate"
    assert said(north.get("/iot/devices/new?apikey=other")) == (404, "DEVICE_NOT_FOUND")
    assert north.delete("/iot/devices/new").status_code == 204
    assert said(sent(twin, {"v": 1}, "new")) == (404, "DEVICE_NOT_FOUND")


def test_the_broker_tells_builtins_only_on_demand(north: httpx.Client, twin: AgentHandle) -> None:
    make(north)
    sent(twin, {"v": 1, "TimeInstant": SENT})
    assert "dateModified" not in entity(north)
    asked = entity(north, query="attrs=v,dateModified")
    assert set(asked) == {"id", "type", "v", "dateModified"}
    assert north.get("/v2/entities/Flow:cam1", headers={"Fiware-ServicePath": "/else"}).status_code == 404


def test_a_refused_measure_is_in_no_entity(north: httpx.Client, twin: AgentHandle) -> None:
    make(north)
    twin.script("broker_400")
    sent(twin, {"v": 1})
    twin.clear()
    sent(twin, {"v": 1, "TimeInstant": "never"})
    assert north.get("/v2/entities/Flow:cam1").status_code == 404
    north.put(OURS, json={"timestamp": False})
    assert said(sent(twin, {"v": 1, "TimeInstant": "never"})) == (400, "ENTITY_GENERIC_ERROR")  # the broker's own word


def test_groups_are_there_at_the_start_unless_told_otherwise(agent_keys: dict[str, str]) -> None:
    with started(agent_keys, "--north-port", "0") as agent:
        scope = {"Fiware-Service": "gantry", "Fiware-ServicePath": "/gantry"}
        listed = httpx.get(f"{agent.north}/iot/services", headers=scope, trust_env=False).json()
        assert {group["apikey"] for group in listed["services"]} == set(agent_keys.values())
        assert sent(agent, {"v": 1}).json() == {}
        assert agent.measures()[0]["target"] == "evd"
