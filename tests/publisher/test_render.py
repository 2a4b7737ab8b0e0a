from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.render import MAX_BYTES, content, fit

VALUES = st.one_of(st.integers(), st.text(max_size=30), st.booleans(), st.none())
MEASURES = st.lists(st.dictionaries(st.text(max_size=8), VALUES, min_size=1, max_size=5), min_size=1, max_size=40)


def encoded(measures: list[dict[str, object]]) -> list[bytes]:
    return [json.dumps(measure).encode() for measure in measures]


@given(MEASURES)
def test_what_goes_out_is_what_was_put_in_order_kept(measures: list[dict[str, object]]) -> None:
    sent = json.loads(content(encoded(measures)))
    assert sent == (measures if len(measures) > 1 else measures[0])


def test_bodies_are_not_encoded_anew() -> None:
    one, two = b'{"a": 1.50,"a":2}', b'{ "b":1e3 }'
    assert content([one]) == one
    assert content([one, two]) == b"[" + one + b"," + two + b"]"


@pytest.mark.parametrize(
    "bad", [b"{}", b"{ }", b"{\n\t}", b"", b"[]", b"[1]", b"42", b"null", b'"a"', b" {}", b'{"a":1']
)
def test_nothing_empty_ever_goes_out(bad: bytes) -> None:
    good = b'{"a":1}'
    for bodies in ([bad], [good, bad], [bad, good]):
        with pytest.raises(ValueError, match="not a measure"):
            content(bodies)


def test_no_measures_make_no_request() -> None:
    with pytest.raises(ValueError, match="no measures"):
        content([])
    with pytest.raises(ValueError, match="no measures"):
        fit([])


def test_an_error_does_not_repeat_the_body() -> None:
    with pytest.raises(ValueError, match="number 2 of 2") as caught:
        content([b'{"a":1}', b"0000BBB"])
    assert "0000BBB" not in str(caught.value)


@given(MEASURES, st.integers(1, 600))
def test_as_many_of_the_oldest_as_there_is_room_for_and_at_least_one(
    measures: list[dict[str, object]], room: int
) -> None:
    bodies = encoded(measures)
    count = fit(bodies, room)
    assert 1 <= count <= len(bodies)
    assert count == 1 or len(content(bodies[:count])) <= room
    assert count == len(bodies) or len(content(bodies[: count + 1])) > room


def test_a_request_is_held_to_64_kb() -> None:
    body = b'{"a":"%s"}' % (b"x" * 9_990)
    assert fit([body] * 30) == MAX_BYTES // 10_000
