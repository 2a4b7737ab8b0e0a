"""What is told of an answer: enough to mend what is wrong, and no key, token, configuration or measure."""

from __future__ import annotations

import html
import json
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from publisher.redact import MAX_READ, MAX_TEXT, error_name, redacted

KEY = "e&k+1/§ {"
TRUST = "8fd1c09b1fd24bb6a3cbe4a7cbb47a4a"
CONFIGURATION = json.dumps({"id": "cam1", "apikey": KEY, "trust": TRUST, "measure": {"plate": "0000BBB"}})


def error(name: str, message: str) -> bytes:
    return json.dumps({"name": name, "message": message}, ensure_ascii=False, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (
            404,
            error("DEVICE_NOT_FOUND", f"No device was found with id:cam1 and {CONFIGURATION}"),
            "404 DEVICE_NOT_FOUND: No device was found with id:cam1 and…",
        ),
        (
            400,
            error("BAD_TIMESTAMP", f"Invalid ISO8601 timestamp [2026-01-15T10:00:00 01:00] in [{CONFIGURATION}]"),
            "400 BAD_TIMESTAMP: Invalid ISO8601 timestamp [2026-01-15T10:00:00 01:00] in […",
        ),
        (
            404,
            error("DEVICE_GROUP_NOT_FOUND", 'Couldn\t find device group for fields: "/iot/json" and values: "other"'),
            "404 DEVICE_GROUP_NOT_FOUND: Couldn find device group for fields: ***",
        ),
        (
            500,
            error("ACCESS_FORBIDDEN", f"The access was rejected for service [trial] and token [{TRUST}]"),
            "500 ACCESS_FORBIDDEN: The access was rejected for service [***] and token ***",
        ),
        (
            500,
            error("TOKEN_RETRIEVAL_ERROR", "An error occurred trying to retrieve a token for short"),
            "500 TOKEN_RETRIEVAL_ERROR: An error occurred trying to retrieve a token ***",
        ),
        (500, error("AUTHENTICATION_ERROR", "trust=short was refused"), "500 AUTHENTICATION_ERROR: trust ***"),
        (500, error("X", f"it knows {TRUST} alone"), "500 X: it knows *** alone"),
        (500, error("X", "a eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyIjoiYWxpY2UifQ.c2ln b"), "500 X: a ***.***.c2ln b"),
        (
            500,
            error("SyntaxError", "Unexpected token '<', \"<html>Bad \"... is not valid JSON"),
            "500 SyntaxError: Unexpected token '<', \"***\"... is not valid JSON",
        ),
        (500, error("TypeError", "Cannot read 'plate0000BBB' of null"), "500 TypeError: Cannot read *** of null"),
        (
            500,
            error("RequestError", "connect ECONNREFUSED 127.0.0.1:1026"),
            "500 RequestError: connect ECONNREFUSED 127.0.0.1:1026",
        ),
        (
            400,
            error("UNSUPPORTED_TYPE", "expected [application/json, text/plain, application/octet-stream]"),
            "400 UNSUPPORTED_TYPE: expected [application/json, text/plain, application/octet-stream]",
        ),
        (400, error("X", "bell\x07 line\n bidi\u202e"), "400 X: bell line bidi"),
        (400, b' { "name" :"X" , "message"\t: "a\\u0062c" }', "400 X: abc"),
        (400, b'{"name":"X"}', "400 X"),
        (400, b'{"name":"X","message":{"apikey":"k"}}', "400 X"),
        (400, b'{"name":"X","message":"a \\x no JSON"}', "400 X"),
        (400, b'{"name":"X","message":"not \xff UTF-8"}', "400 X: not \ufffd UTF-8"),
        (400, b'{"name":"X","message":"cut in the mid', "400 X"),
        (400, b'{"name":"X","message":"cut \\"behind\\" {\\"ap', '400 X: cut \\"***"…'),
        (404, b'{"name":"not a name","message":"k"}', "404 (JSON, 35 bytes)"),
        (404, b'{"message":"no Route for ?k=hidden"}', "404 (JSON, 36 bytes)"),
        (502, b"\n<html>for /iot/json?k=hidden</html>", "502 (html, 36 bytes)"),
        (400, b"Bad Request", "400 (text, 11 bytes)"),
        (204, b"", "204 (empty)"),
    ],
)
def test_what_is_told_of_each_form(status: int, body: bytes, told: str) -> None:
    assert redacted(status, body) == told


def test_at_most_three_hundred_characters() -> None:
    told = redacted(400, error("X" * 64, "word " * 200))
    assert len(told) == MAX_TEXT and told.endswith("…")


def test_a_long_message_is_told_only_up_to_its_configuration() -> None:
    assert redacted(400, error("X", "word " * MAX_READ)) == "400 X"
    assert redacted(400, error("X", "a short word {" + "b" * MAX_READ)) == "400 X: a short word…"


def test_the_name_of_an_error() -> None:
    assert error_name(error("BAD_TIMESTAMP", "m")) == "BAD_TIMESTAMP"
    assert error_name(error("BAD_TIMESTAMP", "m")[:24]) == "BAD_TIMESTAMP"
    assert error_name(b'{ "name" : "X2"') == "X2"
    for body in (b"", b"{}", b'{"name":"BAD_TIME', b'[{"name":"X"}]', b'{"name":7}', b"<p>name</p>", b"\xff\x00"):
        assert error_name(body) == ""


SPELLINGS = (
    lambda secret: secret,
    lambda secret: quote(secret, safe=""),
    lambda secret: quote(secret).lower(),
    quote_plus,
    lambda secret: quote(quote(secret, safe=""), safe=""),
    lambda secret: json.dumps(secret)[1:-1],
    lambda secret: json.dumps(secret, ensure_ascii=False)[1:-1],
    html.escape,
    lambda secret: "".join(f"%{byte:02X}" for byte in secret.encode()),
)
SECRETS = st.text('wqzj&+/%§ñ"\\{<\u3042\U0001f511', min_size=5, max_size=40).map(lambda text: f"wq{text.strip()}jz")
FILLERS = st.text("ab :=[]\"'{}.\n\t", max_size=12)  # nothing that a secret could begin with


@st.composite
def leaks(draw: st.DrawFn) -> tuple[str, bytes]:
    """A secret, and an error's body that tells it, perhaps cut."""
    secret, spell = draw(SECRETS), draw(st.sampled_from(SPELLINGS))
    message = draw(FILLERS) + spell(secret) + draw(FILLERS) + draw(st.sampled_from([spell(secret), ""]))
    message *= draw(st.sampled_from([1, 1, 1, 40, 400]))
    whole = json.dumps({"name": "Error", "message": message}, ensure_ascii=draw(st.booleans()))
    body = whole.encode(draw(st.sampled_from(["utf-8", "utf-8", "latin-1"])), "replace")
    return secret, body[: draw(st.integers(0, len(body)) | st.just(len(body)))]


@given(leaks())
@example((KEY, error("X", f"for {KEY} and {quote(KEY)}")))
@example((KEY, error("X", KEY)[:-4]))
def test_no_secret_survives_whatever_body_and_whatever_cut(leak: tuple[str, bytes]) -> None:
    secret, body = leak
    told = redacted(404, body, ["other", secret, ""])
    assert len(told) <= MAX_TEXT and told.isprintable()
    for spell in SPELLINGS:
        spelled = spell(secret)
        assert spelled not in told
        assert spelled[:4] not in told


@given(secret=st.from_regex(r"[A-Za-z_]{6,40}", fullmatch=True), name=st.sampled_from(["{}", "A{}B", "_{}"]))
def test_not_even_as_a_name(secret: str, name: str) -> None:
    assert secret not in redacted(500, error(name.format(secret), ""), [secret])


@given(st.integers(0, 999), st.binary(max_size=400), st.lists(st.text(max_size=5), max_size=3))
def test_any_body_can_be_told_of(status: int, body: bytes, secrets: list[str]) -> None:
    told = redacted(status, body, secrets)
    assert told.startswith(str(status)) and told.isprintable() and len(told) <= MAX_TEXT


@pytest.mark.parametrize("part", ["\\", "ñ", "\\ñ", " ", "%", "%25", '"', "&", "あ?"])
def test_no_text_takes_long_to_look_through(part: str) -> None:
    secret = part * 30 + "end"
    for filling in (part, "?", "\\", "%25", "\\u00f1", "&amp;", "+"):
        started = time.monotonic()
        redacted(400, error("X", filling * (MAX_READ // len(filling.encode()) - 60)), [secret])
        assert time.monotonic() - started < 1
