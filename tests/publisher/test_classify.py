"""One case for each row of what an agent, its broker or its balancer may answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.streams.lanes import Outcome
from publisher.classify import Answer, Failure, Verdict, classify, error_name

DELIVERED, TRANSIENT, REFUSED = Outcome.DELIVERED, Outcome.TRANSIENT, Outcome.REFUSED
DEFERRED = Outcome.DEFERRED
KEY = "s3cret-key"


def an_error(name: str) -> bytes:
    return b'{"name":"%s","message":"in [%s] with: {\\"apikey\\":\\"%s\\"}"}' % (name.encode(), b"x" * 50, KEY.encode())


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, b"{}", (DELIVERED, "delivered")),
        (200, b" {}\r\n", (DELIVERED, "delivered")),
        (200, an_error("ENTITY_GENERIC_ERROR"), (TRANSIENT, "misrouted")),
        (200, b"", (TRANSIENT, "misrouted")),
        (200, b"{ }", (TRANSIENT, "misrouted")),
        (200, b"[]", (TRANSIENT, "misrouted")),
        (200, b"<html>welcome</html>", (TRANSIENT, "misrouted")),
        (201, b"{}", (TRANSIENT, "misrouted")),
        (204, b"", (TRANSIENT, "misrouted")),
        (301, b"", (TRANSIENT, "misrouted")),
        (302, an_error("ENTITY_GENERIC_ERROR"), (TRANSIENT, "misrouted")),
        (400, an_error("BAD_TIMESTAMP"), (REFUSED, "BAD_TIMESTAMP")),
        (400, an_error("SyntaxError"), (REFUSED, "SyntaxError")),
        (400, b"{}", (TRANSIENT, "http_400")),
        (400, b"<html>Bad Request</html>", (TRANSIENT, "http_400")),
        (400, an_error("ENTITY_GENERIC_ERROR"), (DEFERRED, "ENTITY_GENERIC_ERROR")),
        (400, an_error("MANDATORY_PARAMS_NOT_FOUND"), (TRANSIENT, "MANDATORY_PARAMS_NOT_FOUND")),
        (400, an_error("UNSUPPORTED_TYPE"), (TRANSIENT, "UNSUPPORTED_TYPE")),
        (404, an_error("DEVICE_GROUP_NOT_FOUND"), (TRANSIENT, "DEVICE_GROUP_NOT_FOUND")),
        (404, an_error("DEVICE_NOT_FOUND"), (DEFERRED, "DEVICE_NOT_FOUND")),
        (404, b"<pre>Cannot POST /iot/json</pre>", (TRANSIENT, "http_404")),
        (408, b"", (TRANSIENT, "http_408")),
        (413, an_error("PayloadTooLargeError"), (REFUSED, "PayloadTooLargeError")),
        (413, an_error("ENTITY_GENERIC_ERROR"), (REFUSED, "http_413")),
        (413, b"<html>Too Large</html>", (REFUSED, "http_413")),
        (415, an_error("UnsupportedMediaTypeError"), (TRANSIENT, "http_415")),
        (422, an_error("ENTITY_GENERIC_ERROR"), (DEFERRED, "ENTITY_GENERIC_ERROR")),
        (429, b"", (TRANSIENT, "http_429")),
        (500, an_error("BAD_TIMESTAMP"), (TRANSIENT, "http_500")),
        (500, an_error("SyntaxError"), (TRANSIENT, "http_500")),
        (500, an_error("TypeError"), (TRANSIENT, "http_500")),
        (500, an_error("RequestError"), (TRANSIENT, "RequestError")),
        (500, an_error("ACCESS_FORBIDDEN"), (TRANSIENT, "ACCESS_FORBIDDEN")),
        (500, an_error("ENTITY_GENERIC_ERROR"), (TRANSIENT, "http_500")),
        (502, b"<html>Bad Gateway</html>", (TRANSIENT, "http_502")),
        (503, b"{}", (TRANSIENT, "http_503")),
        (504, b"", (TRANSIENT, "http_504")),
        (700, b"{}", (TRANSIENT, "http_strange")),
    ],
)
def test_each_answer_has_its_verdict(status: int, body: bytes, verdict: tuple[Outcome, str]) -> None:
    assert classify(Answer(status, "application/json", body), 1) == Verdict(*verdict)


@pytest.mark.parametrize("failure", list(Failure))
def test_no_answer_at_all_is_tried_again(failure: Failure) -> None:
    assert classify(failure, 3) == Verdict(TRANSIENT, failure.value)


def test_a_body_with_more_behind_it_is_no_receipt() -> None:
    assert classify(Answer(200, "application/json", b"{}  ", cut=True), 1) == Verdict(TRANSIENT, "misrouted")


def test_the_name_is_found_in_a_body_that_was_cut() -> None:
    assert error_name(an_error("BAD_TIMESTAMP")[:40]) == "BAD_TIMESTAMP"
    assert classify(Answer(400, "", an_error("BAD_TIMESTAMP")[:40], cut=True), 1).outcome is REFUSED


def test_a_body_is_not_shown() -> None:
    assert KEY not in repr(Answer(400, "application/json", an_error("BAD_TIMESTAMP")))


@given(status=st.integers(0, 1000), body=st.binary(max_size=60), cut=st.booleans(), measures=st.integers(1, 100))
def test_only_a_receipt_delivers_and_reasons_are_our_own_words(
    status: int, body: bytes, cut: bool, measures: int
) -> None:
    verdict = classify(Answer(status, "", body, cut), measures)
    assert (verdict.outcome is DELIVERED) == (status == 200 and body.strip() == b"{}" and not cut)
    assert verdict.reason in {"delivered", "misrouted", "http_strange", f"http_{status}"}


@given(name=st.from_regex(r"[A-Za-z_]{1,64}", fullmatch=True), status=st.sampled_from([400, 404, 413, 500]))
def test_a_name_that_is_not_in_the_table_is_never_repeated(name: str, status: int) -> None:
    known = {"BAD_TIMESTAMP", "SyntaxError", "PayloadTooLargeError", "DEVICE_GROUP_NOT_FOUND", "DEVICE_NOT_FOUND"}
    known |= {"MANDATORY_PARAMS_NOT_FOUND", "UNSUPPORTED_TYPE", "ACCESS_FORBIDDEN", "RequestError"}
    if name not in known:
        assert classify(Answer(status, "", an_error(name)), 1).reason == f"http_{status}"
