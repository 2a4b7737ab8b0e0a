"""The pages under /twin/: script faults, read what arrived. Not part of what a real agent has."""

from __future__ import annotations

from typing import Any

import orjson

from gantry.errors import Malformed
from twins.agent.answers import ANSWERS, CLASSES
from twins.agent.grammar import Request
from twins.agent.script import MAX_DELAY_MS, read
from twins.agent.twin import Twin

PREFIX = "/twin/"
MAX_MEASURES = 10_000


def answer(twin: Twin, request: Request) -> tuple[int, bytes]:
    """Status and JSON body."""
    try:
        found = _answer(twin, request)
    except (Malformed, orjson.JSONDecodeError) as error:
        return 400, orjson.dumps({"error": str(error)})
    if found is None:
        return 404, orjson.dumps({"error": f"nothing at {request.method} {request.path}"})
    return 200, orjson.dumps(found)


def _answer(twin: Twin, request: Request) -> Any:  # noqa: PLR0911 - one page a line
    match request.method, request.path.removeprefix(PREFIX):
        case "POST", "script":
            twin.script.add(read(orjson.loads(request.body)))
            return {"rules": len(twin.script.rules)}
        case "POST", "clear":
            twin.script.clear()
            return {}
        case "POST", "outage":
            twin.outage.begin(orjson.loads(request.body))
            return {"mode": twin.outage.mode or None}
        case "POST", "latency":
            twin.latency_ms = _latency(orjson.loads(request.body))
            return {"ms": twin.latency_ms}
        case "POST", "forget":
            twin.forget()
            return {}
        case "GET", "answers":
            return list(ANSWERS)
        case "GET", "classes":
            return {name: answers.split() for name, answers in CLASSES.items()}
        case "GET", "state":
            now = {"outage": twin.outage.mode or None, "latency_ms": twin.latency_ms, "rules": len(twin.script.rules)}
            return {**twin.record.state(), **now}
        case "GET", "measures":
            return twin.record.since(_number(request, "from", 1), min(_number(request, "limit", 1000), MAX_MEASURES))
    return None


def _latency(given: Any) -> int:
    value = given.get("ms") if isinstance(given, dict) else None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_DELAY_MS:
        raise Malformed(f"ms: a whole number up to {MAX_DELAY_MS}")
    return value


def _number(request: Request, name: str, default: int) -> int:
    for part in request.query.decode("latin-1").split("&"):
        field, _, value = part.partition("=")
        if field == name:
            if not value.isdecimal() or len(value) > 18:  # noqa: PLR2004 - fits 64 bits
                raise Malformed(f"{name}: a number")
            return int(value)
    return default
