"""The recorder's HTTP event stream: attach with digest login, read bytes, and say in a few words how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from gantry.errors import GantryError
from ingest_dahua.multipart import DEFAULT_BOUNDARY

ATTACH_S = 30.0  # for the login and the answer's head together
SILENT_BEATS = 3  # heartbeats that may be missed
_BOUNDARY = re.compile(r'boundary\s*=\s*(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_HEARTBEAT = re.compile(r"^heartbeat=", re.IGNORECASE)


class Refused401(GantryError):
    """The login was refused: wrong password, no rights, a full connection table or a locked address."""


class BadStatus(GantryError):
    """The recorder answered, but not with a stream."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the recorder answers {status}")
        self.status = status


class Lost(GantryError):
    """No connection, or it ended; what came before has been handed out. `kind`: connect, timeout, eof, protocol."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Attachment:
    """An answer that streams. Iterating `chunks` ends in Lost, never quietly: a stream has no proper end."""

    boundary: str
    chunks: AsyncIterator[bytes]


def attach_url(url: str, heartbeat_s: int) -> str:
    """The same URL with our heartbeat instead of any other; its codes keep their brackets, as they were written."""
    base, _, query = url.partition("?")
    kept = [item for item in query.split("&") if item and not _HEARTBEAT.match(item)]
    return f"{base}?{'&'.join([*kept, f'heartbeat={heartbeat_s}'])}"


def recorder_name(url: str) -> str:
    """The host, without user or port."""
    return urlsplit(url).hostname or ""


def address_of(url: str) -> tuple[str, int]:
    """Host and port that the URL leads to."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def boundary_of(content_type: str) -> str:
    """From the Content-Type header; recorders quote it, or not, or leave it out."""
    found = _BOUNDARY.search(content_type)
    return (found[1] or found[2]) if found else DEFAULT_BOUNDARY


class Camera:
    """One recorder. Each attach logs in afresh: some firmware refuses a nonce that it has seen."""

    def __init__(self, url: str, user: str, password: str, *, heartbeat_s: int, attach_s: float = ATTACH_S) -> None:
        self._url = attach_url(url, heartbeat_s)
        self._user, self._password, self._attach_s = user, password, attach_s
        self._timeout = httpx.Timeout(connect=10.0, read=SILENT_BEATS * heartbeat_s, write=10.0, pool=10.0)

    @contextlib.asynccontextmanager
    async def attach(self) -> AsyncIterator[Attachment]:
        """One connection, one login. Raises Refused401, BadStatus or Lost."""
        options = {"timeout": self._timeout, "follow_redirects": False, "trust_env": False}
        async with httpx.AsyncClient(**options) as client:  # type: ignore[arg-type] # a dict of options
            response = await self._login(client)
            try:
                if response.status_code == httpx.codes.UNAUTHORIZED:
                    raise Refused401("the recorder refuses the login (401): check CAMERA_USER and CAMERA_PASS")
                if response.status_code != httpx.codes.OK:
                    raise BadStatus(response.status_code)
                yield Attachment(boundary_of(response.headers.get("content-type", "")), _chunks(response))
            finally:
                await response.aclose()

    async def _login(self, client: httpx.AsyncClient) -> httpx.Response:
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        request = client.build_request("GET", self._url, headers=headers)
        auth = httpx.DigestAuth(self._user, self._password)
        try:
            async with asyncio.timeout(self._attach_s):
                return await client.send(request, auth=auth, stream=True)
        except TimeoutError as error:
            raise Lost("timeout", f"no answer within {self._attach_s} s") from error
        except httpx.HTTPError as error:
            raise _lost(error) from error
        except (KeyError, ValueError, NotImplementedError) as error:  # httpx on a challenge of another algorithm
            raise Lost("protocol", f"a login challenge that is not understood: {type(error).__name__}") from error


async def _chunks(response: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.aiter_raw():  # raw: plain bodies have been labelled `deflate`
            yield chunk
    except httpx.HTTPError as error:
        raise _lost(error) from error
    raise Lost("eof")


def _lost(error: httpx.HTTPError) -> Lost:
    match error:
        case httpx.ReadTimeout():
            return Lost("timeout", "no byte within the time of three heartbeats")
        case httpx.ConnectError() | httpx.ConnectTimeout():
            return Lost("connect", type(error).__name__)
        case httpx.ProtocolError():
            return Lost("protocol", type(error).__name__)
        case _:
            return Lost("eof", type(error).__name__)
