"""Every answer that the twin can give, by name: what a client may meet at the agent, its broker and its balancer.

A row says what the client hears and whether the measures reached the broker. Statuses, names and messages are those
seen on iotagent-json 3.14.0 (three security rows are read from its source, not seen). As in the real one, error
messages carry the API key and what was sent, so that a test for leaks has something to find.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from http import HTTPStatus

import orjson

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"


class Ending(Enum):
    """What happens to the connection."""

    KEEP = auto()
    CLOSE_AFTER = auto()  # answered, then closed without having said so
    CLOSE = auto()  # closed in order, without an answer
    HALF = auto()  # closed in the middle of the answer
    HALF_RESET = auto()  # cut with a TCP reset in the middle of the answer
    RESET = auto()  # cut with a TCP reset, without an answer
    HANG = auto()  # no answer until the client gives up


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One answer. `error` and `message` make the agent's JSON body; without them `body` is sent as it stands."""

    name: str
    status: int = 200
    error: str = ""
    message: str = ""  # may hold {key}, {device}, {sent}, {detail}
    body: str = ""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    applied: bool = False
    ending: Ending = Ending.KEEP
    delay_ms: int = 0
    retry_after_s: int = 0  # 0: no Retry-After
    retry_at: bool = False  # Retry-After as a date

    @property
    def receipt(self) -> bool:
        """Whether a client that waits hears 200 with `{}`."""
        heard = self.ending in (Ending.KEEP, Ending.CLOSE_AFTER)
        return heard and self.status == HTTPStatus.OK and not self.error and self.body.strip() == "{}"


def content(row: Row, *, key: str, device: str, sent: bytes, detail: str) -> bytes:
    """The body of a row's answer."""
    if not row.error:
        return row.body.replace("{detail}", detail).encode()
    inside = sent[:4096].decode("utf-8", "replace")
    message = row.message
    for name, value in (("{key}", key), ("{device}", device), ("{sent}", inside), ("{detail}", detail)):
        message = message.replace(name, value)
    return orjson.dumps({"name": row.error, "message": message})


_DEVICE = '{"id":"{device}","apikey":"{key}","type":"Thing","measure":{sent}}'


def _ok(name: str, *, ending: Ending = Ending.KEEP, delay_ms: int = 0) -> Row:
    return Row(name=name, body="{}", applied=True, ending=ending, delay_ms=delay_ms)


def _error(name: str, status: int, error: str, message: str) -> Row:
    return Row(name=name, status=status, error=error, message=message)


def _broker(name: str, status: int) -> Row:
    message = "Error accesing entity data for device: Thing:{device} of type: Thing and " + _DEVICE
    return _error(name, status, "ENTITY_GENERIC_ERROR", message)


def _proxy(name: str, status: int, body: str = "", *headers: tuple[str, str]) -> Row:
    page = body or f"<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>"
    return Row(name=name, status=status, body=page, content_type=HTML, headers=headers)


def _later(name: str, status: int, *, at: bool = False) -> Row:
    return replace(_proxy(name, status), retry_after_s=7, retry_at=at)


_NO_TYPE = (
    "The request content didn't have the expected type "
    "[application/json, text/plain, application/octet-stream, application/soap+xml ]"
)
_NOT_JSON = "Unexpected token '<', \"<html>Bad \"... is not valid JSON"

_AGENT = (
    _ok("ok"),
    Row(name="ok_not_applied", body="{}"),  # only unknown names under explicitAttrs, [], null
    Row(name="garbage", body="{}", applied=True),  # what arrived at the broker is not what was sent
    _error(
        "group_not_found",
        404,
        "DEVICE_GROUP_NOT_FOUND",
        'Couldn\t find device group for fields: "/iot/json" and values: "{key}"',
    ),
    _error("device_not_found", 404, "DEVICE_NOT_FOUND", "No device was found with id:{device} and " + _DEVICE),
    _error(
        "params_missing",
        400,
        "MANDATORY_PARAMS_NOT_FOUND",
        "Some of the mandatory params weren't found in the request: {detail}",
    ),
    _error("syntax_error", 400, "SyntaxError", "{detail}"),
    _error("old_syntax_error", 500, "SyntaxError", "{detail}"),
    _error("unsupported_type", 400, "UNSUPPORTED_TYPE", _NO_TYPE),
    _error("unsupported_charset", 415, "UnsupportedMediaTypeError", "unsupported {detail}"),
    _error("too_large", 413, "PayloadTooLargeError", "request entity too large"),
    _error("old_too_large", 500, "PayloadTooLargeError", "request entity too large"),
    _error("bad_timestamp", 400, "BAD_TIMESTAMP", "Invalid ISO8601 timestamp [{detail}] in [{sent}] with: " + _DEVICE),
    _proxy("wrong_path", 404, "<!DOCTYPE html>\n<html><body><pre>Cannot {detail}</pre></body></html>\n"),
    _error("type_error", 500, "TypeError", "Cannot read properties of null (reading 'type')"),
    _error("unknown_error", 500, "SomethingNew", "Nobody has seen this name yet: {key}"),
    _error("unknown_400", 400, "SomethingNew", "Nobody has seen this name yet: {key}"),
    _error("security_missing", 500, "SECURITY_INFORMATION_MISSING", "Some security information was missing: {key}"),
    _error("token_error", 500, "TOKEN_RETRIEVAL_ERROR", "An error occurred trying to retrieve a token for {key}"),
    _error("authentication_error", 500, "AUTHENTICATION_ERROR", "Error authenticating: {key}"),
    _error("db_error", 500, "INTERNAL_DB_ERROR", "An internal DB Error happened: {key}"),
    _error("type_not_found", 500, "TYPE_NOT_FOUND", "Type : Thing not found for device with id: {device}"),
)

_BROKER = (
    *(_broker(f"broker_{status}", status) for status in (302, 400, 413, 422, 429, 500, 502, 503, 504)),
    _error("broker_404", 404, "DEVICE_NOT_FOUND", "No device was found with id:{device} and " + _DEVICE),
    _broker("ok_wrong_body", 200),  # the broker, or a proxy before it, gave a 404 or 200 that is not NGSI
    _error("broker_html", 500, "SyntaxError", _NOT_JSON),
    _error(
        "broker_auth",
        500,
        "ACCESS_FORBIDDEN",
        "The access to the CB was rejected for service [trial] subservice [ /trial ] and token [{key}]",
    ),
    _error("broker_down", 500, "RequestError", "connect ECONNREFUSED 127.0.0.1:1026"),
    _error("broker_reset", 500, "RequestError", "read ECONNRESET"),
    _error("broker_hangup", 500, "RequestError", "socket hang up"),
)

_BALANCER = (
    *(_proxy(f"html_{status}", status) for status in (200, 400, 403, 405, 413, 500, 502, 503, 504)),
    _proxy("301", 301, "", ("Location", "https://127.0.0.1:9/elsewhere")),
    _proxy("408", 408),
    _proxy("429", 429),
    _later("429_retry_after", 429),
    _later("429_retry_after_date", 429, at=True),
    _later("503_retry_after", 503),
    _later("503_retry_after_date", 503, at=True),
    Row(name="204", status=204, content_type=""),
    Row(name="ok_empty", content_type="", applied=True),
    Row(name="ok_blanks", body=" {}\r\n", applied=True),
    Row(name="ok_huge", body="{}" + " " * (4 << 20), applied=True),
)

_CONNECTION = (
    Row(name="reset", ending=Ending.RESET),
    _ok("reset_after_apply", ending=Ending.RESET),
    Row(name="close", ending=Ending.CLOSE),
    _ok("close_after_apply", ending=Ending.CLOSE),
    _ok("close_half", ending=Ending.HALF),
    _ok("reset_half", ending=Ending.HALF_RESET),
    _ok("ok_close", ending=Ending.CLOSE_AFTER),
    _ok("hang", ending=Ending.HANG),
    Row(name="hang_not_applied", ending=Ending.HANG),
    _ok("slow", delay_ms=1000),
)

ANSWERS = {row.name: row for row in (*_AGENT, *_BROKER, *_BALANCER, *_CONNECTION)}

# What an answer means for its client, by class; a script may draw from classes instead of naming an answer.
CLASSES = {
    "delivered": "ok ok_blanks ok_close slow",
    "silent": "ok_not_applied garbage",  # a receipt, and the measure is lost: only reading back tells
    "misrouted": "ok_wrong_body ok_empty html_200 204 301 broker_302",
    "huge": "ok_huge",
    "connection": "reset reset_after_apply reset_half close close_after_apply close_half",
    "timeout": "hang hang_not_applied",
    "transient": "broker_down broker_reset broker_hangup broker_500 broker_502 broker_503 broker_504 broker_html "
    "old_syntax_error db_error 408 html_502 html_503 html_504",
    "throttled": "broker_429 429 429_retry_after 429_retry_after_date 503_retry_after 503_retry_after_date",
    "target": "group_not_found broker_auth security_missing token_error authentication_error type_not_found "
    "wrong_path html_405 params_missing unsupported_type unsupported_charset",
    "device": "device_not_found broker_404",
    "permanent": "bad_timestamp broker_400 broker_422 syntax_error",
    "split": "too_large broker_413 html_413 old_too_large",
    "unknown": "type_error unknown_error unknown_400 html_400 html_403 html_500",
}
FAULTS = tuple(name for name in CLASSES if name not in ("delivered", "silent", "huge"))


def rows_of(name: str) -> tuple[Row, ...]:
    """All answers of one class."""
    return tuple(ANSWERS[answer] for answer in CLASSES[name].split())
