"""How answers are counted."""

from __future__ import annotations

import pytest

from ingest_axis.tally import Tally


def test_only_200_is_a_push() -> None:
    tally = Tally()
    tally.note(200, 5_000)
    tally.note(200, 7_000)
    assert (tally.pushes, tally.refused, tally.last_push_us) == (2, 0, 7_000)


@pytest.mark.parametrize("code", [400, 401, 404, 413, 422, 503])
def test_any_other_answer_is_a_refusal_and_no_sign_of_a_push(code: int) -> None:
    tally = Tally()
    tally.note(200, 5_000)
    tally.note(code, 9_000)
    assert (tally.pushes, tally.refused, tally.last_push_us) == (1, 1, 5_000)
