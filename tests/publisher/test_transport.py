"""How requests travel: connections kept, dropped and used once more; what each error means; no key in any of them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import socket
import ssl
import struct
from collections.abc import AsyncIterator

import aiohttp
import pytest
from small_servers import MEASURE, RECEIPT, Agent, a_platform, serving

from publisher import transport
from publisher.classify import Answer, Failure
from publisher.platform import Platform
from publisher.transport import failure_of

KEY = "e&k+1/§"
KEYS = {"evd": KEY}
SHOWN = (KEY, "e&k", "e%26k")  # the key, and the beginning of it as URLs spell it


@contextlib.asynccontextmanager
async def towards(agent: Agent, *, timeout_s: float = 5.0) -> AsyncIterator[Platform]:
    async with serving(agent) as base, a_platform(base, KEYS, timeout_s=timeout_s) as opened:
        yield opened


async def posted(opened: Platform) -> int | Failure:
    answer = (await opened.post("evd", "cam1", MEASURE)).answer
    return answer.status if isinstance(answer, Answer) else answer


async def test_connections_are_kept_and_nothing_but_the_measure_is_sent() -> None:
    agent = Agent((RECEIPT,) * 3)
    async with towards(agent) as opened:
        assert [await posted(opened) for _ in range(3)] == [200, 200, 200]
    assert agent.connections == 1
    head = agent.heads[-1].decode().lower()
    assert head.startswith("post /iot/json?k=e%26k%2b1%2f%c2%a7&i=cam1 http/1.1\r\n")
    assert {line.partition(":")[0] for line in head.split("\r\n")[1:] if line} <= {
        *("host", "content-type", "content-length", "accept-encoding", "user-agent", "accept", "connection"),
    }
    assert "content-type: application/json\r\n" in head
    assert "accept-encoding: identity\r\n" in head


async def test_idle_connections_are_dropped_before_the_agent_drops_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert transport.KEEP_ALIVE_S < 5  # what the agent promises
    monkeypatch.setattr(transport, "KEEP_ALIVE_S", 0.0)
    agent = Agent((RECEIPT,) * 3)
    async with towards(agent) as opened:
        assert [await posted(opened) for _ in range(3)] == [200, 200, 200]
    assert agent.connections == 3


async def test_no_more_connections_than_allowed() -> None:
    agent = Agent((RECEIPT,) * 20)
    async with serving(agent) as base, a_platform(base, KEYS, connections=2) as opened:
        assert await asyncio.gather(*(posted(opened) for _ in range(10))) == [200] * 10
    assert agent.connections == 2


# A used connection that ends


@pytest.mark.parametrize("pause", [0, 1, 2, 5], ids="{} turns of the loop later".format)
async def test_a_connection_closed_while_idle_costs_nothing(pause: int) -> None:
    agent = Agent((RECEIPT,))
    async with towards(agent) as opened:
        for _ in range(5):
            assert await posted(opened) == 200
            for _ in range(pause):
                await asyncio.sleep(0)
    assert agent.connections == 5


async def test_a_used_connection_that_ends_without_a_byte_is_replaced_once() -> None:
    agent = Agent((RECEIPT, b""), (RECEIPT,))
    async with towards(agent) as opened:
        assert [await posted(opened), await posted(opened)] == [200, 200]
    assert (agent.connections, len(agent.heads)) == (2, 3)


async def test_a_second_end_is_told() -> None:
    agent = Agent((RECEIPT, b""), (b"",))
    async with towards(agent) as opened:
        assert [await posted(opened), await posted(opened)] == [200, Failure.RESET]
    assert (agent.connections, len(agent.heads)) == (2, 3)


async def test_a_new_connection_that_ends_is_told() -> None:
    agent = Agent((b"",), (RECEIPT,))
    async with towards(agent) as opened:
        assert await posted(opened) is Failure.RESET
    assert (agent.connections, len(agent.heads)) == (1, 1)


@pytest.mark.parametrize("part", [b"H", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nCont", RECEIPT[:-1]])
async def test_a_part_of_an_answer_is_told(part: bytes) -> None:
    agent = Agent((RECEIPT, part), (RECEIPT,))
    async with towards(agent) as opened:
        assert [await posted(opened), await posted(opened)] == [200, Failure.RESET]
    assert agent.connections == 1


async def test_a_used_connection_that_is_reset_gets_one_more_try_at_once() -> None:
    class Resets(Agent):
        async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await super().__call__(reader, writer)
            await reader.readexactly(1)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    agent = Resets((RECEIPT,), (RECEIPT,), ())
    async with towards(agent) as opened:
        assert [await posted(opened), await posted(opened)] == [200, 200]
        assert agent.connections == 2
        assert await posted(opened) is Failure.RESET  # the fresh connection was reset, too: enough
    assert agent.connections == 3


async def test_one_timeout_for_both_attempts() -> None:
    class Silent(Agent):
        async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await super().__call__(reader, writer)
            if self.connections > 1:
                await reader.read()

    agent = Silent((RECEIPT, b""), (b"",))
    async with towards(agent, timeout_s=0.3) as opened:
        assert [await posted(opened), await posted(opened)] == [200, Failure.TIMEOUT]
    assert len(agent.heads) == 3


# Answers that are odd, and answers that are none

HEAD = b"HTTP/1.1 200 OK\r\n"


async def test_a_reason_that_is_no_text_is_no_matter() -> None:
    agent = Agent((b"HTTP/1.1 200 bien re\xe7u\r\nX-A: \xe7\r\nContent-Length: 2\r\n\r\n{}",) * 2)
    async with towards(agent) as opened:
        assert [await posted(opened), await posted(opened)] == [200, 200]


NOT_HTTP = {
    "words": b"nonsense\r\n\r\n",
    "TLS": b"\x15\x03\x01",
    "a length that is no number": HEAD + b"Content-Length: x\r\n\r\n{}",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a chunk without a size": HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}",
    "a bad second chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\nxyz\r\n",
    "a head without end": HEAD + b"X-A: b\r\n" * 10_000,
    "a line without end": HEAD + b"X-A: " + b"b" * 100_000,
}


@pytest.mark.parametrize("said", NOT_HTTP.values(), ids=NOT_HTTP)
async def test_what_is_not_http_is_no_answer(said: bytes) -> None:
    async with towards(Agent((said,))) as opened:
        assert await posted(opened) is Failure.RESET


# What errors mean


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


REFUSED, RST = ConnectionRefusedError(111, "refused"), ConnectionResetError(104, "reset")
OLD = ssl.SSLError(1, "[SSL: UNSUPPORTED_PROTOCOL]")
BAD, CUT = ssl.SSLCertVerificationError(1, "self-signed"), ssl.SSLEOFError(8, "cut")
ERRORS = [
    (aiohttp.ClientConnectorError(None, REFUSED), Failure.CONNECT),
    (aiohttp.ClientConnectorDNSError(None, socket.gaierror(-2, "no name")), Failure.CONNECT),
    (aiohttp.ConnectionTimeoutError(), Failure.CONNECT),
    (aiohttp.InvalidURL("x"), Failure.CONNECT),
    (aiohttp.NonHttpUrlClientError("x"), Failure.CONNECT),
    (caused(aiohttp.ClientConnectorCertificateError(None, BAD), BAD), Failure.CERTIFICATE),
    (caused(aiohttp.ClientConnectorSSLError(None, OLD), OLD), Failure.CONNECT),
    (caused(aiohttp.ClientOSError(1, "alert"), ssl.SSLError(1, "alert")), Failure.RESET),
    (aiohttp.ClientProxyConnectionError(None, REFUSED), Failure.CONNECT),
    (aiohttp.ClientHttpProxyError(None, (), status=407), Failure.PROXY),
    (aiohttp.ClientHttpProxyError(None, (), status=403), Failure.PROXY),
    (aiohttp.ClientHttpProxyError(None, (), status=408), Failure.CONNECT),
    (aiohttp.ClientHttpProxyError(None, (), status=429), Failure.CONNECT),
    (aiohttp.ClientHttpProxyError(None, (), status=502), Failure.CONNECT),
    (caused(aiohttp.ClientConnectorSSLError(None, CUT), CUT), Failure.CONNECT),
    (aiohttp.SocketTimeoutError(), Failure.TIMEOUT),
    (aiohttp.ServerTimeoutError(), Failure.TIMEOUT),
    (aiohttp.ServerDisconnectedError(), Failure.RESET),
    (caused(aiohttp.ClientOSError(104, "reset"), RST), Failure.RESET),
    (aiohttp.ClientConnectionResetError(), Failure.RESET),
    (aiohttp.ClientPayloadError(), Failure.RESET),
    (aiohttp.ClientResponseError(None, ()), Failure.RESET),
]


@pytest.mark.parametrize(("cause", "failure"), ERRORS, ids=[type(cause).__name__ for cause, _ in ERRORS])
def test_the_cause_is_judged_whatever_it_was_made_into(cause: Exception, failure: Failure) -> None:
    assert (failure_of(cause), failure_of(cause)) == (failure, failure)


def test_the_timeout_of_the_whole_is_a_timeout_whatever_went_before() -> None:
    cancelled = asyncio.CancelledError()
    cancelled.__context__ = aiohttp.ServerDisconnectedError()
    over = TimeoutError()
    over.__cause__ = cancelled
    assert failure_of(over) is Failure.TIMEOUT


# The key


async def test_no_error_and_no_log_shows_the_key(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    for name in ("", "asyncio", *logging.root.manager.loggerDict):  # worse than logs.configure ever sets them
        monkeypatch.setattr(logging.getLogger(name), "level", logging.DEBUG)
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)  # aiohttp then tells of responses that nobody closed
    shown = []
    for said in (RECEIPT, b"", *NOT_HTTP.values(), HEAD + b"Content-Length: 9\r\n\r\n{"):
        async with towards(Agent((RECEIPT, said), (said,))) as opened:
            shown += [repr(await opened.post("evd", "cam1", MEASURE)) for _ in range(3)]
    async with a_platform(f"http://127.0.0.1:{unused_tcp_port}/iot/json", KEYS) as opened:
        shown.append(repr(await opened.post("evd", "cam1", MEASURE)))
    shown += await abandoned(b"") + await abandoned(HEAD + b"Content-Length: 9\r\n\r\n{")
    gc.collect()
    records = [record.getMessage() + str(record.exc_text) for record in caplog.records]
    assert any(record.name == "asyncio" for record in caplog.records)
    assert not [text for text in shown + records if any(part in text for part in SHOWN)]


async def abandoned(said: bytes) -> list[str]:
    """A request given up by its task while the server says no more than `said`."""
    heard = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(MEASURE)
        writer.write(said)
        heard.set()
        await reader.read()

    async with serving(hang) as base, a_platform(base, KEYS) as opened:
        task = asyncio.create_task(opened.post("evd", "cam1", MEASURE))
        await heard.wait()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        return [repr(task), repr(caught.value)]


async def test_a_failure_says_what_the_system_says(unused_tcp_port: int) -> None:
    async def detail(base: str) -> str:
        async with a_platform(base, KEYS) as opened:
            return (await opened.post("evd", "cam1", MEASURE)).detail

    assert await detail(f"http://127.0.0.1:{unused_tcp_port}/iot/json") == "ECONNREFUSED"
    assert await detail("http://no-such-host.invalid/iot/json") == "the host's name does not resolve"
