"""What an answer means. Pure: a table of rows, tried from the top; the first that fits decides.

Only 200 with the body `{}` is a receipt: the agent also answers 200 with an error in the body when its broker, or a
proxy before the broker, answers something that is not NGSI. A 4xx that blames the measure itself refuses it;
everything else is tried again. Reasons are words of this table, a status or a failure's name: an error's body carries
the API key and is never repeated.

Tried again means TRANSIENT, which the breaker counts, or DEFERRED, which it takes for a sign of life.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from gantry.streams.lanes import Outcome


class Failure(StrEnum):
    """Why there is no answer."""

    CONNECT = "connect"  # nothing was sent: refused, no route, no name, no free connection
    TLS = "tls"  # the certificate or the protocol was not accepted
    TIMEOUT = "timeout"  # may have been applied
    RESET = "reset"  # the connection ended before the answer did; may have been applied


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. The body stays out of reprs."""

    status: int
    content_type: str  # without parameters, lower case
    body: bytes = field(repr=False)  # at most as much as platform.py reads
    cut: bool = False  # there was more


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do, and a stable word for why."""

    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True)
class Row:
    """An answer with a status from `first` to `last`, and the error `name` in its body unless that is empty."""

    first: int
    last: int
    name: str
    outcome: Outcome
    reason: str = ""  # empty: http_<status>

    def fits(self, answer: Answer, name: str) -> bool:
        return self.first <= answer.status <= self.last and self.name in ("", name)


RECEIPT = b"{}"
_NAME = re.compile(rb'\s*\{\s*"name"\s*:\s*"([A-Za-z_]{1,64})"')  # always first; holds for a body that was cut, too


def _named(status: int, name: str, outcome: Outcome) -> Row:
    return Row(status, status, name, outcome, name)


TABLE = (
    _named(400, "BAD_TIMESTAMP", Outcome.REFUSED),
    _named(400, "SyntaxError", Outcome.REFUSED),
    _named(413, "PayloadTooLargeError", Outcome.REFUSED),
    Row(413, 413, "", Outcome.REFUSED),
    # These speak of one device or measure, and show that the platform lives.
    _named(404, "DEVICE_NOT_FOUND", Outcome.DEFERRED),
    _named(400, "ENTITY_GENERIC_ERROR", Outcome.DEFERRED),
    _named(422, "ENTITY_GENERIC_ERROR", Outcome.DEFERRED),
    Row(200, 399, "", Outcome.TRANSIENT, "misrouted"),
    # The rest is transient: these rows only give the reason its name.
    _named(404, "DEVICE_GROUP_NOT_FOUND", Outcome.TRANSIENT),
    _named(400, "MANDATORY_PARAMS_NOT_FOUND", Outcome.TRANSIENT),
    _named(400, "UNSUPPORTED_TYPE", Outcome.TRANSIENT),
    _named(500, "ACCESS_FORBIDDEN", Outcome.TRANSIENT),
    _named(500, "RequestError", Outcome.TRANSIENT),
    Row(100, 599, "", Outcome.TRANSIENT),
)


def classify(answer: Answer | Failure, measures: int) -> Verdict:  # noqa: ARG001 - rows about batches will ask for it
    """The verdict on one request that carried `measures` measures."""
    if isinstance(answer, Failure):
        return Verdict(Outcome.TRANSIENT, answer.value)
    if answer.status == 200 and not answer.cut and answer.body.strip() == RECEIPT:  # noqa: PLR2004 - the receipt
        return Verdict(Outcome.DELIVERED, "delivered")
    name = error_name(answer.body)
    for row in TABLE:
        if row.fits(answer, name):
            return Verdict(row.outcome, row.reason or f"http_{answer.status}")
    return Verdict(Outcome.TRANSIENT, "http_strange")  # no HTTP status at all


def error_name(body: bytes) -> str:
    """`name` of an agent's error body; empty if it has none."""
    found = _NAME.match(body)
    return found[1].decode() if found else ""
