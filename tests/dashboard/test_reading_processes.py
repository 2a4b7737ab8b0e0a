"""What processes say of themselves, put together."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard.reading import processes
from dashboard.reading.states import Process


def a_process(service: str, says: dict[str, Any], instance: str = "a") -> Process:
    return Process(
        service=service,
        instance=instance,
        state="ready",
        reason="",
        since_s=0,
        version="",
        configuration="",
        port=0,
        settings={},
        says=says,
    )


def test_a_recorder_is_shown_as_the_instance_sees_it_that_is_attached():
    attached = a_process("ingest-dahua", {"recorders": {"ivss": {"host": "10.0.0.12", "connected": True}}})
    standby = a_process("ingest-dahua", {"recorders": {"ivss": {"connected": False}, "other": {}}}, "b")
    for both in ([attached, standby], [standby, attached]):
        found = processes.recorders(both)
        assert [(each.name, each.connected) for each in found] == [("ivss", True), ("other", False)]


def test_counters_are_summed_and_the_first_certificate_to_end_counts():
    one = a_process("ingest-axis", {"pushes": 3, "refused": 1, "last_push_ms": 5, "certificate_until_ms": 90})
    two = a_process("ingest-axis", {"pushes": 4, "refused": 0, "last_push_ms": 9, "certificate_until_ms": 80}, "b")
    found = processes.counters([one, two, a_process("ingest-axis", {"certificate_until_ms": 0}, "c")])
    assert (found.endpoints, found.pushes, found.refused) == (3, 7, 1)
    assert (found.last_push_ms, found.certificate_until_ms) == (9, 80)


@pytest.mark.parametrize("says", [{}, {"limits": None}, {"limits": "60"}, {"limits": {"per_minute": "many"}}])
def test_a_publisher_of_another_version_says_no_limit(says: dict[str, Any]):
    assert processes.limits([a_process("publisher", says)]) is None
