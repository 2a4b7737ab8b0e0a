"""Whether a request may pass: pure decisions on its path and headers."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import urlsplit

LOGIN, LOGOUT = "/login", "/logout"
SAFE = ("GET", "HEAD", "OPTIONS")
_PORT = re.compile(r":[0-9]{1,5}$")
_LOCAL_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")  # printable ASCII without space and backslash
_LONGEST_PATH = 2000
_ORIGIN = re.compile(r"(https?)://([^/?#@\s]+)")


def host_allowed(host: str, names: Collection[str]) -> bool:
    """Whether a page may be asked for under this Host: else a foreign page, its name bent to us, could read it."""
    bare = _PORT.sub("", host.strip()).lower()
    if bare.startswith("["):
        return bare.endswith("]") and _is_address(bare[1:-1])
    name = bare.removesuffix(".")
    return name == "localhost" or name in names or _is_address(name)


def _is_address(word: str) -> bool:
    try:
        ipaddress.ip_address(word)
    except ValueError:
        return False
    return True


def from_our_own_page(*, host: str, origin: str | None, site: str | None) -> bool:
    """Whether a POST comes from a page of ours, by Origin and Sec-Fetch-Site; at least one must be there.

    Browsers leave Sec-Fetch-Site out on plain HTTP, except on localhost.
    """
    if site is not None and site not in ("same-origin", "none"):
        return False
    if origin is None:
        return site is not None
    found = _ORIGIN.fullmatch(origin.lower())
    return found is not None and _host_of(found[2], found[1]) == _host_of(host.lower(), found[1])


def _host_of(netloc: str, scheme: str) -> str:
    """Without the port that the scheme has anyhow."""
    return netloc.strip().removesuffix(":443" if scheme == "https" else ":80")


def local_path(asked: str) -> str:
    """A path of our own to go on to; "/" for anything that a browser might understand as another place."""
    if len(asked) > _LONGEST_PATH or not _LOCAL_PATH.fullmatch(asked):
        return "/"
    parts = urlsplit(asked)
    if parts.scheme or parts.netloc or parts.path in (LOGIN, LOGOUT):
        return "/"
    return asked


def always_open(path: str) -> bool:
    """Whether a path is shown to everybody, even when reading needs a login."""
    return path in ("/healthz", LOGIN) or path.startswith("/static/")


def needs_nobody(path: str) -> bool:
    """Whether it is the same for everybody, so that no session need be looked up."""
    return path == "/healthz" or path.startswith("/static/")


def is_api(path: str) -> bool:
    """Whether programs ask for it: they get JSON and a status, no form to log in."""
    return path == "/api" or path.startswith("/api/")
