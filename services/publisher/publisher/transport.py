"""What carries the requests, and what its errors mean: aiohttp, at a twentieth of the CPU of httpx's own transport."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

import aiohttp
from pydantic import SecretStr

from publisher.classify import Failure

KEEP_ALIVE_S = 4.0  # the agent closes an idle connection after 5 to 6 s; we do it first


def timeouts(total_s: float, connect_s: float) -> aiohttp.ClientTimeout:
    """For a whole request, and for its part up to the end of the TLS handshake.

    Waiting for a free connection ends a little before the whole, so that it can be told that nothing was sent.
    """
    soon_s = total_s * 0.95
    return aiohttp.ClientTimeout(total=total_s, connect=soon_s, sock_connect=min(connect_s, soon_s))


def authorities(ca_file: Path | None) -> ssl.SSLContext:
    """None: the system's. Raises OSError for a file that holds no certificates."""
    return ssl.create_default_context(cafile=ca_file)


def session(
    connections: int, trust: ssl.SSLContext, limits: aiohttp.ClientTimeout, proxy: SecretStr | None = None
) -> aiohttp.ClientSession:
    """At most so many connections; `proxy`: a URL, user and all. To be made in the loop that uses it."""
    reuse = aiohttp.TraceConfig()
    reuse.on_connection_reuseconn.append(_note_reuse)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=KEEP_ALIVE_S, ssl=trust),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        timeout=limits,
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
        return await send(request)
    except aiohttp.ClientConnectionError as error:
        if not (_reused.get() and _unanswered(error)):
            raise
        return await send(request)


def _unanswered(error: aiohttp.ClientConnectionError) -> bool:
    """For certain where the connection was closed; a reset hides whether an answer had begun."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return isinstance(error.message, str)  # otherwise it is the part of an answer that came
    if isinstance(error.__cause__, aiohttp.ClientConnectionResetError):  # ended before the request was written
        return True
    return isinstance(error, aiohttp.ClientOSError) and error.errno == errno.ECONNRESET


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


def detail_of(error: BaseException) -> str:
    """What the system says about it: a certificate's fault, a name that does not resolve, an error's own word."""
    of_system = [cause for cause in _causes(error) if not isinstance(cause, aiohttp.ClientError)]
    for cause in of_system:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        if isinstance(cause, socket.gaierror):
            return "the host's name does not resolve"
        if isinstance(cause, ssl.SSLError):
            return cause.reason or ""
    codes = (errno.errorcode.get(cause.errno or 0) for cause in of_system if isinstance(cause, OSError))
    return next(filter(None, codes), "")
