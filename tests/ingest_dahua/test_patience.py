"""How long a recorder is left alone."""

from __future__ import annotations

import random

from ingest_dahua.patience import Failures, Patience, pause_s


def pauses(failures: Failures, kinds: str) -> list[float]:
    """l: lost, r: refused."""
    chance = random.Random(1)
    return [pause_s(failures, Patience(), chance, refused=kind == "r") for kind in kinds]


def test_a_lost_stream_is_sought_again_after_5_to_60_s() -> None:
    for pause, step in zip(pauses(Failures(), "llllll"), [5, 10, 20, 40, 60, 60], strict=True):
        assert step <= pause <= step * 1.2


def test_a_refused_login_is_repeated_twice_and_then_left_alone_for_a_quarter_of_an_hour() -> None:
    found = pauses(Failures(), "rrrr")
    assert found[0] < found[1] < 100
    assert min(found[2:]) >= 900


def test_only_a_sign_of_life_forgives() -> None:
    failures = Failures()
    pauses(failures, "rrlrl")
    assert (failures.refused, failures.lost) == (3, 2)
    failures.alive()
    assert pauses(failures, "l")[0] <= 6
