"""Bad answers of a platform, each as one plain sentence that repeats no secret."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gantry import certificates
from gantry_cli.provision.wire import MAX_ANSWER, Reply, Server, Trouble, Wire

KEY = "key-of-vehicles"


@contextlib.asynccontextmanager
async def answering(
    answer: bytes | None, tls: ssl.SSLContext | None = None, *, eager: bool = False
) -> AsyncIterator[tuple[str, list[bytes]]]:
    """The URL of a server that says `answer` to everything (None: nothing), and what it was asked.

    `eager`: as soon as anything comes.
    """
    asked: list[bytes] = []
    done = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            asked.append(await (reader.read(1) if eager else reader.readuntil(b"\r\n\r\n")))
            if answer is None:
                await done.wait()
            else:
                writer.write(answer)
                await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}", asked
    finally:
        done.set()
        server.close()
        await server.wait_closed()


def a_server(base: str) -> Server:
    return Server(what="the agent", setting="IOTA_NORTH_URL", base=base, headers={"X-Auth-Token": "t0ken"})


async def asked(base: str, trust: ssl.SSLContext | None = None, timeout_s: float = 5.0) -> Reply:
    async with Wire(timeout_s, trust or ssl.create_default_context()) as wire:
        return await wire.ask(a_server(base), "GET", "/iot/services", {"apikey": KEY})


def http(status: str, body: bytes, kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


LEAK = b'{"name":"ENTITY_GENERIC_ERROR","message":"device {\\"apikey\\":\\"key-of-vehicles\\"}"}'


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (http("200 OK", b"<html>key-of-vehicles</html>", "text/html"), "answers 200 with text/html, not JSON"),
        (http("200 OK", b'{"a":1}', "text/plain"), "answers 200 with text/plain, not JSON"),
        (http("502 Bad Gateway", b"<html/>", "text/html"), "answers 502 with text/html"),
        (http("200 OK", b'{"count":', "application/json"), "not JSON"),
        (http("401 Unauthorized", LEAK), "refuses us (401 ENTITY_GENERIC_ERROR): IOTA_NORTH_TOKEN"),
        (http("403 Forbidden", b"{}"), "refuses us (403): IOTA_NORTH_TOKEN"),
        (http("302 Found", b""), "sends us elsewhere (302), which is not followed"),
        (b"nonsense\r\n\r\n", "does not answer"),
        (b"", "does not answer"),
        (http("200 OK", b"1" * (MAX_ANSWER + 1)), "more than 8 MB"),
    ],
)
async def test_each_bad_answer_is_one_sentence(answer: bytes, words: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with answering(answer) as (base, _):
        with pytest.raises(Trouble) as raised:
            await asked(base)
    sentence = str(raised.value)
    assert words in sentence and base in sentence
    assert "\n" not in sentence
    assert KEY not in sentence + caplog.text + repr(raised.value.__cause__)


async def test_an_error_with_a_name_is_an_answer() -> None:
    async with answering(http("409 Conflict", LEAK)) as (base, _):
        reply = await asked(base)
    assert (reply.status, reply.good, reply.said) == (409, False, "409 ENTITY_GENERIC_ERROR")
    assert KEY not in repr(reply)
    for odd in (b'{"name":"a b<c>"}', b'{"name":7}', b"[]", b'"text"', b""):
        async with answering(http("400 Bad Request", odd)) as (base, _):
            assert (await asked(base)).said == "400"


async def test_a_query_of_the_setting_goes_with_every_request_and_into_no_sentence() -> None:
    async with answering(http("204 No Content", b"")) as (base, heard):
        assert (await asked(f"{base}/manager/?protocol=IoTA-JSON")).good
    assert heard[0].startswith(b"GET /manager/iot/services?protocol=IoTA-JSON&apikey=key-of-vehicles HTTP/1.1")
    assert b"X-Auth-Token: t0ken" in heard[0] and b"proxy" not in heard[0].lower()
    assert a_server(f"{base}?secret=1").place.rstrip("/") == base
    assert "t0ken" not in repr(a_server(base))


async def test_no_answer_in_time() -> None:
    async with answering(None) as (base, _):
        with pytest.raises(Trouble, match=r"does not answer within 0\.2 s"):
            await asked(base, timeout_s=0.2)


async def test_the_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with answering(http("200 OK", b"{}")) as (base, _):
        assert (await asked(base)).document == {}


async def test_certificates(tmp_path: Path) -> None:
    files = certificates.init(tmp_path / "certs", [], now=datetime.now(UTC))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.server_crt, files.server_key)
    async with answering(http("200 OK", b"{}"), context) as (base, _):
        with pytest.raises(Trouble, match=r"certificate is not trusted .*IOTA_CA_FILE"):
            await asked(base)
        with pytest.raises(Trouble):
            await asked(base.replace("https", "http"))
    async with answering(http("400 Bad Request", b""), eager=True) as (base, _):
        with pytest.raises(Trouble, match="does not speak TLS as we do"):
            await asked(base.replace("http", "https"))
    trust = ssl.create_default_context(cafile=files.ca_crt)
    async with answering(http("200 OK", b'{"a":1}'), context) as (base, _):
        assert (await asked(base.replace("127.0.0.1", "localhost"), trust)).document == {"a": 1}


async def test_a_name_that_nobody_has() -> None:
    with pytest.raises(Trouble, match=r"does not answer: .*(known|resolution|address)"):
        await asked("http://nobody.invalid")
