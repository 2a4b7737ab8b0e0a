"""What an answer means. Pure: a table of rows, tried from the top; the first that fits decides.

Only 200 with the body `{}` is a receipt: the agent also answers 200 with an error in the body when its broker, or a
proxy before the broker, answers something that is not NGSI. Beyond that the error's name decides, not the status: 500
alone may be a broker that is down, a key that was withdrawn, or a measure that the agent cannot read. Statuses and
names are those that iotagent-json 3.14.0 and 3.4.0 gave when they were made to.

Reasons are words of this table, a status or a failure's name: what a body says is told by redact.py alone.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum

from publisher.redact import error_name, redacted

LONGEST_WAIT_S = 600.0


class Failure(StrEnum):
    """Why there is no answer."""

    CONNECT = "connect"  # nothing was sent: refused, no route, no name, no free connection, no handshake
    CERTIFICATE = "certificate"  # nothing was sent: the agent's (or the proxy's) certificate is not to be trusted
    PROXY = "proxy"  # nothing was sent: the proxy will not connect us
    TIMEOUT = "timeout"  # may have been applied
    RESET = "reset"  # the connection ended before the answer did; may have been applied


class Kind(StrEnum):
    """Sorted by the reaction that each needs."""

    DELIVERED = "delivered"
    TRANSIENT = "transient"  # the same measures again, in order, later
    MISROUTED = "misrouted"  # a success that is no receipt: somebody else answers for the agent or its broker
    PERMANENT = "permanent"  # one of the measures is refused for good
    SPLIT = "split"  # too much at once
    TARGET = "target_configuration"  # key, address, certificate, platform: nothing goes through before it is mended
    DEVICE = "device_configuration"  # the platform does not know this device
    UNKNOWN = "unknown"  # maybe one of the measures, maybe all of the platform


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. The body stays out of reprs."""

    status: int
    content_type: str  # without parameters, lower case
    body: bytes = field(repr=False)  # at most as much as platform.py reads
    cut: bool = False  # there was more
    retry_after_s: float | None = None  # see retry_after_s()


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an answer, or none, means."""

    kind: Kind
    reason: str  # a stable word of the table
    speaks: bool  # a failure that speaks of the target: the breaker counts it
    retry_after_s: float | None  # as the platform asked, 0 to 600; None: it did not
    answer: str  # what may be told of the answer, at most 300 characters; empty without one and for a receipt


class Row:
    """An answer with one of `statuses`, and one of the error `names` in its body; without names: any body."""

    __slots__ = ("kind", "names", "speaks", "statuses")

    def __init__(self, kind: Kind, statuses: Container[int], *names: str, speaks: bool | None = None) -> None:
        """`speaks`: None for what this kind usually does."""
        self.kind, self.statuses, self.names = kind, statuses, names
        self.speaks = kind in SPEAKING if speaks is None else speaks

    def fits(self, status: int, name: str) -> bool:
        return status in self.statuses and (not self.names or name in self.names)


SPEAKING = frozenset({Kind.TRANSIENT, Kind.MISROUTED, Kind.TARGET, Kind.UNKNOWN})  # an answer new to us may meet all
NOT_THE_AGENT = ""  # the name of a body that is no error of the agent
RECEIPT = b"{}"

TABLE = (
    Row(Kind.MISROUTED, range(100, 400)),
    # From anybody on the way, whatever the body.
    Row(Kind.TRANSIENT, (408, 502, 503, 504)),
    Row(Kind.TRANSIENT, (429,), speaks=False),  # alive, and asks for a slower pace
    Row(Kind.SPLIT, (413,)),
    Row(Kind.TARGET, (401, 403, 405, 407, 415)),
    # The agent, about a measure, a device, or all of it.
    Row(Kind.PERMANENT, (400,), "BAD_TIMESTAMP", "SyntaxError"),
    Row(Kind.PERMANENT, (400, 422), "ENTITY_GENERIC_ERROR"),
    Row(Kind.TARGET, (400,), "MANDATORY_PARAMS_NOT_FOUND", "UNSUPPORTED_TYPE"),
    Row(Kind.TARGET, (404,), "DEVICE_GROUP_NOT_FOUND"),
    Row(Kind.DEVICE, (404,), "DEVICE_NOT_FOUND"),
    Row(Kind.TRANSIENT, (500,), "RequestError", "ENTITY_GENERIC_ERROR", "INTERNAL_DB_ERROR"),
    Row(Kind.TRANSIENT, (500,), "SyntaxError"),  # our JSON is valid: it is the broker's HTML that could not be read
    Row(Kind.TARGET, (500,), "ACCESS_FORBIDDEN", "SECURITY_INFORMATION_MISSING", "TOKEN_RETRIEVAL_ERROR"),
    Row(Kind.TARGET, (500,), "AUTHENTICATION_ERROR", "TYPE_NOT_FOUND"),
    Row(Kind.SPLIT, (500,), "PayloadTooLargeError"),  # before 3.8.0
    Row(Kind.UNKNOWN, (500,), "TypeError"),
    # Somebody before the agent refuses us, or there is no agent at this address.
    Row(Kind.TARGET, (404, 410, 421), NOT_THE_AGENT),
    Row(Kind.TRANSIENT, range(500, 1000), NOT_THE_AGENT),
)
_REST = Row(Kind.UNKNOWN, range(1000))
_FAILURES = {Failure.CERTIFICATE: Kind.TARGET, Failure.PROXY: Kind.TARGET}
_DELIVERED = Judgement(Kind.DELIVERED, "delivered", speaks=False, retry_after_s=None, answer="")


def judge(answer: Answer | Failure, measures: int, secrets: Sequence[str] = (), detail: str = "") -> Judgement:
    """The meaning of one request's end.

    `measures` is how many it carried, `secrets` what must not be told, `detail` what may be told of a failure.
    """
    if isinstance(answer, Failure):
        kind = _FAILURES.get(answer, Kind.TRANSIENT)
        return Judgement(kind, answer.value, speaks=True, retry_after_s=None, answer=detail)
    if answer.status == 200 and not answer.cut and answer.body.strip() == RECEIPT:  # noqa: PLR2004 - the receipt
        return _DELIVERED
    name = error_name(answer.body)
    row = next((row for row in TABLE if row.fits(answer.status, name)), _REST)
    alone = row.kind is Kind.SPLIT and measures == 1  # nothing to split: refused for good
    return Judgement(
        kind=Kind.PERMANENT if alone else row.kind,
        reason=_reason(row, answer.status, name),
        speaks=row.speaks,
        retry_after_s=answer.retry_after_s,
        answer=redacted(answer.status, answer.body, secrets),
    )


def _reason(row: Row, status: int, name: str) -> str:
    if row.kind is Kind.MISROUTED:
        return "misrouted"
    if name and name in row.names:
        return name
    return f"http_{status}" if status in range(100, 600) else "http_strange"


def retry_after_s(header: str, now_s: float) -> float | None:
    """A Retry-After header, in seconds or as a date, in seconds from `now_s` (s since the epoch), 0 to 600.

    None for none and for what nobody can understand.
    """
    text = header.strip()[:64]
    if re.fullmatch(r"[+-]?[0-9]+(\.[0-9]*)?", text):
        return _bounded(float(text))
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return _bounded((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now_s)


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST_WAIT_S)
