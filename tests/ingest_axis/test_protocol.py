"""The limits on heads, with seconds made short."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from gantry import web
from ingest_axis.protocol import CarefulProtocol
from wait import until

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"


class Hasty(CarefulProtocol):
    HEAD_S = 0.3


async def echo(_: Any, receive: Any, send: Any) -> None:
    """Answers 200 with the body's length when the whole body is there."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message["body"]), message["more_body"]
    text = str(size).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]})
    await send({"type": "http.response.body", "body": text})


@pytest.fixture
async def port(unused_tcp_port: int) -> AsyncIterator[int]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        serving = web.serve(echo, host="127.0.0.1", port=unused_tcp_port, stop=stop, http=Hasty, timeout_keep_alive=30)
        group.create_task(serving)
        await until(partial(answers, unused_tcp_port), "the server to listen")
        yield unused_tcp_port
        stop.set()


async def answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.transport.abort()
    return True


async def exchange(port: int, *pieces: bytes, gap_s: float = 0.0, within_s: float = 5.0) -> bytes:
    """Everything that the server says until it closes, while the pieces are sent with pauses between them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def write() -> None:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(gap_s)

    writing = asyncio.create_task(write())
    try:
        async with asyncio.timeout(within_s):
            return await reader.read()
    finally:
        writing.cancel()
        writer.transport.abort()


def codes(answer: bytes) -> list[int]:
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


async def test_an_idle_connection_is_closed_without_a_word(port: int) -> None:
    assert await exchange(port) == b""


async def test_half_a_head_is_closed_with_408(port: int) -> None:
    assert codes(await exchange(port, HEAD)) == [408]


async def test_a_head_that_drips_is_closed_in_the_same_time(port: int) -> None:
    assert codes(await exchange(port, *[b"P", b"O", b"S", b"T"] * 20, gap_s=0.1, within_s=2)) in ([408], [400])
    assert codes(await exchange(port, HEAD, *[b"X: y\r\n"] * 50, gap_s=0.1, within_s=2)) == [408]


async def test_empty_lines_before_a_head_are_a_head_too(port: int) -> None:
    assert codes(await exchange(port, *[b"\r\n"] * 60, gap_s=0.1, within_s=2)) == [408]


async def test_the_next_head_on_a_connection_has_the_same_limit(port: int) -> None:
    first = HEAD + b"Content-Length: 2\r\n\r\n{}"
    assert codes(await exchange(port, first, HEAD)) == [200, 408]
    assert codes(await exchange(port, first, b"\r\n", gap_s=0.1)) == [200, 408]


async def test_a_slow_body_is_none_of_its_business(port: int) -> None:
    head = HEAD + b"Connection: close\r\nContent-Length: 8\r\n\r\n"
    answer = await exchange(port, head, *[b"x"] * 8, gap_s=0.1)
    assert answer.endswith(b"\r\n\r\n8")


async def test_trailers_without_end_are_cut(port: int) -> None:
    head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
    assert codes(await exchange(port, head, b"T: ", *[b"t" * 3000] * 10, gap_s=0.01)) == [431]
    assert codes(await exchange(port, head, *[b"T: " + b"t" * 300 + b"\r\n"] * 100, gap_s=0.001)) == [431]


async def test_a_chunk_extension_without_end_is_cut(port: int) -> None:
    head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;"
    assert codes(await exchange(port, head, *[b"e" * 3000] * 10, gap_s=0.01)) == [431]


@pytest.mark.parametrize(("size", "expected"), [(16_000, [200]), (17_000, [431])])
async def test_the_size_of_a_head_is_counted_exactly(port: int, size: int, expected: list[int]) -> None:
    head = HEAD + b"Connection: close\r\nContent-Length: 0\r\nX: " + b"x" * size + b"\r\n\r\n"
    assert codes(await exchange(port, head)) == expected


@pytest.mark.parametrize(("count", "expected"), [(90, [200]), (110, [431])])
async def test_headers_are_counted(port: int, count: int, expected: list[int]) -> None:
    head = HEAD + b"Connection: close\r\nContent-Length: 0\r\n" + b"X: x\r\n" * count + b"\r\n"
    assert codes(await exchange(port, head)) == expected
