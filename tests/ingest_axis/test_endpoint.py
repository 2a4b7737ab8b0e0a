"""The real process, with TLS, on a real server: every answer, and what is in `raw` after it."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from gantry import certificates
from gantry.codec import raw_entries
from gantry.event import RawEntry
from gantry.streams.client import Client
from gantry.topology import Topology
from wait import until

Push = Callable[..., dict[str, Any]]


async def stored(client: Client) -> list[RawEntry]:
    reply = await client.execute_command("XRANGE", Topology().raw, "-", "+", NEVER_DECODE=True)
    flat = [[entry_id, [part for pair in fields.items() for part in pair]] for entry_id, fields in reply]
    return [entry for _, entry in raw_entries(flat)]


async def said(client: Client) -> list[Any]:
    """The measurements in raw, in their order."""
    return [json.loads(entry.body)["measurement"] for entry in await stored(client)]


@pytest.mark.parametrize("minutes", [1, 3, 450])
async def test_200_when_every_measurement_is_in_raw(axis: Any, client: Client, push: Push, minutes: int) -> None:
    document = push(minutes)
    answer = await axis.push(document)
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert await said(client) == document["data"]["measurements"]
    entries = await stored(client)
    assert [(entry.dev, entry.seq) for entry in entries] == [("9c0aa5000001", n + 1) for n in range(minutes)]
    assert len({entry.id for entry in entries}) == minutes
    assert await client.hget(Topology().ledger, "received") == str(minutes).encode()


async def test_a_push_that_comes_again_is_stored_again_and_counted_by_its_intervals_later(
    axis: Any, client: Client, push: Push
) -> None:
    for _ in range(2):
        assert (await axis.push(push(2))).status_code == 200
    assert await said(client) == 2 * push(2)["data"]["measurements"]


@pytest.mark.parametrize(
    ("spoil", "units"),
    [
        pytest.param({"data": None}, 0, id="test connection"),
        pytest.param({"data": {}}, 0, id="empty data"),
        pytest.param({"data": {"measurements": []}}, 0, id="no measurements"),
        pytest.param({"data": {"measurements": [{"items": None}, 17]}}, 2, id="odd measurements"),
        pytest.param({"data": {"measurements": "many"}}, 1, id="measurements no list"),
        pytest.param({"data": []}, 1, id="data no object"),
        pytest.param({"apiVersion": "9.9"}, 1, id="another version"),
        pytest.param({"apiName": None}, 1, id="no name"),
        pytest.param({"sensor": {}}, 1, id="no serial"),
        pytest.param({"sensor": None}, 1, id="no sensor"),
        pytest.param({"sensor": {"serial": "../\"'" * 2000}}, 1, id="a serial of 10 kB"),
        pytest.param({"extra": [1, 2]}, 1, id="an extra field"),
    ],
)
async def test_odd_but_whole_pushes_are_200(
    axis: Any, client: Client, push: Push, spoil: dict[str, Any], units: int
) -> None:
    assert (await axis.push(push(**spoil))).status_code == 200
    assert await client.xlen(Topology().raw) == units


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b"", 400, id="empty"),
        pytest.param(b'{"data": {', 400, id="cut short"),
        pytest.param(b'{"sensor": "\xff"}', 400, id="invalid UTF-8"),
        pytest.param(b"{}{}", 400, id="two documents"),
        pytest.param(b'{"data": NaN}', 400, id="NaN"),
        pytest.param(b"[]", 422, id="a list"),
        pytest.param(b'{"plateText": "0000BBB"}', 422, id="another product"),
        pytest.param(b'{"data": "' + b"x" * 999_000 + b'"', 400, id="large and cut short"),
        pytest.param(b"x" * 1_000_001, 413, id="declared too large"),
    ],
)
async def test_bodies_that_are_refused(axis: Any, client: Client, body: bytes, code: int) -> None:
    answer = await axis.push(body)
    assert answer.status_code == code
    assert list(answer.json()) == ["error"]
    assert await client.xlen(Topology().raw) == 0


async def test_a_compressed_body_is_refused(axis: Any, client: Client, push: Push) -> None:
    packed = gzip.compress(json.dumps(push()).encode())
    assert (await axis.push(packed, **{"Content-Encoding": "gzip"})).status_code == 415
    assert await client.xlen(Topology().raw) == 0


async def test_the_content_type_does_not_matter(axis: Any, push: Push) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        assert (await axis.push(push(), **{"Content-Type": kind})).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "token", "code", "header"),
    [
        ("POST", "/axis/retail", "wrong", 401, ("www-authenticate", "Bearer")),
        ("POST", "/axis/retail", "", 401, ("www-authenticate", "Bearer")),
        ("POST", "/axis/retail/wrong", "", 401, ("www-authenticate", "Bearer")),
        ("POST", "/axis/retail/token-of-tomorrow", "", 200, ("content-type", "application/json")),
        ("POST", "/axis/retail/", "token-of-today", 404, ("content-type", "application/json")),
        ("POST", "/", "token-of-today", 404, ("content-type", "application/json")),
        ("GET", "/axis/retail", "token-of-today", 405, ("allow", "POST")),
        ("HEAD", "/axis/retail", "token-of-today", 405, ("allow", "POST")),
        ("PUT", "/axis/retail", "token-of-today", 405, ("allow", "POST")),
    ],
)
async def test_the_door(axis: Any, method: str, path: str, token: str, code: int, header: tuple[str, str]) -> None:
    async with axis.client(token) as client:
        answer = await client.request(method, path, content=b"{}")
    assert answer.status_code == code
    assert answer.headers[header[0]] == header[1]
    assert "location" not in answer.headers


async def test_a_chunked_body_beyond_the_limit_is_refused_in_mid_stream(axis: Any, client: Client) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b" " * 65_536

    async with axis.client() as http:
        answer = await http.post("/axis/retail", content=endless())
    assert answer.status_code == 413
    assert await client.xlen(Topology().raw) == 0


async def test_a_chunked_push_is_as_good(axis: Any, client: Client, push: Push) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        text = json.dumps(push(40)).encode()
        for start in range(0, len(text), 1000):
            yield text[start : start + 1000]

    async with axis.client() as http:
        assert (await http.post("/axis/retail", content=pieces())).status_code == 200
    assert await client.xlen(Topology().raw) == 40


async def metric(axis: Any, name: str) -> float:
    lines = (await axis.page("metrics")).text.splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith(f"gantry_ingest_axis_{name}"))


async def test_no_token_and_no_secret_path_is_ever_logged_or_counted(axis: Any, push: Push) -> None:
    async with axis.client("") as client:
        await client.post("/axis/retail/token-of-today", content=b"{}")
        await client.post("/axis/retail/secret-guess", content=b"{}")
        await client.post("/axis/retail", content=b"nonsense", headers={"Authorization": "Bearer secret-guess"})
    await axis.push(push())
    shown = axis.logged() + (await axis.page("metrics")).text + (await axis.page("readyz")).text
    assert "push_stored" in shown
    assert "token-of" not in shown
    assert "secret-guess" not in shown


async def test_what_it_counts(axis: Any, push: Push) -> None:
    names = ["measurements_received_total", "test_connections_total", 'requests_total{code="200"}']
    before = [await metric(axis, name) for name in names]
    await axis.push(push(5))
    await axis.push(push(data=None))
    after = [await metric(axis, name) for name in names]
    assert [b - a for a, b in zip(before, after, strict=True)] == [5, 1, 2]
    assert await metric(axis, "certificate_expiry_timestamp_seconds") > 1_700_000_000
    assert await metric(axis, "body_in_hand_bytes") == 0


async def test_it_says_how_it_answered_and_when_its_certificate_ends(axis: Any, client: Client, push: Push) -> None:
    async def says() -> dict[str, int]:
        alive = [key async for key in client.scan_iter(Topology().alive("ingest-axis", "*"))]
        told = await client.hget(alive[0], "says") if alive else None
        return dict(json.loads(told)) if told else {}

    before = await until(says, "the alive key to say something")
    began_ms = time.time_ns() // 1_000_000
    assert before["last_push_ms"] <= began_ms
    await axis.push(push(5))
    await axis.push(push(data=None))
    await axis.push("nonsense")
    async with axis.client("") as stranger:
        await stranger.post("/axis/retail", content=b"{}")
        await stranger.post("/elsewhere", content=b"{}")

    async def told() -> dict[str, int]:
        now = await says()
        return now if now["refused"] >= before["refused"] + 3 else {}

    after = await until(told, "the alive key to tell of it")
    assert (after["pushes"], after["refused"]) == (before["pushes"] + 2, before["refused"] + 3)
    assert began_ms <= after["last_push_ms"] <= time.time_ns() // 1_000_000
    assert after["port"] == axis.port
    assert after["certificate_until_ms"] == certificates.read(axis.certs.server_crt).not_after.timestamp() * 1000


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("push-guide-as-printed-not-json.txt", 400),
        ("push-guide-balanced.json", 200),
        ("push-developer-docs.json", 200),
        ("items-null.json", 200),
        ("dst-autumn-same-local-minute.json", 200),
        ("test-connection.json", 200),
    ],
)
async def test_published_samples(axis: Any, captures: Path, name: str, code: int) -> None:
    assert (await axis.push((captures / "axis" / name).read_bytes())).status_code == code
