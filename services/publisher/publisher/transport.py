"""What carries the requests, and what its errors mean: aiohttp behind httpx's interface, at a tenth of httpx's own CPU.

The package between the two makes `ConnectTimeout` of nearly every error, and lets some of aiohttp's through: so it is
the aiohttp error, the cause, that is judged.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from publisher.classify import Failure

KEEP_ALIVE_S = 4.0  # the agent closes an idle connection after 5 to 6 s; we do it first


def transport(connections: int, ca_file: Path | None) -> httpx.AsyncBaseTransport:
    """At most so many connections; `ca_file` None: the system's authorities. Opens nothing before the first request."""
    trust = ssl.create_default_context(cafile=ca_file)
    return AiohttpTransport(verify=trust, trust_env=False, client=lambda: _session(connections, trust))


def _session(connections: int, trust: ssl.SSLContext) -> aiohttp.ClientSession:
    reuse = aiohttp.TraceConfig()
    reuse.on_connection_reuseconn.append(_note_reuse)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=KEEP_ALIVE_S, ssl=trust),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        middlewares=(_exchange,),
        trace_configs=[reuse],
    )


_reused: ContextVar[bool] = ContextVar("_reused")  # whether the request of this task went out on a used connection


async def _note_reuse(*_: object) -> None:
    _reused.set(True)


async def _exchange(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """One request; sent once more if a used connection ended before a byte of the answer.

    That is how it looks when the agent closes an idle connection just as we use it. The measure may arrive twice,
    as after any lost answer.
    """
    _reused.set(False)
    try:
        response = await send(request)
    except aiohttp.ClientConnectionError as error:
        if not (_reused.get() and _unanswered(error)):
            raise
        response = await send(request)
    response.reason = None  # the package fails on one that is not UTF-8, and nobody reads it
    return response


def _unanswered(error: aiohttp.ClientConnectionError) -> bool:
    """For certain: after a reset (RST) one cannot know."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return isinstance(error.message, str)  # otherwise it is the part of an answer that came
    return isinstance(error.__cause__, aiohttp.ClientConnectionResetError)  # ended before the request was written


_KINDS: tuple[tuple[type[BaseException], Failure], ...] = (
    (aiohttp.ClientConnectorError, Failure.CONNECT),
    (aiohttp.ConnectionTimeoutError, Failure.CONNECT),
    (aiohttp.InvalidURL, Failure.CONNECT),
    (aiohttp.NonHttpUrlClientError, Failure.CONNECT),
    (aiohttp.ServerTimeoutError, Failure.TIMEOUT),
    (aiohttp.ClientError, Failure.RESET),
    (TimeoutError, Failure.TIMEOUT),
)


def failure_of(error: BaseException) -> Failure:
    """The kind of failure behind an exception of the clients; a handshake that was merely cut counts as `connect`."""
    causes = tuple(_causes(error))
    if any(map(_is_tls, causes)):
        return Failure.TLS
    kinds = (failure for cause in causes for kind, failure in _KINDS if isinstance(cause, kind))
    return next(kinds, Failure.RESET)


def _is_tls(cause: BaseException) -> bool:
    """Errors of aiohttp itself are of ssl's kinds, too, whatever their cause was."""
    cut = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
    return isinstance(cause, ssl.SSLError) and not isinstance(cause, (*cut, aiohttp.ClientError))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
