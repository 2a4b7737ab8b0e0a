"""One case for each row of what an agent, its broker or somebody on the way may answer."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.classify import TABLE, Answer, Failure, Judgement, Kind, judge, retry_after_s

JSON, HTML = "application/json", "text/html"
KEY = "s3cret-key"
CONFIGURATION = json.dumps({"id": "cam1", "apikey": KEY, "type": "Thing", "measure": {"plate": "0000BBB"}})
PAGE = b"<html><head><title>Bad Gateway</title></head><body>for /iot/json?k=s3cret-key</body></html>"
SPEAKS = {Kind.TRANSIENT, Kind.MISROUTED, Kind.TARGET, Kind.UNKNOWN}


def error(name: str, message: str = f"Error accesing entity data for device: Raw:r1 and {CONFIGURATION}") -> bytes:
    return json.dumps({"name": name, "message": message}, separators=(",", ":")).encode()


# name: status, body, kind, reason
ROWS: dict[str, tuple[int, bytes, Kind, str]] = {
    "receipt": (200, b"{}", Kind.DELIVERED, "delivered"),
    "receipt with blanks around": (200, b" {}\r\n", Kind.DELIVERED, "delivered"),
    "200 with an error": (200, error("ENTITY_GENERIC_ERROR"), Kind.MISROUTED, "misrouted"),
    "200 empty": (200, b"", Kind.MISROUTED, "misrouted"),
    "200 with a blank inside": (200, b"{ }", Kind.MISROUTED, "misrouted"),
    "200 with a list": (200, b"[]", Kind.MISROUTED, "misrouted"),
    "200 with commands": (200, b'{"ping":"1"}', Kind.MISROUTED, "misrouted"),
    "200 with a page": (200, PAGE, Kind.MISROUTED, "misrouted"),
    "201 with a receipt": (201, b"{}", Kind.MISROUTED, "misrouted"),
    "204": (204, b"", Kind.MISROUTED, "misrouted"),
    "301": (301, PAGE, Kind.MISROUTED, "misrouted"),
    "302 of the broker": (302, error("ENTITY_GENERIC_ERROR"), Kind.MISROUTED, "misrouted"),
    "101": (101, b"", Kind.MISROUTED, "misrouted"),
    "broker down": (500, error("RequestError", "connect ECONNREFUSED ::1"), Kind.TRANSIENT, "RequestError"),
    "broker 500": (500, error("ENTITY_GENERIC_ERROR"), Kind.TRANSIENT, "ENTITY_GENERIC_ERROR"),
    "broker 502": (502, error("ENTITY_GENERIC_ERROR"), Kind.TRANSIENT, "http_502"),
    "broker 503": (503, error("ENTITY_GENERIC_ERROR"), Kind.TRANSIENT, "http_503"),
    "broker 504": (504, error("ENTITY_GENERIC_ERROR"), Kind.TRANSIENT, "http_504"),
    "502 page": (502, PAGE, Kind.TRANSIENT, "http_502"),
    "503 empty": (503, b"", Kind.TRANSIENT, "http_503"),
    "503 with a receipt": (503, b"{}", Kind.TRANSIENT, "http_503"),
    "503 of an unknown name": (503, error("Whatever"), Kind.TRANSIENT, "http_503"),
    "504 page": (504, PAGE, Kind.TRANSIENT, "http_504"),
    "408": (408, b"", Kind.TRANSIENT, "http_408"),
    "408 of the agent": (408, error("ENTITY_GENERIC_ERROR"), Kind.TRANSIENT, "http_408"),
    "broker's page": (500, error("SyntaxError", "Unexpected token '<'"), Kind.TRANSIENT, "SyntaxError"),
    "database": (500, error("INTERNAL_DB_ERROR"), Kind.TRANSIENT, "INTERNAL_DB_ERROR"),
    "429 page": (429, PAGE, Kind.TRANSIENT, "http_429"),
    "429 of the broker": (429, error("ENTITY_GENERIC_ERROR"), Kind.TRANSIENT, "http_429"),
    "500 page": (500, PAGE, Kind.TRANSIENT, "http_500"),
    "500 empty": (500, b"", Kind.TRANSIENT, "http_500"),
    "500 with other JSON": (500, b'{"message":"An unexpected error"}', Kind.TRANSIENT, "http_500"),
    "501 page": (501, PAGE, Kind.TRANSIENT, "http_501"),
    "520 page": (520, PAGE, Kind.TRANSIENT, "http_520"),
    "no status of HTTP": (700, b"", Kind.TRANSIENT, "http_strange"),
    "broker refuses us": (500, error("ACCESS_FORBIDDEN"), Kind.TARGET, "ACCESS_FORBIDDEN"),
    "security": (500, error("SECURITY_INFORMATION_MISSING"), Kind.TARGET, "SECURITY_INFORMATION_MISSING"),
    "token": (500, error("TOKEN_RETRIEVAL_ERROR"), Kind.TARGET, "TOKEN_RETRIEVAL_ERROR"),
    "authentication": (500, error("AUTHENTICATION_ERROR"), Kind.TARGET, "AUTHENTICATION_ERROR"),
    "type": (500, error("TYPE_NOT_FOUND"), Kind.TARGET, "TYPE_NOT_FOUND"),
    "unknown key": (404, error("DEVICE_GROUP_NOT_FOUND"), Kind.TARGET, "DEVICE_GROUP_NOT_FOUND"),
    "unknown device": (404, error("DEVICE_NOT_FOUND"), Kind.DEVICE, "DEVICE_NOT_FOUND"),
    "wrong path": (404, b"<pre>Cannot POST /iot/jsn</pre>", Kind.TARGET, "http_404"),
    "a gateway without our route": (404, b'{"message":"no Route matched"}', Kind.TARGET, "http_404"),
    "404 empty": (404, b"", Kind.TARGET, "http_404"),
    "405 page": (405, PAGE, Kind.TARGET, "http_405"),
    "405 empty": (405, b"", Kind.TARGET, "http_405"),
    "401 of a gateway": (401, b'{"message":"Unauthorized"}', Kind.TARGET, "http_401"),
    "403 page": (403, PAGE, Kind.TARGET, "http_403"),
    "407": (407, b"", Kind.TARGET, "http_407"),
    "410 page": (410, PAGE, Kind.TARGET, "http_410"),
    "421": (421, b"", Kind.TARGET, "http_421"),
    "parameters": (400, error("MANDATORY_PARAMS_NOT_FOUND"), Kind.TARGET, "MANDATORY_PARAMS_NOT_FOUND"),
    "content type": (400, error("UNSUPPORTED_TYPE"), Kind.TARGET, "UNSUPPORTED_TYPE"),
    "charset": (415, error("UnsupportedMediaTypeError"), Kind.TARGET, "http_415"),
    "415 page": (415, PAGE, Kind.TARGET, "http_415"),
    "bad time": (400, error("BAD_TIMESTAMP"), Kind.PERMANENT, "BAD_TIMESTAMP"),
    "broker 400": (400, error("ENTITY_GENERIC_ERROR"), Kind.PERMANENT, "ENTITY_GENERIC_ERROR"),
    "broker 422": (422, error("ENTITY_GENERIC_ERROR"), Kind.PERMANENT, "ENTITY_GENERIC_ERROR"),
    "malformed": (400, error("SyntaxError"), Kind.PERMANENT, "SyntaxError"),
    "too large": (413, error("PayloadTooLargeError"), Kind.SPLIT, "http_413"),
    "too large for the broker": (413, error("ENTITY_GENERIC_ERROR"), Kind.SPLIT, "http_413"),
    "too large for a balancer": (413, PAGE, Kind.SPLIT, "http_413"),
    "too large, before 3.8.0": (500, error("PayloadTooLargeError"), Kind.SPLIT, "PayloadTooLargeError"),
    "poison": (500, error("TypeError", "Cannot read properties of null"), Kind.UNKNOWN, "TypeError"),
    "500 of an unknown name": (500, error("SomethingNew"), Kind.UNKNOWN, "http_500"),
    "500 with a name of 400": (500, error("BAD_TIMESTAMP"), Kind.UNKNOWN, "http_500"),
    "501 of the agent": (501, error("ENTITY_GENERIC_ERROR"), Kind.UNKNOWN, "http_501"),
    "400 page": (400, PAGE, Kind.UNKNOWN, "http_400"),
    "400 empty": (400, b"", Kind.UNKNOWN, "http_400"),
    "400 with a receipt": (400, b"{}", Kind.UNKNOWN, "http_400"),
    "400 of an unknown name": (400, error("SomethingNew"), Kind.UNKNOWN, "http_400"),
    "400 with a name of 404": (400, error("DEVICE_NOT_FOUND"), Kind.UNKNOWN, "http_400"),
    "401 of an unknown name": (401, error("SomethingNew"), Kind.TARGET, "http_401"),
    "403 of the agent": (403, error("ENTITY_GENERIC_ERROR"), Kind.TARGET, "http_403"),
    "404 of an unknown name": (404, error("SomethingNew"), Kind.UNKNOWN, "http_404"),
    "404 with a name of 400": (404, error("ENTITY_GENERIC_ERROR"), Kind.UNKNOWN, "http_404"),
    "409": (409, PAGE, Kind.UNKNOWN, "http_409"),
    "422 page": (422, PAGE, Kind.UNKNOWN, "http_422"),
}
QUIET = {"429 page", "429 of the broker"}  # transient, but a sign of life


@pytest.mark.parametrize("name", ROWS)
def test_each_row(name: str) -> None:
    status, body, kind, reason = ROWS[name]
    judgement = judge(Answer(status, HTML if body == PAGE else JSON, body), 3, [KEY])
    assert (judgement.kind, judgement.reason) == (kind, reason)
    assert judgement.speaks == (kind in SPEAKS and name not in QUIET)
    assert judgement.answer.startswith(str(status)) == (kind is not Kind.DELIVERED)
    assert KEY not in judgement.answer and "0000BBB" not in judgement.answer


def test_every_row_of_the_table_has_its_case() -> None:
    cases = {(status, judge(Answer(status, JSON, body), 2).reason) for status, body, _, _ in ROWS.values()}
    for row in TABLE:
        for name in filter(None, row.names):
            assert any(reason == name and status in row.statuses for status, reason in cases), name
        assert any(status in row.statuses for status, _ in cases)


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row[1].startswith(b'{"name":')])
@pytest.mark.parametrize(
    "spelled",
    [
        lambda body: body.replace(b'{"name":', b' \r\n{ "name"\t:\n '),
        lambda body: body.replace(b',"message":', b' , "message" : '),
        lambda body: body[: body.index(b",") + 20],
        lambda body: body[: body.index(b",")],
    ],
    ids=["blanks before", "blanks between", "cut in the message", "cut behind the name"],
)
def test_an_errors_name_is_found_however_it_stands(name: str, spelled) -> None:
    status, body, kind, reason = ROWS[name]
    for media in (JSON, HTML, "", "application/problem+json"):
        judgement = judge(Answer(status, media, spelled(body), cut=True), 3)
        assert (judgement.kind, judgement.reason) == (kind, reason)


def test_a_name_that_is_not_whole_is_none() -> None:
    whole = error("DEVICE_NOT_FOUND")
    assert judge(Answer(404, JSON, whole[:15], cut=True), 1).kind is Kind.TARGET
    assert judge(Answer(404, JSON, whole.replace(b"_NOT_", b"_N\xff_")), 1).kind is Kind.TARGET


def test_a_body_with_more_behind_it_is_no_receipt() -> None:
    judgement = judge(Answer(200, JSON, b"{}  ", cut=True), 1)
    assert (judgement.kind, judgement.reason, judgement.speaks) == (Kind.MISROUTED, "misrouted", True)


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row[2] is Kind.SPLIT])
def test_what_cannot_be_split_is_refused_for_good(name: str) -> None:
    status, body, _, reason = ROWS[name]
    judgement = judge(Answer(status, JSON, body), 1)
    assert (judgement.kind, judgement.reason, judgement.speaks) == (Kind.PERMANENT, reason, False)


@pytest.mark.parametrize("failure", list(Failure))
def test_no_answer_at_all_speaks_of_the_target(failure: Failure) -> None:
    mended_by_people = failure in (Failure.CERTIFICATE, Failure.PROXY)
    assert judge(failure, 3) == Judgement(
        kind=Kind.TARGET if mended_by_people else Kind.TRANSIENT,
        reason=failure.value,
        speaks=True,
        retry_after_s=None,
        answer="",
    )


def test_a_wait_that_was_asked_for_is_passed_on() -> None:
    for status in (400, 429, 503):
        assert judge(Answer(status, HTML, PAGE, retry_after_s=7.0), 1).retry_after_s == 7
        assert judge(Answer(status, HTML, PAGE), 1).retry_after_s is None
    assert judge(Answer(200, JSON, b"{}", retry_after_s=7.0), 1).retry_after_s is None


NOW_S = 1_768_471_200.0  # 15 Jan 2026 10:00:00 UTC


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0", 0),
        ("-5", 0),
        ("1.5", 1.5),
        ("601", 600),
        ("9" * 64, 600),
        ("Thu, 15 Jan 2026 10:00:30 GMT", 30),
        ("Thu, 15 Jan 2026 11:00:30 +0100", 30),
        ("Thursday, 15-Jan-26 10:00:30 GMT", 30),
        ("Thu Jan 15 10:00:30 2026", 30),
        ("Thu, 15 Jan 2026 09:00:00 GMT", 0),
        ("Thu, 15 Jan 2026 23:00:00 GMT", 600),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 600),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("1e3", None),
        ("\u0667", None),
        ("7, 8", None),
        ("2026-01-15T10:00:30Z", None),
        ("Thu, 99 Jan 2026 10:00:30 GMT", None),
    ],
)
def test_when_to_come_again(header: str, seconds: float | None) -> None:
    assert retry_after_s(header, NOW_S) == seconds


@given(st.text(max_size=100) | st.text("0123456789:,+- GMTJanThu", max_size=40), st.floats(0, 4e9))
def test_any_header_is_a_wait_within_bounds_or_none(header: str, now_s: float) -> None:
    waits = retry_after_s(header, now_s)
    assert waits is None or 0 <= waits <= 600


def test_a_body_is_not_shown() -> None:
    assert KEY not in repr(Answer(400, JSON, error("BAD_TIMESTAMP")))


BODIES = st.binary(max_size=60) | st.sampled_from([body for _, body, _, _ in ROWS.values()])


@given(status=st.integers(0, 1000), body=BODIES, cut=st.booleans(), measures=st.integers(1, 100))
def test_only_a_receipt_delivers_and_reasons_are_our_own_words(
    status: int, body: bytes, cut: bool, measures: int
) -> None:
    judgement = judge(Answer(status, "", body, cut), measures)
    receipt = status == 200 and body.strip() == b"{}" and not cut
    assert (judgement.kind is Kind.DELIVERED) == receipt
    assert judgement.speaks <= (judgement.kind in SPEAKS)
    known = {"delivered", "misrouted", "http_strange", f"http_{status}"} | {name for row in TABLE for name in row.names}
    assert judgement.reason in known
    assert len(judgement.answer) <= 300


@given(name=st.from_regex(r"[A-Za-z_]{1,64}", fullmatch=True), status=st.sampled_from([400, 404, 422, 500]))
def test_a_name_that_is_not_in_the_table_is_no_reason(name: str, status: int) -> None:
    if name not in {known for row in TABLE for known in row.names}:
        judgement = judge(Answer(status, "", error(name)), 1)
        assert (judgement.kind, judgement.reason) == (Kind.UNKNOWN, f"http_{status}")
