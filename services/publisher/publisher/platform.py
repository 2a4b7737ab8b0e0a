"""The IoT Agent as the publisher sees it: one POST, and what came of it. Foreign exceptions end here.

The API key travels in the URL. It is put there by the innermost transport only, so that no request, response, log
line or exception of the client above it ever holds the key.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import httpx
from pydantic import SecretStr

import gantry
from gantry.clock import Clock
from publisher.classify import Answer, Failure

MAX_ANSWER = 64_000
KEEP_ALIVE_S = 4.0  # the agent closes an idle connection after 5 to 6 s; we do it first
_CACHED_URLS = 16_384


@dataclass(frozen=True, slots=True)
class Post:
    """What came of one request."""

    answer: Answer | Failure
    seconds: float  # from call to answer, on the monotonic clock
    arrays: bool  # X-Processing-Time was there: an agent that applies an array as one batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where and how to reach the agent."""

    base: str  # without a query
    keys: Mapping[str, SecretStr]  # target → API key
    timeout_s: float  # for a whole request, connection included
    connections: int
    ca_file: Path | None = None  # None: the system's authorities


class Platform:
    """One HTTP client for all targets."""

    def __init__(self, address: Address, clock: Clock) -> None:
        self._clock, self._timeout_s, self._url = clock, address.timeout_s, httpx.URL(address.base)
        self._client = httpx.AsyncClient(
            transport=_Keyed(transport(address), address),
            timeout=_phases(address.timeout_s),
            headers={"Accept-Encoding": "identity", "User-Agent": f"gantry/{gantry.__version__}"},
            trust_env=False,
            follow_redirects=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._client.aclose()

    async def post(self, target: str, device: str, content: bytes) -> Post:
        """Send one request; `device` is any text, `content` JSON. Never raises for what the network does."""
        began = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._timeout_s):
                answer, seen = await self._exchange(target, device, content)
        except (httpx.TransportError, OSError) as error:
            return Post(failure_of(error), self._clock.monotonic() - began, arrays=False)
        return Post(answer, self._clock.monotonic() - began, seen)

    async def _exchange(self, target: str, device: str, content: bytes) -> tuple[Answer, bool]:
        async with self._client.stream(
            "POST",
            self._url,
            content=content,
            headers={"Content-Type": "application/json"},
            extensions={"target": target, "device": device},
        ) as response:
            body, cut = await _bounded(response)
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        return Answer(response.status_code, kind, body, cut), "x-processing-time" in response.headers


async def _bounded(response: httpx.Response) -> tuple[bytes, bool]:
    """The body as it came, up to MAX_ANSWER; and whether there was more, which is not read."""
    parts, size = [], 0
    async for part in response.aiter_raw():
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER:
            return b"".join(parts)[:MAX_ANSWER], True
    return b"".join(parts), False


def _phases(total_s: float) -> httpx.Timeout:
    """Each below the total, which alone is a promise."""
    return httpx.Timeout(total_s * 0.95, connect=min(5.0, total_s / 2))


def transport(address: Address) -> httpx.AsyncBaseTransport:
    """What carries the requests: the one place that knows."""
    return httpx.AsyncHTTPTransport(
        verify=ssl.create_default_context(cafile=address.ca_file),
        trust_env=False,
        http2=False,
        retries=0,
        limits=httpx.Limits(
            max_connections=address.connections,
            max_keepalive_connections=address.connections,
            keepalive_expiry=KEEP_ALIVE_S,
        ),
    )


class _Keyed(httpx.AsyncBaseTransport):
    """Adds key and device to the URL behind the client's back."""

    def __init__(self, inner: httpx.AsyncBaseTransport, address: Address) -> None:
        self._inner = inner

        @lru_cache(maxsize=_CACHED_URLS)
        def url_of(target: str, device: str) -> httpx.URL:
            key = address.keys[target].get_secret_value()
            return httpx.URL(f"{address.base}?k={quote(key, safe='')}&i={quote(device, safe='')}")

        self._url_of = url_of

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = self._url_of(request.extensions["target"], request.extensions["device"])
        timeout = {"timeout": request.extensions["timeout"]}
        return await self._inner.handle_async_request(
            httpx.Request(request.method, url, headers=request.headers, stream=request.stream, extensions=timeout),
        )

    async def aclose(self) -> None:
        await self._inner.aclose()


_KINDS: tuple[tuple[type[Exception], Failure], ...] = (
    (httpx.ConnectTimeout, Failure.CONNECT),
    (httpx.PoolTimeout, Failure.CONNECT),
    (httpx.TimeoutException, Failure.TIMEOUT),
    (TimeoutError, Failure.TIMEOUT),
    (httpx.ConnectError, Failure.CONNECT),
    (httpx.UnsupportedProtocol, Failure.CONNECT),
)


def failure_of(error: Exception) -> Failure:
    """The kind of failure behind an exception of the client; a handshake that was merely cut counts as `connect`."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return Failure.TLS
    return next((failure for kind, failure in _KINDS if isinstance(error, kind)), Failure.RESET)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
