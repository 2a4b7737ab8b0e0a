"""REDIS_URL taken apart: a server, or whom to ask for the one that a site lives on. Pure.

redis://user:password@host:6379/0                      rediss:// the same in TLS
unix:///run/redis.sock?db=0
redis+cluster://user:password@node1:6379,node2:6379    rediss+cluster://
redis+sentinel://user:password@s1:26379,s2/mymaster    rediss+sentinel://
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote

Kind = Literal["server", "socket", "cluster", "sentinel"]

PORT, SENTINEL_PORT = 6379, 26379
NODES_AT_MOST = 64
_LENGTH_AT_MOST = 8192
_SCHEMES: dict[str, tuple[Kind, bool]] = {
    "redis": ("server", False),
    "rediss": ("server", True),
    "unix": ("socket", False),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
}
_USERINFO = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:]|%[0-9A-Fa-f]{2})*")  # RFC 3986, 3.2.1
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})")  # with _, as containers' names have it
_MASTER = re.compile(r"[A-Za-z0-9_.-]{1,100}")  # what a sentinel takes for a name
_DB = re.compile(r"[0-9]{1,4}")


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """A host and a port; IPv6 without brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """What a REDIS_URL says. One node for a server, those to ask for a cluster or sentinels, a path for a socket."""

    kind: Kind
    tls: bool = False
    nodes: tuple[Node, ...] = ()
    path: str = ""
    master: str = ""  # by the name that the sentinels know
    db: int = 0
    user: str = ""
    password: str = field(default="", repr=False)


def parse(url: str) -> Address:
    """Raises ValueError with a sentence that repeats nothing of the URL: a password may stand anywhere in it."""
    scheme, separator, rest = url.strip().partition("://")
    if not separator or scheme.lower() not in _SCHEMES:
        raise ValueError(f"must begin with one of {', '.join(f'{known}://' for known in _SCHEMES)}")
    if len(rest) > _LENGTH_AT_MOST:
        raise ValueError(f"is longer than {_LENGTH_AT_MOST} characters")
    if any(not c.isprintable() or c.isspace() for c in rest):
        raise ValueError("holds white space or characters that no URL may hold")
    kind, tls = _SCHEMES[scheme.lower()]
    userinfo, at, rest = rest.rpartition("@")
    user, password = _login(userinfo) if at else ("", "")
    if "#" in rest or (kind != "socket" and "?" in rest):
        raise ValueError("must not carry options behind ? or #")
    if kind == "socket":
        socket, db = _socket(rest)
        return Address(kind=kind, path=socket, db=db, user=user, password=password)
    named, _, path = rest.partition("/")
    nodes = _nodes(named, SENTINEL_PORT if kind == "sentinel" else PORT)
    master, db = _place(kind, nodes, path)
    return Address(kind=kind, tls=tls, nodes=nodes, master=master, db=db, user=user, password=password)


def _login(userinfo: str) -> tuple[str, str]:
    if not _USERINFO.fullmatch(userinfo):
        raise ValueError(
            "has a user or password with a character that must be written as its percent code (/ is %2F, @ is %40, "
            "# is %23, % is %25)"
        )
    user, _, password = userinfo.partition(":")
    try:
        return unquote(user, errors="strict"), unquote(password, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("has a user or password whose percent codes are not UTF-8") from None


def _socket(rest: str) -> tuple[str, int]:
    path, _, query = rest.partition("?")
    if not path.startswith("/") or path == "/":
        raise ValueError("must name the socket by its whole path: unix:///run/redis.sock")
    if query and not query.startswith("db="):
        raise ValueError("may carry no other option than ?db=")
    return unquote(path), _db(query.removeprefix("db="))


def _place(kind: Kind, nodes: tuple[Node, ...], path: str) -> tuple[str, int]:
    """What stands behind the hosts: the master's name, and the database's number."""
    if kind == "sentinel":
        master, _, number = path.partition("/")
        if not _MASTER.fullmatch(master):
            raise ValueError("must end with the master's name as the sentinels know it: redis+sentinel://host/mymaster")
        return master, _db(number)
    if kind == "server" and len(nodes) > 1:
        raise ValueError("names several servers: redis+cluster:// and redis+sentinel:// may")
    db = _db(path)
    if kind == "cluster" and db:
        raise ValueError("names a database: a cluster has only number 0")
    return "", db


def _nodes(named: str, port: int) -> tuple[Node, ...]:
    nodes = tuple(_node(part.strip(), port) for part in named.split(",")[: NODES_AT_MOST + 1])
    if len(nodes) > NODES_AT_MOST:
        raise ValueError(f"names more than {NODES_AT_MOST} hosts")
    return tuple(dict.fromkeys(nodes))


def _node(text: str, port: int) -> Node:
    bracketed, closed, behind = text.partition("]")
    if text.startswith("["):
        host = bracketed[1:]
        if not closed or not _is_ipv6(host) or (behind and not behind.startswith(":")):
            raise ValueError("names a host that is no IPv6 address in brackets")
    else:
        host, colon, behind = text.partition(":")
        behind = colon + behind
        if not _NAME.fullmatch(host):
            raise ValueError("names no host, or one with a character that no host name has")
    return Node(host, _port(behind[1:]) if behind else port)


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and 0 < int(text) <= 65535):  # noqa: PLR2004 - of TCP
        raise ValueError("names a port that is no number from 1 to 65535")
    return int(text)


def _db(text: str) -> int:
    if text and not _DB.fullmatch(text):
        raise ValueError("names a database that is no number")
    return int(text or "0")
