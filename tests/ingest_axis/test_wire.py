"""Requests as bytes, against the real process with TLS."""

from __future__ import annotations

import asyncio
import json
import ssl
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest

from gantry.streams.client import Client
from gantry.topology import Topology
from wait import until

Push = Callable[..., dict[str, Any]]
HEAD = b"POST /axis/retail HTTP/1.1\r\nHost: localhost\r\n"
TOKEN = b"Authorization: Bearer token-of-today\r\n"


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


async def broken_off(axis: Any) -> float:
    lines = (await axis.page("metrics")).text.splitlines()
    return next(float(line.split()[1]) for line in lines if "requests_broken_off_total " in line and line[0] != "#")


async def test_the_token_is_asked_for_before_the_body_comes(axis: Any) -> None:
    reader, writer = await asyncio.open_connection("localhost", axis.port, ssl=axis.context())
    writer.write(HEAD + b"Authorization: Bearer wrong\r\nContent-Length: 900000\r\nExpect: 100-continue\r\n\r\n")
    async with asyncio.timeout(5):
        assert status_of(await reader.readline()) == 401
    writer.transport.abort()


async def test_100_continue_comes_only_after_the_door(axis: Any, push: Push) -> None:
    body = json.dumps(push()).encode()
    head = HEAD + TOKEN + b"Content-Length: %d\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n" % len(body)
    reader, writer = await asyncio.open_connection("localhost", axis.port, ssl=axis.context())
    writer.write(head)
    async with asyncio.timeout(5):
        assert status_of(await reader.readline()) == 100
        writer.write(body)
        assert b"200 OK" in await reader.read()
    writer.transport.abort()


@pytest.mark.parametrize(
    ("head", "code"),
    [
        pytest.param(
            HEAD + TOKEN + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", 400, id="both lengths"
        ),
        pytest.param(HEAD + TOKEN + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400, id="two lengths"),
        pytest.param(HEAD + TOKEN + b"Content-Length: -2\r\n\r\n{}", 400, id="negative length"),
        pytest.param(HEAD + TOKEN + b"Content-Length: two\r\n\r\n{}", 400, id="no number"),
        pytest.param(HEAD + TOKEN + b"Content-Length: 99999999999999999999999\r\n\r\n{}", 400, id="length overflows"),
        pytest.param(HEAD + TOKEN + b"Connection: close\r\n\r\n", 411, id="no length"),
        pytest.param(b"POST /axis/retail HTTP/1.0\r\n" + TOKEN + b"Content-Length: 2\r\n\r\n{}", 200, id="HTTP/1.0"),
        pytest.param(HEAD + TOKEN + b"X: " + b"x" * 17_000 + b"\r\n\r\n", 431, id="a large header"),
        pytest.param(b"POST /" + b"x" * 17_000 + b" HTTP/1.1\r\n\r\n", 431, id="a large path"),
        pytest.param(HEAD + TOKEN + b"X: x\r\n" * 150 + b"\r\n", 431, id="many headers"),
        pytest.param(b"GARBAGE\r\n\r\n", 400, id="not HTTP"),
        pytest.param(b"GET http://[::1 HTTP/1.1\r\n\r\n", 400, id="not a URL"),
        pytest.param(HEAD + TOKEN + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, id="not a chunk"),
    ],
)
async def test_heads_that_no_client_writes(axis: Any, head: bytes, code: int) -> None:
    assert status_of(await axis.raw_exchange(head)) == code


async def test_a_head_that_never_ends_is_cut_at_its_limit(axis: Any) -> None:
    answer = await axis.raw_exchange(HEAD, *[b"X: " + b"x" * 4000] * 6)
    assert status_of(answer) == 431


async def test_garbage_behind_a_push_does_not_cost_its_answer(axis: Any, client: Client, push: Push) -> None:
    body = json.dumps(push(3)).encode()
    answer = await axis.raw_exchange(HEAD + TOKEN + b"Content-Length: %d\r\n\r\n" % len(body) + body + b"!!garbage!!")
    assert status_of(answer) == 200
    assert await client.xlen(Topology().raw) == 3


async def test_two_pushes_in_a_row_are_answered_in_their_order(axis: Any, client: Client, push: Push) -> None:
    body = json.dumps(push()).encode()
    one = HEAD + TOKEN + b"Content-Length: %d\r\n\r\n" % len(body) + body
    bad = HEAD + b"Content-Length: 0\r\n\r\n"
    answer = await axis.raw_exchange(one + one + bad)
    assert [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]] == [200, 200, 401]
    assert await client.xlen(Topology().raw) == 2


async def test_a_body_that_breaks_off_is_never_processed(axis: Any, client: Client, push: Push) -> None:
    before = await broken_off(axis)
    body = json.dumps(push()).encode()
    _, writer = await asyncio.open_connection("localhost", axis.port, ssl=axis.context())
    writer.write(HEAD + TOKEN + b"Content-Length: %d\r\n\r\n" % (len(body) + 10) + body)
    await writer.drain()
    writer.transport.abort()

    async def noticed() -> bool:
        return await broken_off(axis) > before

    await until(noticed, "the broken request is counted")
    assert await client.xlen(Topology().raw) == 0


async def test_plain_http_and_old_tls_do_not_come_in(axis: Any) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.TransportError):
            await client.post(f"http://localhost:{axis.port}/axis/retail", content=b"{}")
    old = axis.context()
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("localhost", axis.port, ssl=old)


async def test_requests_in_hand_finish_when_it_is_stopped(own_redis: Any, own_axis: Any, push: Push) -> None:
    own_redis.start()
    await own_axis.start()
    body = json.dumps(push(30)).encode()
    reader, writer = await asyncio.open_connection("localhost", own_axis.port, ssl=own_axis.context())
    writer.write(HEAD + TOKEN + b"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n" % len(body))
    async with asyncio.timeout(20):
        assert status_of(await reader.readline()) == 100
        own_axis.process.terminate()

        async def listens_no_more() -> bool:
            with suppress(OSError):
                _, probe = await asyncio.open_connection("127.0.0.1", own_axis.port)
                probe.transport.abort()
                return False
            return True

        await until(listens_no_more, "the port is closed")
        writer.write(body)
        assert b"200 OK" in await reader.read()
    assert own_axis.stop() == 0
