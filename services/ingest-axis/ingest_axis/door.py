"""What can be said to a request before its body is read. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

PATH = "/axis/retail"
RETRY_AFTER_S = 30  # counters try again at their next interval, a minute or more

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, and one short sentence about it."""

    code: int
    said: str
    headers: tuple[Header, ...] = ()

    def body(self) -> bytes:
        """The JSON object that goes out."""
        return orjson.dumps({"error" if self.code >= 400 else "ok": self.said}) + b"\n"  # noqa: PLR2004 - HTTP's classes


class Refused(Exception):
    """The answer to a request that was not read to its end, or not taken whole."""

    def __init__(self, answer: Answer, *, unread: bool = True) -> None:
        """`unread`: more of the body may come."""
        super().__init__(answer.said)
        self.answer, self.unread = answer, unread


def busy(said: str) -> Answer:
    """503: nothing wrong with the push; the counter keeps it and sends it again."""
    return Answer(503, said, ((b"retry-after", str(RETRY_AFTER_S).encode()),))


def too_large(limit: int) -> Answer:
    """413: this counter is stuck until somebody raises the limit."""
    return Answer(413, f"the body is larger than {limit} bytes (AXIS_MAX_BODY_BYTES)")


@dataclass(frozen=True, slots=True)
class Request:
    """The head of a request: method, path (decoded, without the query), headers by lower-case name."""

    method: str
    path: str
    headers: Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Door:
    """Who may come in, with how much."""

    tokens: Sequence[bytes]  # none: everyone may
    max_body: int

    def refusal(self, request: Request) -> Answer | None:
        """The answer to a request that may not go on; None lets its body in."""
        secret = _secret(request.path)
        if secret is None:
            return Answer(404, f"nothing here; counters push to {PATH}")
        if request.method != "POST":
            return Answer(405, "counters push with POST", ((b"allow", b"POST"),))
        if not self._known(request.headers.get(b"authorization", b""), secret):
            return Answer(401, "no valid token", ((b"www-authenticate", b"Bearer"),))
        return self._body_refusal(request.headers)

    def _known(self, authorization: bytes, secret: str) -> bool:
        scheme, _, credentials = authorization.partition(b" ")
        offered = [credentials.strip()] if scheme.lower() == b"bearer" else []
        offered += [secret.encode()] if secret else []
        matches = [hmac.compare_digest(one, token) for one in offered for token in self.tokens]
        return not self.tokens or any(matches)

    def _body_refusal(self, headers: Mapping[bytes, bytes]) -> Answer | None:
        if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
            return Answer(415, "Content-Encoding is not supported")
        if b"transfer-encoding" in headers:
            return None
        if b"content-length" not in headers:
            return Answer(411, "neither Content-Length nor chunked")
        if int(headers[b"content-length"]) > self.max_body:  # digits only: the HTTP parser has seen to that
            return too_large(self.max_body)
        return None


def _secret(path: str) -> str | None:
    """What follows our path: "" after the path itself, None for any other path."""
    if path == PATH:
        return ""
    before, _, secret = path.partition(f"{PATH}/")
    return secret if secret and not before else None
