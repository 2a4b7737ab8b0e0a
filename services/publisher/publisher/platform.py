"""The IoT Agent as the publisher sees it: one POST, and what came of it. Foreign exceptions end here.

The API key travels in the URL, and httpx's client logs URLs. Of that client we need nothing (no redirects, cookies,
proxies, decoding), so requests go straight to its transport: nothing above it sees the key, and a request costs less.
Errors of the clients may hold the URL: none leaves this module, as none of their requests and responses does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import aiohttp
import httpx
from pydantic import SecretStr

import gantry
from gantry.clock import Clock
from publisher.classify import Answer, Failure, retry_after_s
from publisher.transport import failure_of, transport

MAX_ANSWER = 64_000
_CACHED_URLS = 16_384
_HEADERS = {
    "Content-Type": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": f"gantry/{gantry.__version__}",
}


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
    connect_timeout_s: float = 5.0
    ca_file: Path | None = None  # None: the system's authorities
    proxy: SecretStr | None = None  # a URL; never the environment's


class Platform:
    """One pool of connections for all targets."""

    def __init__(self, address: Address, clock: Clock) -> None:
        self._address, self._clock = address, clock
        self._transport = transport(address.connections, address.ca_file, address.proxy)
        self._extensions = {"timeout": _phases(address.timeout_s, address.connect_timeout_s).as_dict()}
        self._url_of = lru_cache(maxsize=_CACHED_URLS)(self._build_url)

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
        await self._transport.aclose()

    async def post(self, target: str, device: str, content: bytes) -> Post:
        """Send one request; `device` is any text, `content` JSON. Never raises for what the network does."""
        began = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._address.timeout_s):
                answer, arrays = await self._exchange(target, device, content)
        except (httpx.TransportError, aiohttp.ClientError, OSError) as error:
            return Post(failure_of(error), self._clock.monotonic() - began, arrays=False)
        return Post(answer, self._clock.monotonic() - began, arrays)

    async def _exchange(self, target: str, device: str, content: bytes) -> tuple[Answer, bool]:
        url = self._url_of(target, device)
        request = httpx.Request("POST", url, headers=_HEADERS, content=content, extensions=self._extensions)
        response = await self._transport.handle_async_request(request)
        try:
            body, cut = await _bounded(response)
        finally:
            await response.aclose()
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        asked = response.headers.get("retry-after")
        wait_s = retry_after_s(asked, self._clock.now_us() / 1_000_000) if asked else None
        return Answer(response.status_code, kind, body, cut, wait_s), "x-processing-time" in response.headers

    def _build_url(self, target: str, device: str) -> httpx.URL:
        key = self._address.keys[target].get_secret_value()
        return httpx.URL(f"{self._address.base}?k={quote(key, safe='')}&i={quote(device, safe='')}")


async def _bounded(response: httpx.Response) -> tuple[bytes, bool]:
    """The body as it came, up to MAX_ANSWER; and whether there was more, which is not read."""
    parts, size = [], 0
    async for part in response.aiter_raw():
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER:
            return b"".join(parts)[:MAX_ANSWER], True
    return b"".join(parts), False


def _phases(total_s: float, connect_s: float) -> httpx.Timeout:
    """Each below the total, which alone is a promise; connecting is up to the end of the TLS handshake."""
    return httpx.Timeout(total_s * 0.95, connect=min(connect_s, total_s * 0.95))
