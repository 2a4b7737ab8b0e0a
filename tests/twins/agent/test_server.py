"""The twin's wire: HTTP/1.1 as it comes, and every way to break off."""

from __future__ import annotations

import contextlib
import gzip
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from twins.agent.handle import AgentHandle, started


@contextlib.contextmanager
def raw(agent: AgentHandle) -> Iterator[socket.socket]:
    host, port = agent.base.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as opened:
        yield opened


def to_the_end(opened: socket.socket) -> bytes:
    parts = []
    while part := opened.recv(65536):
        parts.append(part)
    return b"".join(parts)


HEAD = b"POST /iot/json?k=evd-key&i=cam1 HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


def test_requests_sent_at_once_are_answered_in_turn(agent: AgentHandle) -> None:
    agent.script("slow", ms=50, times=1)
    with raw(agent) as opened:
        opened.sendall(
            (HEAD + b'Content-Length: 7\r\n\r\n{"v":1}') * 3
            + HEAD
            + b"Connection: close\r\nContent-Length: 3\r\n\r\n{1}"
        )
        answers = to_the_end(opened)
    assert [answers[at : at + 3] for at in range(len(answers)) if answers[at - 9 : at] == b"HTTP/1.1 "] == [
        *(b"200", b"200", b"200", b"400"),
    ]
    assert b"Connection: close" in answers


def test_chunks_gzip_and_continue(applied: Any, agent: AgentHandle) -> None:
    packed = gzip.compress(b'{"v":"packed"}')
    with raw(agent) as opened:
        opened.sendall(HEAD + b'Transfer-Encoding: chunked\r\n\r\n4\r\n{"v"\r\n3\r\n:1}\r\n0\r\n\r\n')
        opened.sendall(HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed)
        opened.sendall(HEAD + b"Expect: 100-continue\r\nConnection: close\r\nContent-Length: 7\r\n\r\n")
        opened.sendall(b'{"v":2}')
        answers = to_the_end(opened)
    assert answers.count(b"HTTP/1.1 200 OK") == 3
    assert answers.count(b"HTTP/1.1 100 Continue") == 1
    assert applied() == [{"v": 1}, {"v": "packed"}, {"v": 2}]


def test_a_bomb_is_too_large(agent: AgentHandle, client: httpx.Client) -> None:
    bomb = gzip.compress(b'{"v":"%s"}' % (b"x" * (8 << 20)))
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert client.post(f"{agent.url}?k=evd-key&i=cam1", content=bomb, headers=headers).status_code == 413


@pytest.mark.parametrize(
    ("sent", "status"), [(b"nonsense\r\n\r\n", b"400"), (HEAD + b"X: " + b"x" * 20_000 + b"\r\n\r\n", b"431")]
)
def test_what_is_not_http_is_refused_and_closed(sent: bytes, status: bytes, agent: AgentHandle) -> None:
    with raw(agent) as opened:
        opened.sendall(sent)
        with contextlib.suppress(ConnectionResetError):
            assert to_the_end(opened).startswith(b"HTTP/1.1 " + status)
    assert agent.state()["requests"] == 0


def test_an_idle_connection_is_closed(agent_keys: dict[str, str]) -> None:
    with started(agent_keys, "--idle-s", "0.2") as agent, raw(agent) as opened:
        opened.sendall(HEAD + b'Content-Length: 7\r\n\r\n{"v":1}')
        assert to_the_end(opened).endswith(b"{}")  # comes to an end by itself


@pytest.mark.parametrize(("name", "error"), [("reset", ConnectionResetError), ("close", None)])
def test_a_reset_and_a_close_are_not_the_same(name: str, error: type[Exception] | None, agent: AgentHandle) -> None:
    agent.script(name, times=1)
    with raw(agent) as opened:
        opened.sendall(HEAD + b'Content-Length: 7\r\n\r\n{"v":1}')
        with pytest.raises(error) if error else contextlib.nullcontext():
            assert to_the_end(opened) == b""


def test_on_sigterm_what_is_in_hand_is_answered(agent_keys: dict[str, str]) -> None:
    with started(agent_keys, "--latency-ms", "1000") as agent, raw(agent) as opened:
        opened.sendall(HEAD + b'Content-Length: 7\r\n\r\n{"v":1}')
        while not agent.state()["in_flight"]:
            continue
        assert agent.process is not None
        agent.process.terminate()
        assert to_the_end(opened).endswith(b"{}")
        assert agent.process.wait(5) == 0
