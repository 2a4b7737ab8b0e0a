"""What must be done so that a group is as it must be."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from gantry_cli.provision import naming, texts
from gantry_cli.provision.attributes import OF
from gantry_cli.provision.steps import Step, Wanted, compare, stored_as, wanted

KEYS = {"evd": SecretStr("key-of-evd"), "crowd": SecretStr("key-of-crowd")}
TIME = {"object_id": "TimeInstant", "name": "TimeInstant", "type": "DateTime"}


def of_evd() -> Wanted:
    [found] = wanted(KEYS, "/iot/json", ["evd"])
    return found


def as_it_must_be() -> dict[str, Any]:
    return dict(compare(of_evd(), []).body)


def changed(**fields: Any) -> Step:
    return compare(of_evd(), [{**as_it_must_be(), **fields}])


def test_a_group_that_is_missing_is_made_whole() -> None:
    step = compare(of_evd(), [{"apikey": "key-of-crowd", "resource": "/iot/json"}, {"apikey": "key-of-evd"}])
    assert step.found is None
    settings = {name: value for name, value in step.body.items() if name != "attributes"}
    assert settings == {
        "apikey": "key-of-evd",
        "resource": "/iot/json",
        "entity_type": "TrafficFlowObserved",
        "timestamp": True,
        "explicitAttrs": True,
        "autoprovision": True,
        "commands": [],
        "lazy": [],
    }
    assert [one["name"] for one in step.body["attributes"]] == [one.name for one in OF["evd"]]


def test_a_group_that_is_as_it_must_be_is_left_alone() -> None:
    step = compare(of_evd(), [as_it_must_be()])
    assert (step.body, step.changes, step.added, step.mended) == ({}, (), (), ())
    assert texts.plan([step], "here")[-1] == "nothing to do"


@pytest.mark.parametrize(
    ("setting", "was", "to"),
    [
        ("timestamp", False, True),
        ("timestamp", None, True),
        ("explicitAttrs", None, True),
        ("explicitAttrs", False, True),
        ("explicitAttrs", "count > 1 ? ['count'] : []", True),
        ("explicitAttrs", ["count"], True),
        ("autoprovision", False, True),
        ("commands", [{"name": "reboot", "type": "command"}], []),
        ("lazy", [{"name": "battery", "type": "Number"}], []),
        ("payloadType", "ngsiv2", "iotagent"),
    ],
)
def test_a_setting_that_differs_is_all_that_is_sent(setting: str, was: Any, to: Any) -> None:
    step = changed(**{setting: was})
    assert step.body == {setting: to}
    assert [change.setting for change in step.changes] == [setting]
    assert any(setting in row and "->" in row for row in texts.plan([step], "here"))


@pytest.mark.parametrize(
    ("setting", "value"),
    [("timestamp", "true"), ("explicitAttrs", "true"), ("autoprovision", "True"), ("payloadType", "iotagent")],
)
def test_an_agent_may_keep_a_flag_as_a_word(setting: str, value: Any) -> None:
    assert changed(**{setting: value}).body == {}


def test_what_is_absent_and_means_the_same_is_left_alone() -> None:
    group = as_it_must_be()
    for setting in ("autoprovision", "commands", "lazy"):
        del group[setting]
    assert compare(of_evd(), [group]).body == {}


def test_attributes_of_others_stay_because_a_put_replaces_the_list() -> None:
    theirs = [{"object_id": "t", "name": "temperature", "type": "Number"}, {"name": "battery", "type": "Number"}]
    kept = [one.mapping() for one in OF["evd"] if one.name not in ("laneId", "event")]
    step = changed(attributes=[theirs[0], *kept, theirs[1]])
    assert [one.name for one in step.added] == ["event", "laneId"]
    assert step.kept == ("t", "battery")
    assert set(step.body) == {"attributes"}
    assert step.body["attributes"][: len(kept) + 2] == [theirs[0], *kept, theirs[1]]
    assert [one["name"] for one in step.body["attributes"][-2:]] == ["event", "laneId"]


def test_a_mapping_without_an_object_id_is_by_its_name() -> None:
    bare = [{"name": one.name, "type": one.kind} for one in OF["evd"]]
    assert changed(attributes=bare).body == {}


def test_another_name_is_somebodys_choice_and_another_type_is_not() -> None:
    mappings = [one.mapping() for one in OF["evd"]]
    lane = {"object_id": "laneId", "name": "lane", "type": "Text", "metadata": {"a": {"type": "Text", "value": "b"}}}
    step = changed(attributes=[lane if one["name"] == "laneId" else one for one in mappings])
    assert [change.to for change in step.mended] == [{**lane, "type": "Number"}]
    assert {**lane, "type": "Number"} in step.body["attributes"]
    assert len(step.body["attributes"]) == len(mappings)
    assert step.kept == ()


@pytest.mark.parametrize("wrong", [{**TIME, "name": "observedAt"}, {**TIME, "type": "Text"}])
def test_the_time_must_keep_its_name_and_type(wrong: dict[str, Any]) -> None:
    mappings = [one.mapping() for one in OF["evd"]]
    step = changed(attributes=[wrong, *mappings[1:]])
    assert step.body["attributes"][0] == TIME


def test_one_key_for_two_targets_is_one_group_with_the_attributes_of_both() -> None:
    [found] = wanted({"evd": SecretStr("k"), "crowd": SecretStr("k")}, "/iot/json", ["crowd"])
    assert (found.name, found.entity_type) == ("evd+crowd", "TrafficFlowObserved")
    assert {one.name for one in found.attributes} == {one.name for each in OF.values() for one in each}
    assert len(found.attributes) == len({one.name for one in found.attributes})


def test_a_group_of_the_same_key_on_another_resource_is_told() -> None:
    step = compare(of_evd(), [{"apikey": "key-of-evd", "resource": "/iot/d"}])
    assert any("/iot/d" in row for row in texts.plan([step], "here"))


def test_nothing_that_is_printed_shows_a_key() -> None:
    group = {**as_it_must_be(), "timestamp": False, "trust": "s3cret"}
    steps = [compare(of_evd(), [group]), compare(of_evd(), [])]
    said = [*texts.plan(steps, "here"), str(texts.document(steps)), repr(steps)]
    assert not any("key-of-evd" in row or "s3cret" in row for row in said)
    assert texts.veiled({"a": ["x key-of-evd\x1b[31m", 7]}, ["key-of-evd"]) == {"a": ["x ***?[31m", 7]}


def test_where_a_group_stores_an_attribute() -> None:
    group = {"attributes": [{"object_id": "s", "name": "speed"}, {"name": "lane"}]}
    assert [stored_as(group, name) for name in ("s", "lane", "other")] == ["speed", "lane", "other"]


@pytest.mark.parametrize(
    ("known", "group", "expected"),
    [
        (None, {}, ("Flow:cam1", "Flow")),
        ({"entity_name": "gate", "entity_type": "Gate"}, {}, ("gate", "Gate")),
        ({"entity_name": "gate"}, {"entityNameExp": "'urn:' + type + \":\" + id"}, ("urn:Flow:cam1", "Flow")),
        (None, {"entityNameExp": "id"}, ("cam1", "Flow")),
        (None, {"entityNameExp": "id + lane"}, None),
        (None, {"entityNameExp": "id|uppercase"}, None),
        (None, {"entityNameExp": "id +"}, ("cam1", "Flow")),
    ],
)
def test_names_of_entities(known: Any, group: dict[str, Any], expected: tuple[str, str] | None) -> None:
    step = compare(of_evd(), [{**as_it_must_be(), "entity_type": "Flow", **group}])
    assert naming.entity("cam1", known, step) == expected


@pytest.mark.parametrize(("device", "safe"), [("test-cam_1:a", True), ("", False), ("a b", False), ("a/b", False)])
def test_ids_that_a_broker_takes(device: str, safe: bool) -> None:
    assert naming.is_safe(device) is safe
