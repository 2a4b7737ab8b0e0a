"""What settings and entities say about our measures."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from gantry_cli.provision import checks
from gantry_cli.provision.attributes import OF
from gantry_cli.provision.checks import Level, Versions
from gantry_cli.provision.steps import compare, wanted

SENT_AT, LATER = "2026-01-15T10:00:00.123Z", "2026-01-15T11:30:00.000Z"
[OF_CROWD] = wanted({"crowd": SecretStr("key-of-crowd")}, "/iot/json", ["crowd"])
GROUP: dict[str, Any] = dict(compare(OF_CROWD, []).body)


def levels(found: list[checks.Finding]) -> list[Level]:
    return [finding.level for finding in found]


def of_group(**fields: Any) -> list[checks.Finding]:
    return checks.of_group(compare(OF_CROWD, [{**GROUP, **fields}]))


def without(*names: str) -> list[dict[str, Any]]:
    return [one.mapping() for one in OF["crowd"] if one.name not in names]


def test_a_group_that_is_right() -> None:
    [finding] = of_group()
    assert (finding.about, finding.level) == ("crowd", Level.RIGHT)


def test_no_group() -> None:
    [finding] = checks.of_group(compare(OF_CROWD, []))
    assert finding.level is Level.WRONG and "DEVICE_GROUP_NOT_FOUND" in finding.text


def test_the_time_that_is_not_mapped_is_lost_only_under_explicit_attributes() -> None:
    [finding] = of_group(attributes=without("TimeInstant"))
    assert finding.level is Level.WRONG and "the time of arrival is stored" in finding.text
    found = of_group(attributes=without("TimeInstant"), explicitAttrs=False)
    assert levels(found) == [Level.NOTE]
    [renamed] = of_group(
        attributes=[{"object_id": "TimeInstant", "name": "at", "type": "DateTime"}, *without("TimeInstant")]
    )
    assert renamed.level is Level.WRONG


def test_attributes_that_are_not_mapped_are_dropped_only_under_explicit_attributes() -> None:
    [finding] = of_group(attributes=without("adultsIn", "noValue"))
    assert finding.level is Level.WRONG
    assert finding.text.endswith("noValue, adultsIn")
    assert Level.WRONG not in levels(of_group(attributes=without("adultsIn"), explicitAttrs=False))
    chosen = of_group(attributes=without("adultsIn"), explicitAttrs=["count"])  # a list drops, too
    assert levels(chosen)[0] is Level.WRONG


@pytest.mark.parametrize(
    ("fields", "level"),
    [
        ({"timestamp": False}, Level.WRONG),
        ({"timestamp": None}, Level.NOTE),
        ({"autoprovision": False}, Level.WRONG),
        ({"commands": [{"name": "a"}]}, Level.WRONG),
        ({"lazy": [{"name": "a"}]}, Level.WRONG),
        ({"payloadType": "ngsild"}, Level.WRONG),
        ({"explicitAttrs": False}, Level.NOTE),
    ],
)
def test_settings(fields: dict[str, Any], level: Level) -> None:
    assert levels(of_group(**fields)) == [level]


@pytest.mark.parametrize(
    ("agent", "library", "expected"),
    [
        ("3.14.0", "4.14.0", [Level.RIGHT]),
        ("3.7.0", "4.7.0", [Level.RIGHT]),
        ("3.5.0", "4.5.0", [Level.NOTE]),
        ("3.4.0", "4.4.0", [Level.NOTE]),
        ("3.4.0-next", "4.3.9", [Level.WRONG, Level.NOTE]),
        ("", "4.14.0", [Level.UNKNOWN]),
        ("latest", "", [Level.UNKNOWN]),
    ],
)
def test_versions(agent: str, library: str, expected: list[Level]) -> None:
    assert levels(checks.of_versions(Versions(agent, library))) == expected


def test_a_manager_does_not_tell_its_agents_version() -> None:
    assert levels(checks.of_versions(None)) == [Level.UNKNOWN]


def entity(**values: Any) -> dict[str, Any]:
    modified = values.pop("modified", LATER)
    kept = {name: {"type": "x", "value": value, "metadata": {}} for name, value in values.items()}
    return {"id": "a", "type": "b", **kept, "dateModified": {"type": "DateTime", "value": modified}}


def test_what_was_sent_is_there() -> None:
    sent = {"TimeInstant": SENT_AT, "count": 3, "name": None, "dateObservedFrom": "2026-01-15T10:00:00.000Z"}
    kept = entity(TimeInstant="2026-01-15T10:00:00.123+00:00", count=3, dateObservedFrom="2026-01-15T10:00:00Z", old=1)
    [finding] = checks.of_sent("crowd/x", kept, sent, GROUP)
    assert finding.level is Level.RIGHT and finding.text.startswith("3 attributes")


def test_what_was_sent_is_not_there() -> None:
    sent = {"TimeInstant": SENT_AT, "count": 3, "laneId": 1}
    [finding] = checks.of_sent("x", entity(TimeInstant=SENT_AT, count=3), sent, GROUP)
    assert finding.level is Level.WRONG and finding.text == "sent and not stored: laneId"
    [finding] = checks.of_sent("x", entity(count=3), {"TimeInstant": SENT_AT, "count": 3}, GROUP)
    assert finding.text == "sent and not stored: TimeInstant"


def test_an_earlier_measures_value_does_not_pass_for_the_one_that_was_sent() -> None:
    """The platform keeps an attribute until it is sent again; its own instant gives it away."""
    kept = entity(TimeInstant=SENT_AT, count=3, direction="LeftToRight")
    mark = {"TimeInstant": {"type": "DateTime", "value": SENT_AT}}
    kept["count"]["metadata"] = mark
    kept["direction"]["metadata"] = {"TimeInstant": {"type": "DateTime", "value": "2026-01-15T09:00:00.000Z"}}
    sent = {"TimeInstant": SENT_AT, "count": 3, "direction": "LeftToRight"}
    [finding] = checks.of_sent("x", kept, sent, GROUP)
    assert finding.text == "sent and not stored: direction"
    kept["direction"]["metadata"] = mark
    assert levels(checks.of_sent("x", kept, sent, GROUP)) == [Level.RIGHT]


def test_an_attribute_is_looked_for_under_the_name_that_the_group_gives_it() -> None:
    group = {"attributes": [{"object_id": "count", "name": "vehicles", "type": "Number"}]}
    [finding] = checks.of_sent(
        "x", entity(TimeInstant=SENT_AT, vehicles=3), {"TimeInstant": SENT_AT, "count": 3}, group
    )
    assert finding.level is Level.RIGHT


@pytest.mark.parametrize(
    ("stored", "modified", "words"),
    [
        (LATER, "2026-01-15T11:30:00.040Z", "the time of arrival is stored"),
        ("2026-01-15T10:07:00.000Z", LATER, "somebody else writes to it"),
    ],
)
def test_another_time_than_the_one_that_was_sent(stored: str, modified: str, words: str) -> None:
    kept = entity(TimeInstant=stored, count=3, modified=modified)
    [finding] = checks.of_sent("x", kept, {"TimeInstant": SENT_AT, "count": 3}, GROUP)
    assert finding.level is Level.WRONG and words in finding.text


def test_another_value_at_the_same_time_is_worth_a_note() -> None:
    """Two events of one instant are told apart by nobody."""
    found = checks.of_sent("x", entity(TimeInstant=SENT_AT, count=4), {"TimeInstant": SENT_AT, "count": 3}, GROUP)
    assert levels(found) == [Level.NOTE, Level.RIGHT]


STEP = compare(OF_CROWD, [GROUP])


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        (entity(TimeInstant=SENT_AT, event="SmartMotionHuman"), [Level.RIGHT, Level.RIGHT]),
        (entity(TimeInstant=LATER, event="SmartMotionHuman"), [Level.RIGHT, Level.UNKNOWN]),
        (entity(TimeInstant="never", event="SmartMotionHuman"), [Level.RIGHT, Level.WRONG]),
        (entity(count=1), [Level.WRONG, Level.WRONG]),
        (entity(TimeInstant=LATER, event="people-counts", dateObservedFrom=LATER), [Level.RIGHT, Level.RIGHT]),
        (entity(TimeInstant=LATER, event="people-counts", dateObservedFrom=SENT_AT), [Level.RIGHT, Level.WRONG]),
        ({"TimeInstant": SENT_AT, "event": "x"}, [Level.RIGHT, Level.UNKNOWN]),  # a broker without builtins
    ],
)
def test_an_entity_of_which_nobody_knows_what_was_sent(kept: dict[str, Any], expected: list[Level]) -> None:
    assert levels(checks.of_entity("crowd/x", kept, STEP)) == expected
