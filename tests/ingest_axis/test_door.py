from __future__ import annotations

import pytest

from ingest_axis.door import Door, Request

TOKENS = (b"token-of-today", b"token-of-tomorrow")
GOOD = {b"authorization": b"Bearer token-of-today", b"content-length": b"5"}


def code(path: str = "/axis/retail", method: str = "POST", **headers: str) -> int | None:
    given = {name.replace("_", "-").encode(): value.encode("latin-1") for name, value in headers.items()}
    merged = {name: value for name, value in {**GOOD, **given}.items() if value}
    answer = Door(TOKENS, 1000).refusal(Request(method, path, merged))
    return answer.code if answer else None


@pytest.mark.parametrize(
    "credentials", ["Bearer token-of-today", "bearer token-of-tomorrow", "BEARER  token-of-today "]
)
def test_every_token_opens(credentials: str) -> None:
    assert code(authorization=credentials) is None


@pytest.mark.parametrize(
    "credentials",
    ["", "Bearer", "Bearer ", "Basic token-of-today", "token-of-today", "Bearer token-of-toda", "Bearer ñ"],
)
def test_anything_else_does_not(credentials: str) -> None:
    assert code(authorization=credentials) == 401


def test_a_401_says_how() -> None:
    answer = Door(TOKENS, 1000).refusal(Request("POST", "/axis/retail", {}))
    assert answer is not None
    assert answer.headers == ((b"www-authenticate", b"Bearer"),)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/axis/retail/token-of-today", None),
        ("/axis/retail/token-of-tomorrow", None),
        ("/axis/retail/other", 401),
        ("/axis/retail/token-of-today/", 401),
        ("/axis/retail/ñ", 401),
        ("/axis/retail/", 404),
        ("/axis/retail//axis/retail/token-of-today", 401),
        ("/x/axis/retail/token-of-today", 404),
        ("/axis/retailer", 404),
        ("/axis", 404),
        ("/", 404),
        ("", 404),
    ],
)
def test_the_secret_may_be_the_path(path: str, expected: int | None) -> None:
    assert code(path, authorization="") == expected


def test_a_wrong_header_beside_a_right_path_does_not_matter() -> None:
    assert code("/axis/retail/token-of-today", authorization="Bearer wrong") is None


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS"])
def test_only_post(method: str) -> None:
    assert code(method=method) == 405


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"content_length": "1000"}, None),
        ({"content_length": "1001"}, 413),
        ({"content_length": ""}, 411),
        ({"content_length": "", "transfer_encoding": "chunked"}, None),
        ({"content_encoding": "gzip"}, 415),
        ({"content_encoding": "Identity"}, None),
        ({"content_type": "text/plain"}, None),
    ],
)
def test_what_the_head_says_of_the_body(headers: dict[str, str], expected: int | None) -> None:
    assert code(**headers) == expected


def test_without_tokens_everyone_may_come_in() -> None:
    assert Door((), 1000).refusal(Request("POST", "/axis/retail", {b"content-length": b"1"})) is None
