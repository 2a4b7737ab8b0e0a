"""What a letter keeps of an event is enough to try it again, or the letter says that it is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from processor_entries import COUNTER, NO_MAPS, a_raw, crossing, junction, measurement, push, text_of

from gantry.codec import UNREADABLE, letter
from gantry.event import Accept, Bury, Decision, RawEntry
from processor import pipeline

NOT_KEPT = b"length="


def stored(body: bytes, reason: str = "error:KeyError"):
    """The letter that a bug in the pipeline would make of it."""
    return letter(b"1-1", {b"class": b"in", b"reason": reason.encode(), b"body": body})


def retried(raw: RawEntry) -> RawEntry:
    return replace(raw, seq=0, body=pipeline.letter(raw))


def told(decision: Decision) -> object:
    return decision.measures if isinstance(decision, Accept) else decision


@pytest.mark.parametrize(
    "raw",
    [
        a_raw(text_of("CrossLineDetection", crossing())),
        a_raw(text_of("TrafficJunction", junction())),
        a_raw(text_of("SmartMotionHuman", {"object": [{"Rect": [1, 2, 3, 4]}, {}], "Id": [0]})),
        a_raw(text_of("SmartMotionVehicle")),
        a_raw(text_of("HumanTrait", {"EventID": 3, "Object": {"ObjectType": "Human"}}, action="Stop")),
        a_raw(push(), src="axis", dev=COUNTER),
        a_raw(push(measurement(items=[])), src="axis", dev=COUNTER),
        a_raw(push(sensor={}), src="axis", dev=COUNTER),
    ],
)
def test_what_was_kept_gives_the_same_as_the_whole(raw):
    assert not stored(pipeline.letter(raw)).final
    assert told(pipeline.decide(retried(raw), NO_MAPS)) == told(pipeline.decide(raw, NO_MAPS))


def test_captured_events_too(captures: Path):
    bodies = [path.read_bytes() for path in (captures / "dahua").glob("body-*.txt")]
    assert len(bodies) > 5
    for raw in map(a_raw, bodies):
        assert not stored(pipeline.letter(raw)).final
        assert told(pipeline.decide(retried(raw), NO_MAPS)) == told(pipeline.decide(raw, NO_MAPS))


@pytest.mark.parametrize(
    "raw",
    [
        a_raw(b"no event"),
        a_raw(b"Code=SmartMotionHuman;action=Start;index=0;data={cut"),
        a_raw(text_of("SmartMotionHuman", {"a": list(range(20_000))})),
        a_raw(b"{cut", src="axis", dev=COUNTER),
        a_raw(text_of("SmartMotionHuman"), enc="key-1"),
    ],
)
def test_what_was_not_kept_is_final(raw):
    """Without its data such an event would be counted as one that never had any."""
    assert NOT_KEPT in pipeline.letter(raw)
    assert stored(pipeline.letter(raw)).final


def test_what_this_version_cannot_read_is_final():
    assert stored(b'{"sensor":{}}', UNREADABLE).final


@given(st.binary(max_size=200) | st.builds(lambda b: b"Code=X;action=Start;index=1;data=" + b, st.binary(max_size=99)))
def test_a_letter_that_is_not_final_loses_nothing_when_it_dies_again(body):
    raw = a_raw(body)
    kept = pipeline.letter(raw)
    decision = pipeline.decide(retried(raw), NO_MAPS)
    if not stored(kept).final and isinstance(decision, Bury):
        assert decision.body == kept
