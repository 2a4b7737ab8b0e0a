"""What the agent makes of a request, before anybody scripts a fault. Pure.

Seen on iotagent-json 3.14.0 in 2026. A body without attributes is taken with 200 and becomes an attribute called
`undefined`; it also swallows the measures behind it in the same array.
"""

from __future__ import annotations

import datetime as dt
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson

MAX_BODY = 1 << 20
MAX_BODY_OLD = 100 << 10  # before 3.5.0

HEADERS = ("fiware-service", "fiware-servicepath", "x-auth-token")
PATHS = ("/iot/json", "/iot/json/")
GARBAGE = b'{"undefined":null}'
LETTERS = b'{"0":null}'  # a text or a list, taken for an object: attributes "0", "1", ...

_PARSED = "application/json"
_PASSED = ("text/plain", "application/octet-stream", "application/soap+xml")  # let through, never parsed
_FORBIDDEN = re.compile(r"""[<>"'=;()]""")
_MAYBE_FORBIDDEN = re.compile(rb"""[<>'=;()]|\\["u]""")
_NO_DEVICE = re.compile(r"""[<>"'=;()&?/#\s]|[^\x00-\x7f]""")
_LONGEST_ID = 256

_SENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z")
_ISO = re.compile(r"([\dW-]+)(?:[T ](\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,](\d+))?)?)?(?:Z|([+-])(\d\d)(?::?(\d\d))?)?)?")
_ORION = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d(?::?\d\d)?)?)?")


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; `too_large`: its body passed MAX_BODY and was thrown away. Of headers only HEADERS are kept."""

    method: str
    path: str
    query: bytes
    content_type: str | None
    body: bytes
    too_large: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judged:
    """The row of answers.ANSWERS that the request earns, and each measure with whether it reaches the broker."""

    answer: str
    target: str | None = None
    device: str | None = None
    measures: tuple[tuple[bytes, bool], ...] = ()
    detail: str = ""  # what the message of an error speaks of


def judge(request: Request, keys: Mapping[str, str], *, old: bool) -> Judged:
    """`keys`: API key → target. `old`: answer as before 3.5.0 where that differs and matters."""
    if request.path not in PATHS or request.method != "POST":
        return Judged("wrong_path", detail=f"{request.method} {request.path}")
    k, i, t = parameters(request.query)
    target = keys.get(k)
    fault, value = _body(request, old=old)
    if fault in _BEFORE_THE_QUERY:
        return Judged(fault, target, i, detail=value)
    if not k or not i:
        return Judged("params_missing", target, i, detail=_missing(k, i))
    if fault:
        return Judged(fault, target, i)
    if target is None:
        return Judged("group_not_found", None, i, detail=k)
    return _measures(value, request.body, target, i, t)


_BEFORE_THE_QUERY = {"unsupported_charset", "too_large", "old_too_large", "syntax_error", "old_syntax_error"}


def _body(request: Request, *, old: bool) -> tuple[str, Any]:
    """("", the value) or (what is wrong, its detail)."""
    kind, _, parameter = (request.content_type or "").lower().partition(";")
    kind, age = kind.strip(), "old_" if old else ""
    if kind == _PARSED and "charset=" in parameter and "charset=utf-" not in parameter.replace('"', ""):
        return "unsupported_charset", parameter.strip()
    if request.too_large or (old and len(request.body) > MAX_BODY_OLD):
        return f"{age}too_large", ""
    if kind in _PASSED:
        return "", {}
    if kind != _PARSED:
        return "unsupported_type", ""
    try:
        return "", orjson.loads(request.body or b"{}")
    except orjson.JSONDecodeError as error:
        return f"{age}syntax_error", str(error)


@lru_cache(maxsize=8192)
def parameters(query: bytes) -> tuple[str, str, str]:
    """k, i and t of a query; one that is given twice becomes a list, as in Express, and fits nothing."""
    given: dict[str, str] = {}
    for name, value in urllib.parse.parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        given[name] = f"{given[name]},{value}" if name in given else value
    return given.get("k", ""), given.get("i", ""), given.get("t", "")


def _missing(k: str, i: str) -> str:
    return orjson.dumps([name for name, value in (("API Key", k), ("Device Id", i)) if not value]).decode()


def _measures(value: Any, body: bytes, target: str, device: str, t: str) -> Judged:
    if value is None or value == []:
        return Judged("ok_not_applied", target, device)
    if isinstance(value, str) or (isinstance(value, list) and isinstance(value[0], list | str)):
        return Judged("garbage", target, device, ((LETTERS, True),))
    single = not isinstance(value, list)
    elements = [value] if single else value
    stamped = [_stamped(element, t) for element in elements]
    as_sent = single and not t and b"\n" not in body
    raw = [body] if as_sent else [orjson.dumps(element) for element in stamped]
    for element in stamped:
        instant = element.get("TimeInstant") if isinstance(element, dict) else None
        if instant is not None and time_of(instant) is None:
            return Judged("bad_timestamp", target, device, tuple((one, False) for one in raw), detail=str(instant))
    if refused_by_orion(stamped, body, device):
        return Judged("broker_400", target, device, tuple((one, False) for one in raw))
    return _applied(stamped, raw, target, device)


def _stamped(element: Any, t: str) -> Any:
    return {**element, "TimeInstant": t} if t and isinstance(element, dict) else element


def _applied(elements: list[Any], raw: list[bytes], target: str, device: str) -> Judged:
    empty = next((n for n, one in enumerate(elements) if not isinstance(one, dict) or not one), None)
    if empty is not None:
        lost = [(one, False) for one in raw[empty + 1 :]]
        return Judged("garbage", target, device, (*((one, True) for one in raw[:empty]), (GARBAGE, True), *lost))
    if len(raw) > 1:
        times = [time_of(one["TimeInstant"]) if "TimeInstant" in one else None for one in elements]
        if None not in times:  # one batch, sorted by time, since 3.5.0
            raw = [raw[n] for n in sorted(range(len(raw)), key=lambda n: times[n] or 0.0)]
    return Judged("ok", target, device, tuple((one, True) for one in raw))


def refused_by_orion(elements: list[Any], body: bytes, device: str) -> bool:
    """Whether the broker answers 400: forbidden characters, no legal entity id, a time outside its grammar."""
    if _NO_DEVICE.search(device) or len(device) > _LONGEST_ID:
        return True
    for one in elements:
        instant = one.get("TimeInstant") if isinstance(one, dict) else None
        if isinstance(instant, str) and not _ORION.fullmatch(instant):
            return True
    return bool(_MAYBE_FORBIDDEN.search(body)) and any(map(_forbidden, elements))


def _forbidden(value: Any) -> bool:
    if isinstance(value, str):
        return bool(_FORBIDDEN.search(value))
    if isinstance(value, dict):
        return any(_forbidden(name) or _forbidden(inner) for name, inner in value.items())
    return isinstance(value, list) and any(map(_forbidden, value))


def time_of(value: Any) -> float | None:
    """Seconds since the epoch of a strict ISO 8601 time; None: BAD_TIMESTAMP. Numbers are never a time."""
    if not isinstance(value, str):
        return None
    try:
        if _SENT.fullmatch(value) and "T24" not in value:  # what nearly all look like, ten times faster
            return dt.datetime.fromisoformat(value).timestamp()
        return _odd_time(value)
    except ValueError:
        return None


def _odd_time(value: str) -> float | None:
    """Forms that nobody should send and the agent takes: week and ordinal dates, basic form, no zone, a blank for T."""
    parts = _ISO.fullmatch(value)
    if parts is None:
        return None
    date, hour, minute, second, fraction, sign, zone_hour, zone_minute = parts.groups()
    seconds = int(hour or 0) * 3600 + int(minute or 0) * 60 + int(second or 0) + float(f"0.{fraction or 0}")
    if int(minute or 0) > 59 or int(second or 0) > 59 or seconds > 86400:  # noqa: PLR2004 - 24:00:00 is a legal time
        return None
    offset = (int(zone_hour or 0) * 3600 + int(zone_minute or 0) * 60) * (-1 if sign == "-" else 1)
    midnight = dt.datetime.combine(_date(date), dt.time(), dt.UTC)
    return midnight.timestamp() + seconds - offset


def _date(text: str) -> dt.date:
    if re.fullmatch(r"\d{4}", text):
        return dt.date(int(text), 1, 1)
    if re.fullmatch(r"\d{4}-\d\d", text):
        return dt.date.fromisoformat(f"{text}-01")
    if ordinal := re.fullmatch(r"(\d{4})-?(\d{3})", text):
        first = dt.date(int(ordinal[1]), 1, 1)
        found = first + dt.timedelta(days=int(ordinal[2]) - 1)
        if found.year != first.year:
            raise ValueError("no such day")
        return found
    return dt.date.fromisoformat(text)
