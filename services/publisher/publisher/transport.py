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
from pydantic import SecretStr

from publisher.classify import Failure

KEEP_ALIVE_S = 4.0  # the agent closes an idle connection after 5 to 6 s; we do it first


def transport(connections: int, ca_file: Path | None, proxy: SecretStr | None = None) -> httpx.AsyncBaseTransport:
    """At most so many connections; `ca_file` None: the system's authorities; `proxy`: a URL, user and all.

    Opens nothing before the first request. Raises OSError for a file that holds no certificates.
    """
    trust = ssl.create_default_context(cafile=ca_file)
    return AiohttpTransport(verify=trust, trust_env=False, client=lambda: _session(connections, trust, proxy))


def _session(connections: int, trust: ssl.SSLContext, proxy: SecretStr | None) -> aiohttp.ClientSession:
    reuse = aiohttp.TraceConfig()
    reuse.on_connection_reuseconn.append(_note_reuse)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=KEEP_ALIVE_S, ssl=trust),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        proxy=proxy.get_secret_value() if proxy else None,
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
    (ssl.SSLCertVerificationError, Failure.CERTIFICATE),
    (aiohttp.ClientConnectorError, Failure.CONNECT),  # a handshake that failed otherwise, too
    (aiohttp.ConnectionTimeoutError, Failure.CONNECT),
    (aiohttp.InvalidURL, Failure.CONNECT),
    (aiohttp.NonHttpUrlClientError, Failure.CONNECT),
    (aiohttp.ServerTimeoutError, Failure.TIMEOUT),
    (aiohttp.ClientError, Failure.RESET),
    (TimeoutError, Failure.TIMEOUT),
)


def failure_of(error: BaseException) -> Failure:
    """The kind of failure behind an exception of the clients."""
    for cause in _causes(error):
        if isinstance(cause, aiohttp.ClientHttpProxyError):
            return _refused_by_proxy(cause.status)
        for kind, failure in _KINDS:
            if isinstance(cause, kind):
                return failure
    return Failure.RESET


def _refused_by_proxy(status: int) -> Failure:
    """What a CONNECT that failed speaks of: us, or the way behind the proxy."""
    return Failure.PROXY if status in range(400, 500) and status not in (408, 429) else Failure.CONNECT


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
