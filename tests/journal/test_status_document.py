"""The status document: the superseded system's shape to the letter, from facts, and nothing invented."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

import gantry
from gantry import ledger, status
from gantry.status import Facts, Speaker
from gantry.streams.controls import Circuit
from gantry.streams.standing import LastMeasure, LastUnknown

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
KEYS = {  # of the example in the superseded system's documentation
    "": "service version server_time_utc ivss iota families metrics breaker maps dedup infra",
    "ivss": "connected last_event_utc",
    "iota": "last_code breaker_open",
    "families": "EVD CROWD",
    "metrics": "received published deduplicated filtered rate_limited consec_fail",
    "breaker": "breaker_open consec_fail trip_count cooldown_remaining",
    "maps": "allowlist_count machine_to_serial_count name_map_count",
    "dedup": "queue_len ttl_sec",
    "infra": "vpn_iface vpn_up ivss_host ivss_ping",
}


def a_circuit(target: str, **changed: Any) -> Circuit:
    numbers = ("until_ms", "since_ms", "failures", "streak", "trips", "slow_ms", "throttled_ms")
    given = {**dict.fromkeys(numbers, 0), "state": "closed", "last": "", "probe": "", "reason": "", **changed}
    return Circuit(target=target, **given)


def some_facts(**changed: Any) -> Facts:
    given = {
        "ledger": None,
        "circuits": (a_circuit("evd"), a_circuit("crowd")),
        "speakers": (),
        "measures": {},
        "unknown": None,
        "fingerprints": 0,
        "now_ms": NOW_MS,
    }
    return Facts(**{**given, **changed})


def document(*speakers: Speaker, **changed: Any) -> dict[str, Any]:
    return status.document(some_facts(speakers=speakers, **changed), now=NOW)


def speaker(service: str, instance: str = "one", **says: Any) -> Speaker:
    return Speaker(service=service, instance=instance, state="ready", says=says)


def a_recorder(**changed: Any) -> dict[str, Any]:
    base = {"host": "10.0.0.12", "connected": True, "since_ms": 1000, "last_byte_ms": 9000, "last_event_ms": 8000}
    return {**base, "spooled": 0, "reachable": True, "reason": "", **changed}


@pytest.mark.parametrize("part", KEYS)
def test_every_key_that_others_rely_on_is_there(part: str) -> None:
    told = document()
    assert set(KEYS[part].split()) <= set(told[part] if part else told)


def test_what_nobody_says_is_null() -> None:
    told = document()
    assert told["service"] == "traffic"
    assert told["version"] == gantry.__version__
    assert told["server_time_utc"] == "2026-03-01T12:00:00Z"
    assert told["ivss"] == {"connected": None, "last_event_utc": None, "recorders": {}}
    assert told["iota"]["last_code"] is None
    assert set(told["maps"].values()) == set(told["infra"].values()) == {None}
    assert told["dedup"]["ttl_sec"] is None
    assert told["families"]["EVD"] == {"total": None, "last_utc": None}
    assert told["metrics"]["received"] is None


def test_the_ledger_gives_the_metrics_and_the_families() -> None:
    counters = {"received": 20, "deduplicated": 3, "filtered": 2, "dead_in": 1, "accepted": 10, "delayed": 4}
    counters |= {"measures": 12, "published": 7, "measures:evd": 8, "measures:crowd": 4}
    last = LastMeasure(t_ms=7_999, event_id="e1", dev="r/0", lane="cam", t_rx=1, body=b"{}")
    told = document(ledger=ledger.read(counters, in_raw=4, waiting=5), measures={"evd": last})
    wanted = {"received": 20, "published": 7, "deduplicated": 3, "filtered": 2, "rate_limited": 4, "consec_fail": 0}
    assert wanted.items() <= told["metrics"].items()
    assert told["metrics"]["waiting"] == 9
    assert told["families"] == {"EVD": {"total": 8, "last_utc": 7}, "CROWD": {"total": 4, "last_utc": None}}
    old = status.file_document(told)
    assert told.items() <= old.items()
    assert (old["total_events_received"], old["total_events_published"]) == (20, 7)
    assert (old["total_events_deduplicated"], old["total_events_filtered"], old["total_rate_limited"]) == (3, 2, 4)
    assert (old["consecutive_failures"], old["circuit_breaker"]) == (0, {"trip_count": 0})


def test_the_breaker_tells_the_worst_and_the_sum() -> None:
    closed = a_circuit("evd", failures=3, trips=1)
    opened = a_circuit("crowd", state="open", until_ms=NOW_MS + 1_001, trips=2, reason="timeout")
    told = document(circuits=(closed, opened))
    wanted = {"breaker_open": True, "consec_fail": 3, "trip_count": 3, "cooldown_remaining": 2}
    assert wanted.items() <= told["breaker"].items()
    assert told["iota"]["breaker_open"] is True
    assert told["metrics"]["consec_fail"] == 3
    assert told["breaker"]["targets"]["crowd"]["reason"] == "timeout"
    assert told["breaker"]["targets"]["evd"]["breaker_open"] is False


def test_an_open_breaker_has_failed_at_least_as_often_as_it_opened() -> None:
    opened = a_circuit("evd", state="open", streak=3, trips=1, reason="timeout")
    told = document(circuits=(opened,))
    assert told["breaker"]["consec_fail"] == told["metrics"]["consec_fail"] == 3
    by_hand = a_circuit("evd", state="open", streak=1, trips=1, reason="operator: ana: works on the line")
    assert document(circuits=(by_hand,))["breaker"]["consec_fail"] == 0


def test_a_cooldown_that_is_over_is_nothing_left() -> None:
    opened = a_circuit("crowd", state="open", until_ms=NOW_MS - 5_000)
    assert document(circuits=(opened,))["breaker"]["cooldown_remaining"] == 0


def test_recorders_are_connected_when_all_are_as_the_attached_instance_sees_it() -> None:
    standby = speaker("ingest-dahua", "a", recorders={"n": a_recorder(connected=False, reason=STANDBY)}, vpn=None)
    attached = speaker("ingest-dahua", "b", recorders={"n": a_recorder()}, vpn={"iface": "ppp0", "up": True})
    told = document(standby, attached)
    assert told["ivss"]["connected"] is True
    assert told["ivss"]["last_event_utc"] == 8
    assert told["infra"] == {"vpn_iface": "ppp0", "vpn_up": True, "ivss_host": "10.0.0.12", "ivss_ping": True}
    broken = a_recorder(host="10.0.0.13", connected=False, reachable=False, reason="no route")
    both = document(speaker("ingest-dahua", recorders={"n": a_recorder(), "o": broken}, vpn=None))
    assert both["ivss"]["connected"] is False
    assert (both["infra"]["ivss_host"], both["infra"]["ivss_ping"]) == ("10.0.0.13", False)


STANDBY = "another instance attaches"


def test_an_event_before_a_restart_of_ingest_still_counts() -> None:
    last = LastMeasure(t_ms=50_000, event_id="e1", dev="n/0", lane="cam", t_rx=49_000_000, body=b"{}")
    fresh = speaker("ingest-dahua", recorders={"n": a_recorder(last_event_ms=0)}, vpn=None)
    assert document(fresh, measures={"evd": last})["ivss"]["last_event_utc"] == 49
    counter = LastMeasure(t_ms=50_000, event_id="e1", dev="9C0AA51PAZ00001", lane="cam", t_rx=49_000_000, body=b"{}")
    assert document(fresh, measures={"evd": counter})["ivss"]["last_event_utc"] is None


def test_the_newest_answer_of_all_publishers_is_the_last_code() -> None:
    one = speaker("publisher", "a", answers={"evd": {"code": 200, "at_ms": 5_000, "reason": ""}})
    two = speaker("publisher", "b", answers={"evd": {"code": 503, "at_ms": 6_000, "reason": "busy"}})
    told = document(one, two)["iota"]
    assert told["last_code"] == 503
    assert told["targets"]["evd"] == {"last_code": 503, "last_utc": 6, "reason": "busy"}
    assert told["targets"]["crowd"]["last_code"] is None


def test_the_active_processor_tells_maps_and_window() -> None:
    maps = {"allowlist": 5, "machine_to_serial": 8, "camera_name_map": 9}
    active = speaker("processor", "b", active=True, dedup_ttl_s=10.0, maps=maps)
    standby = speaker("processor", "a", active=False, dedup_ttl_s=2.5, maps=dict.fromkeys(maps, 0))
    told = document(standby, active, fingerprints=150)
    assert told["maps"] == {"allowlist_count": 5, "machine_to_serial_count": 8, "name_map_count": 9}
    assert told["dedup"] == {"queue_len": 150, "ttl_sec": 10}
    assert document(standby)["dedup"]["ttl_sec"] == 2.5


def test_the_last_events_are_told_with_their_measure() -> None:
    last = LastMeasure(t_ms=7_999, event_id="e1", dev="r/0", lane="cam", t_rx=6_123_456, body=b'{"v":1}')
    assert status.last_document(last, "evd") == {
        "family": "EVD",
        "id": "e1",
        "dev": "r/0",
        "device": "cam",
        "last_utc": 7,
        "received": "1970-01-01T00:00:06.123Z",
        "measure": {"v": 1},
    }
    told = {"t_ms": 7_999, "event_id": "e2", "dev": "r/1", "src": "r", "t_rx": 1, "reason": "unknown_code:X"}
    unknown = LastUnknown(**told, t_dev="2026", body=b"\xffCode")
    answer = status.last_document(unknown, "unknown")
    assert answer is not None
    assert (answer["reason"], answer["device_time"], answer["body"]) == ("unknown_code:X", "2026", "\ufffdCode")
    assert status.last_document(None, "evd") is None
