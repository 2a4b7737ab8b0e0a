"""One HTTP exchange with the platform, and one plain sentence for everything that can be wrong with it.

API keys stand in URLs and in the agent's error bodies, so neither is ever repeated: requests go straight to httpx's
transport (its client logs URLs), and of an error's body only `name` is read. No redirects, no proxy of the environment.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import httpx
import orjson

import gantry
from gantry.errors import GantryError

MAX_ANSWER = 8 << 20
_NAME = re.compile(r"[A-Za-z_]{1,64}")
_JSON = ("application/json", "application/ld+json")


class Trouble(GantryError):
    """The platform cannot be asked, or answers something else; the message is one line for a person."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that is JSON, or has no body."""

    status: int
    document: Any = field(repr=False)

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004 - what HTTP calls success

    @property
    def name(self) -> str:
        """The error's name; empty without one."""
        given = self.document.get("name") or self.document.get("error") if isinstance(self.document, Mapping) else None
        return given if isinstance(given, str) and _NAME.fullmatch(given) else ""

    @property
    def said(self) -> str:
        """For a sentence, e.g. "409 DUPLICATE_GROUP"."""
        return f"{self.status} {self.name}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Somebody who can be asked. `setting`: the one that names it."""

    what: str  # for sentences, e.g. "the agent's northbound API"
    setting: str
    base: str
    headers: Mapping[str, str] = field(repr=False)
    token_setting: str = "IOTA_NORTH_TOKEN"  # noqa: S105 - a setting's name

    @property
    def place(self) -> str:
        """For sentences: without a query."""
        return str(httpx.URL(self.base).copy_with(query=None))


class Wire:
    """A connection for a few requests; close it at the end."""

    def __init__(self, timeout_s: float, trust: ssl.SSLContext, proxy: str | None = None) -> None:
        self._timeout_s = timeout_s
        self._transport = httpx.AsyncHTTPTransport(verify=trust, trust_env=False, proxy=proxy)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.aclose()

    async def ask(
        self, server: Server, method: str, path: str, query: Mapping[str, str] | None = None, body: Any = None
    ) -> Reply:
        """One request. Raises Trouble for all but an answer of JSON or without a body, and for 401 and 403."""
        content = b"" if body is None else orjson.dumps(body)
        try:
            async with asyncio.timeout(self._timeout_s):
                status, kind, answer = await self._exchange(_request(server, method, path, query or {}, content))
        except TimeoutError:
            raise Trouble(f"{_at(server)} does not answer within {self._timeout_s:g} s") from None
        except (httpx.TransportError, OSError) as error:
            raise Trouble(_sentence(server, error)) from None
        return _read(server, status, kind, answer)

    async def _exchange(self, request: httpx.Request) -> tuple[int, str, bytes]:
        response = await self._transport.handle_async_request(request)
        parts, size = [], 0
        try:
            async for part in response.aiter_raw():
                parts.append(part)
                size += len(part)
                if size > MAX_ANSWER:
                    break
        finally:
            await response.aclose()
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        return response.status_code, kind, b"".join(parts)


def _request(server: Server, method: str, path: str, query: Mapping[str, str], content: bytes) -> httpx.Request:
    base = httpx.URL(server.base)
    url = base.copy_with(path=base.path.rstrip("/") + path).copy_merge_params(query)
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": f"gantry/{gantry.__version__}",
        **({"Content-Type": "application/json"} if content else {}),
        **server.headers,
    }
    return httpx.Request(method, url, headers=headers, content=content)


def _read(server: Server, status: int, kind: str, answer: bytes) -> Reply:
    if len(answer) > MAX_ANSWER:
        raise Trouble(f"{_at(server)} answers with more than {MAX_ANSWER >> 20} MB")
    try:
        document = orjson.loads(answer) if answer.strip() else None
    except orjson.JSONDecodeError:
        raise Trouble(_not_json(server, status, kind)) from None
    if document is not None and kind not in _JSON:
        raise Trouble(_not_json(server, status, kind))
    reply = Reply(status, document)
    if status in (401, 403) and reply.name != "MISMATCHED_SERVICE":
        raise Trouble(
            f"{_at(server)} refuses us ({reply.said}): {server.token_setting} is missing, old or not allowed this"
        )
    if 300 <= status < 400:  # noqa: PLR2004 - HTTP's redirects
        raise Trouble(f"{_at(server)} sends us elsewhere ({status}), which is not followed: check {server.setting}")
    return reply


def _not_json(server: Server, status: int, kind: str) -> str:
    words = f"{status} with {_shown(kind) or 'something'}, not JSON"
    return f"{_at(server)} answers {words}: {server.setting} names something else, or a proxy answers for it"


def _at(server: Server) -> str:
    return f"{server.what} at {server.place}"


def _sentence(server: Server, error: BaseException) -> str:
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            why = f"certificate is not trusted ({cause.verify_message}): name its CA in IOTA_CA_FILE"
            return f"{_at(server)}: its {why}"
        if isinstance(cause, ssl.SSLError):
            return f"{_at(server)} does not speak TLS as we do ({cause.reason or 'cut'}): check {server.setting}"
    reasons = (_reason(cause) for cause in causes if isinstance(cause, OSError))
    why = next(filter(None, reasons), "") or (
        "the connection was cut" if isinstance(error, httpx.ReadError) else "no answer"
    )
    return f"{_at(server)} does not answer: {' '.join(_shown(why).split())}"


def _reason(error: OSError) -> str:
    """In the system's words, where it has any: asyncio says the address instead. A name's failure has none."""
    number = error.errno or 0
    return os.strerror(number) if number > 0 else error.strerror or ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for inner in error.exceptions:
                yield from _causes(inner)
        error = error.__cause__ or error.__context__


def _shown(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text)[:100]
