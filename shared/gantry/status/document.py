"""The answer of `/api/status` and of `/api/last/…`, from facts. Pure.

What nobody says is null, never invented: without a running processor its maps are unknown, without a publisher the
platform's last answer. Times are seconds since the epoch, null where nothing has happened yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

import gantry
from gantry import topology
from gantry.status.facts import Facts
from gantry.streams.controls import Circuit
from gantry.streams.standing import LastMeasure, LastUnknown

SERVICE = "traffic"
STANDBY = "another instance attaches"


def document(facts: Facts, *, now: datetime) -> dict[str, Any]:
    """The status of a site; `now` is the time by the clock of whoever asks."""
    recorders = _recorders(facts)
    return {
        "service": SERVICE,
        "version": gantry.__version__,
        "server_time_utc": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "ivss": _ivss(facts, recorders),
        "iota": _iota(facts),
        "families": {target.upper(): _family(facts, target) for target in topology.TARGETS},
        "metrics": _metrics(facts),
        "breaker": _breaker(facts),
        "maps": _maps(facts),
        "dedup": {"queue_len": facts.fingerprints, "ttl_sec": _whole(_processor(facts).get("dedup_ttl_s"))},
        "infra": _infra(facts, recorders),
    }


def file_document(status: Mapping[str, Any]) -> dict[str, Any]:
    """What status.json holds: the answer of `/api/status`, and the names that the file had before."""
    metrics = status["metrics"]
    return {
        **status,
        "total_events_received": metrics["received"],
        "total_events_published": metrics["published"],
        "total_events_deduplicated": metrics["deduplicated"],
        "total_events_filtered": metrics["filtered"],
        "total_rate_limited": metrics["rate_limited"],
        "consecutive_failures": metrics["consec_fail"],
        "circuit_breaker": {"trip_count": status["breaker"]["trip_count"]},
    }


def last_document(last: LastMeasure | LastUnknown | None, family: str) -> dict[str, Any] | None:
    """The answer of `/api/last/<family>`: family is evd, crowd or unknown; None while there was none."""
    if last is None:
        return None
    common = {"id": last.event_id, "dev": last.dev}
    times = {"last_utc": last.t_ms // 1000, "received": iso_ms(last.t_rx)}
    if isinstance(last, LastUnknown):
        told = {"reason": last.reason, "device_time": last.t_dev, "body": last.body.decode("utf-8", "replace")}
        return {**common, "src": last.src, **times, **told}
    return {"family": family.upper(), **common, "device": last.lane, **times, "measure": orjson.loads(last.body)}


def iso_ms(us: int) -> str:
    """µs since the epoch as ISO 8601 in UTC with ms."""
    at = datetime.fromtimestamp(us // 1_000_000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{us // 1000 % 1000:03d}Z"


def _says(facts: Facts, service: str) -> list[Mapping[str, Any]]:
    return [speaker.says for speaker in facts.speakers if speaker.service == service and speaker.says]


def _processor(facts: Facts) -> Mapping[str, Any]:
    """What the active processor says, else a standby."""
    said = _says(facts, "processor")
    return next((each for each in said if each.get("active")), said[0] if said else {})


def _recorders(facts: Facts) -> dict[str, Mapping[str, Any]]:
    """Every recorder, as the instance sees it that attaches; sorted by name."""
    found: dict[str, Mapping[str, Any]] = {}
    for says in _says(facts, "ingest-dahua"):
        for name, seen in (says.get("recorders") or {}).items():
            if name not in found or _attaches(seen) > _attaches(found[name]):
                found[name] = seen
    return dict(sorted(found.items()))


def _attaches(seen: Mapping[str, Any]) -> int:
    return 2 if seen.get("connected") else int(seen.get("reason") != STANDBY)


def _ivss(facts: Facts, recorders: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Connected: to every recorder. The last event: of any, and of an earlier process if it gave a measure."""
    times = [seen.get("last_event_ms") or 0 for seen in recorders.values()]
    times += [m.t_rx // 1000 for m in facts.measures.values() if m.dev.partition("/")[0] in recorders]
    return {
        "connected": all(bool(seen.get("connected")) for seen in recorders.values()) if recorders else None,
        "last_event_utc": _seconds(max(times, default=0)),
        "recorders": {
            name: {
                "host": seen.get("host"),
                "connected": bool(seen.get("connected")),
                "since_utc": _seconds(seen.get("since_ms")),
                "last_event_utc": _seconds(seen.get("last_event_ms")),
                "spooled": seen.get("spooled"),
                "reachable": seen.get("reachable"),
                "reason": seen.get("reason") or "",
            }
            for name, seen in recorders.items()
        },
    }


def _iota(facts: Facts) -> dict[str, Any]:
    """The platform's newest answer, to any publisher; code 0 says that none came."""
    newest = {target: _newest_answer(facts, target) for target in topology.TARGETS}
    answers = [answer for answer in newest.values() if answer]
    latest = max(answers, key=lambda answer: answer["at_ms"], default=None)
    return {
        "last_code": latest["code"] if latest else None,
        "breaker_open": _any_open(facts.circuits),
        "targets": {
            target: {
                "last_code": answer["code"] if answer else None,
                "last_utc": _seconds(answer["at_ms"]) if answer else None,
                "reason": answer.get("reason", "") if answer else "",
            }
            for target, answer in newest.items()
        },
    }


def _newest_answer(facts: Facts, target: str) -> Mapping[str, Any] | None:
    said = [(says.get("answers") or {}).get(target) for says in _says(facts, "publisher")]
    given = [answer for answer in said if answer and "code" in answer and "at_ms" in answer]
    return max(given, key=lambda answer: answer["at_ms"], default=None)


def _family(facts: Facts, target: str) -> dict[str, Any]:
    """Measures accepted, and when the last was."""
    total = facts.ledger.beside.get(f"measures:{target}", 0) if facts.ledger else None
    newest = facts.measures.get(target)
    return {"total": total, "last_utc": _seconds(newest.t_ms) if newest else None}


def _metrics(facts: Facts) -> dict[str, Any]:
    worst = max(map(_failures, facts.circuits), default=0)
    if (ledger := facts.ledger) is None:
        names = ("received", "published", "deduplicated", "filtered", "rate_limited")
        return {**dict.fromkeys(names), "consec_fail": worst}
    return {
        "received": ledger.received,
        "published": ledger.outcomes["published"],
        "deduplicated": ledger.events["deduplicated"],
        "filtered": ledger.events["filtered"],
        "rate_limited": ledger.beside.get("delayed", 0),
        "consec_fail": worst,
        "waiting": ledger.events["in_raw"] + ledger.outcomes["waiting"],
        "dead": ledger.events["dead_in"] + ledger.outcomes["dead_out"],
        "dropped": ledger.events["dropped_in"] + ledger.outcomes["dropped"],
    }


def _breaker(facts: Facts) -> dict[str, Any]:
    """Open if any target's is; trips summed; failures and cooldown of the worst."""
    targets = {circuit.target: _circuit(circuit, facts.now_ms) for circuit in facts.circuits}
    return {
        "breaker_open": _any_open(facts.circuits),
        "consec_fail": max((each["consec_fail"] for each in targets.values()), default=0),
        "trip_count": sum(each["trip_count"] for each in targets.values()),
        "cooldown_remaining": max((each["cooldown_remaining"] for each in targets.values()), default=0),
        "targets": targets,
    }


def _circuit(circuit: Circuit, now_ms: int) -> dict[str, Any]:
    left_ms = circuit.until_ms - now_ms if circuit.state == "open" else 0
    return {
        "state": circuit.state,
        "breaker_open": circuit.state != "closed",
        "consec_fail": _failures(circuit),
        "trip_count": circuit.trips,
        "cooldown_remaining": max(0, -(-left_ms // 1000)),
        "reason": circuit.reason,
        "since_utc": _seconds(circuit.since_ms),
    }


def _failures(circuit: Circuit) -> int:
    """In a row. An opening begins the count anew; from then on each failed probe opens it again, and is one."""
    return circuit.failures if circuit.by_hand else max(circuit.failures, circuit.streak)


def _any_open(circuits: Iterable[Circuit]) -> bool:
    """One that tries its probe is not closed yet."""
    return any(circuit.state != "closed" for circuit in circuits)


def _maps(facts: Facts) -> dict[str, Any]:
    maps = _processor(facts).get("maps") or {}
    return {
        "allowlist_count": maps.get("allowlist"),
        "machine_to_serial_count": maps.get("machine_to_serial"),
        "name_map_count": maps.get("camera_name_map"),
    }


def _infra(facts: Facts, recorders: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Host and reachability of one recorder: of one that does not answer, if there is any."""
    tunnels: list[Mapping[str, Any]] = [says["vpn"] for says in _says(facts, "ingest-dahua") if says.get("vpn")]
    vpn = tunnels[0] if tunnels else {}
    shown: Mapping[str, Any] = min(recorders.values(), key=lambda seen: seen.get("reachable") is not False, default={})
    return {
        "vpn_iface": vpn.get("iface"),
        "vpn_up": vpn.get("up"),
        "ivss_host": shown.get("host"),
        "ivss_ping": shown.get("reachable"),
    }


def _seconds(ms: int | None) -> int | None:
    return ms // 1000 if ms else None


def _whole(number: float | None) -> float | int | None:
    return int(number) if number is not None and number == int(number) else number
