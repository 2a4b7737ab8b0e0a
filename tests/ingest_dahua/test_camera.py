"""Attaching to a recorder: login, the stream, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from dahua_bytes import HEARTBEAT, body, part
from twin_process import PASSWORD, USER, Twin

from ingest_dahua.camera import BadStatus, Camera, Lost, Refused401, address_of, attach_url, boundary_of, recorder_name
from ingest_dahua.multipart import Framing

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("http://h/e?action=attach&codes=[A,B]&heartbeat=30", "http://h/e?action=attach&codes=[A,B]&heartbeat=5"),
        ("http://h/e?Heartbeat=1&codes=%5BAll%5D", "http://h/e?codes=%5BAll%5D&heartbeat=5"),
        ("http://h:81/e", "http://h:81/e?heartbeat=5"),
    ],
)
def test_attach_url(given: str, asked: str) -> None:
    assert attach_url(given, 5) == asked


def test_the_recorder_is_named_by_its_host() -> None:
    assert [recorder_name(url) for url in ("http://10.1.2.3:8080/x", "https://NVR.example/")] == [
        "10.1.2.3",
        "nvr.example",
    ]


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://10.1.2.3:8080/x", ("10.1.2.3", 8080)),
        ("http://NVR.example/x", ("nvr.example", 80)),
        ("https://nvr.example/x", ("nvr.example", 443)),
        ("http://[::1]:81/x", ("::1", 81)),
    ],
)
def test_where_the_url_leads(url: str, address: tuple[str, int]) -> None:
    assert address_of(url) == address


@pytest.mark.parametrize(
    ("header", "boundary"),
    [
        ("multipart/x-mixed-replace; boundary=myboundary", "myboundary"),
        ('multipart/x-mixed-replace; Boundary="--other b"', "--other b"),
        ("multipart/x-mixed-replace", "myboundary"),
    ],
)
def test_boundary(header: str, boundary: str) -> None:
    assert boundary_of(header) == boundary


async def first_parts(camera: Camera, count: int) -> list[bytes]:
    async with camera.attach() as attachment:
        framing, got = Framing(attachment.boundary), list[bytes]()
        async for chunk in attachment.chunks:
            got += [each.body for each in framing.feed(chunk)]
            if len(got) >= count:
                break
        return got[:count]


@pytest.mark.parametrize("codes", ["[All]", "%5BAll%5D", "[CrossLineDetection,TrafficJunction]"])
@pytest.mark.parametrize(
    "options",
    [("--algorithm", "MD5"), ("--algorithm", "SHA-256"), ("--algorithm", "both"), ("--new-nonce-per-request",)],
    ids=" ".join,
)
async def test_login(twin: Callable[..., Twin], options: tuple[str, ...], codes: str) -> None:
    recorder = twin(*options)
    for login in (1, 2):
        camera = Camera(recorder.url.replace("[All]", codes), USER, PASSWORD, heartbeat_s=1)
        assert await first_parts(camera, 1) == [b"Heartbeat"]
        assert recorder.state()["logins"] == {"ok": login, "failed": 0, "challenged": login}


async def test_a_wrong_password_is_tried_once(twin: Callable[..., Twin]) -> None:
    recorder = twin()
    with pytest.raises(Refused401) as refused:
        await first_parts(Camera(recorder.url, USER, "wrong-secret", heartbeat_s=1), 1)
    assert recorder.state()["logins"] == {"ok": 0, "failed": 1, "challenged": 1}
    assert "wrong-secret" not in str(refused.value)


@pytest.mark.parametrize("chunk", ["1", "7", "whole"])
async def test_a_played_stream_arrives_whole(twin: Callable[..., Twin], tmp_path: Path, chunk: str) -> None:
    (tmp_path / "stream").write_bytes(HEARTBEAT + part(body()) + part(body(action="Stop")))
    recorder = twin("--play", str(tmp_path / "stream"), "--chunk", chunk)
    got = await first_parts(Camera(recorder.url, USER, PASSWORD, heartbeat_s=1), 5)
    assert got == [b"Heartbeat", body(), body(action="Stop"), b"Heartbeat", b"Heartbeat"]


async def test_the_end_of_a_stream_is_a_failure(twin: Callable[..., Twin]) -> None:
    recorder = twin()
    camera = Camera(recorder.url, USER, PASSWORD, heartbeat_s=1)

    async def read_and_drop() -> None:
        async with camera.attach() as attachment:
            async for _ in attachment.chunks:
                recorder.post("drop")

    with pytest.raises(Lost) as lost:
        await read_and_drop()
    assert lost.value.kind == "eof"


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Handler], Awaitable[str]]]:
    """A server that answers each connection by a handler; its URL."""
    servers: list[asyncio.Server] = []
    release = asyncio.Event()

    async def start(handler: Handler) -> str:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            await handler(reader, writer)
            if not writer.is_closing():
                await release.wait()
            writer.close()

        servers.append(await asyncio.start_server(connected, "127.0.0.1", 0))
        return f"http://127.0.0.1:{servers[-1].sockets[0].getsockname()[1]}/e?codes=[All]"

    yield start
    release.set()
    for server in servers:
        server.close()
        await server.wait_closed()


def says(answer: bytes, *, close: bool) -> Handler:
    async def handler(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        if close:
            writer.close()

    return handler


@pytest.mark.parametrize("status", [302, 400, 404, 500, 501])
async def test_another_status(serve: Callable[[Handler], Awaitable[str]], status: int) -> None:
    answer = f"HTTP/1.1 {status} Not So\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n".encode()
    with pytest.raises(BadStatus) as bad:
        await first_parts(Camera(await serve(says(answer, close=True)), "u", "p", heartbeat_s=1), 1)
    assert bad.value.status == status


STREAMING = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=myboundary\r\n"


@pytest.mark.parametrize(
    ("answer", "close", "kind"),
    [
        pytest.param(b"", True, "protocol", id="closed without a word"),
        pytest.param(b"", False, "timeout", id="no answer"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: ", False, "timeout", id="a head without end"),
        pytest.param(b"nonsense\r\n\r\n", True, "protocol", id="no HTTP"),
        pytest.param(b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm="r"\r\n\r\n', True, "protocol", id="no nonce"),
        pytest.param(
            b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm="r", nonce="1", algorithm=X\r\n\r\n',
            True,
            "protocol",
            id="a foreign algorithm",
        ),
        pytest.param(STREAMING + b"\r\n" + HEARTBEAT, True, "eof", id="ends"),
        pytest.param(STREAMING + b"\r\n" + HEARTBEAT, False, "timeout", id="falls silent"),
        pytest.param(STREAMING + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc", True, "protocol", id="ends in a chunk"),
        pytest.param(
            STREAMING + b"Content-Encoding: deflate\r\n\r\n" + HEARTBEAT, True, "eof", id="plain, called deflate"
        ),
    ],
)
async def test_how_a_stream_ends(
    serve: Callable[[Handler], Awaitable[str]], answer: bytes, close: bool, kind: str
) -> None:
    camera = Camera(await serve(says(answer, close=close)), "u", "p", heartbeat_s=1, attach_s=0.5)
    camera._timeout.read = 0.5
    with pytest.raises(Lost) as lost:
        await first_parts(camera, 9)
    assert lost.value.kind == kind


async def test_nobody_listens() -> None:
    with pytest.raises(Lost) as lost:
        await first_parts(Camera("http://127.0.0.1:9/e", "u", "p", heartbeat_s=1), 1)
    assert lost.value.kind == "connect"
