"""The IoT Agent as the publisher sees it: one POST, and what came of it. Foreign exceptions end here.

The API key travels in the URL. Errors of the client may hold it: none leaves this module, as none of its requests and
responses does. No redirects are followed, no cookies kept, no answers decoded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import aiohttp
import yarl
from pydantic import SecretStr

import gantry
from gantry.clock import Clock
from publisher.classify import Answer, Failure, retry_after_s
from publisher.transport import authorities, detail_of, failure_of, session, timeouts

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
    detail: str = ""  # of a failure: a few words of the system's, without an address


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
        self._trust = authorities(address.ca_file)
        self._url_of = lru_cache(maxsize=_CACHED_URLS)(self._build_url)

    async def __aenter__(self) -> Self:
        at = self._address
        limits = timeouts(at.timeout_s, at.connect_timeout_s)
        self._session = session(at.connections, self._trust, limits, at.proxy)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._session.close()

    async def post(self, target: str, device: str, content: bytes) -> Post:
        """Send one request; `device` is any text, `content` JSON. Never raises for what the network does."""
        began = self._clock.monotonic()
        try:
            answer, arrays = await self._exchange(target, device, content)
        except (aiohttp.ClientError, OSError) as error:
            return Post(failure_of(error), self._clock.monotonic() - began, arrays=False, detail=detail_of(error))
        return Post(answer, self._clock.monotonic() - began, arrays)

    async def _exchange(self, target: str, device: str, content: bytes) -> tuple[Answer, bool]:
        url = self._url_of(target, device)
        async with self._session.post(url, data=content, headers=_HEADERS, allow_redirects=False) as response:
            body, cut = await _bounded(response.content)
            headers = response.headers
            kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
            asked = headers.get("Retry-After")
            wait_s = retry_after_s(asked, self._clock.now_us() / 1_000_000) if asked else None
            return Answer(response.status, kind, body, cut, wait_s), "X-Processing-Time" in headers

    def _build_url(self, target: str, device: str) -> yarl.URL:
        key = self._address.keys[target].get_secret_value()
        return yarl.URL(f"{self._address.base}?k={quote(key, safe='')}&i={quote(device, safe='')}", encoded=True)


async def _bounded(content: aiohttp.StreamReader) -> tuple[bytes, bool]:
    """The body as it came, up to MAX_ANSWER; and whether there was more, which is not read."""
    parts, size = [], 0
    while part := await content.readany():
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER:
            return b"".join(parts)[:MAX_ANSWER], True
    return b"".join(parts), False
