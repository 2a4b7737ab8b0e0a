"""Digest login as recorders do it (RFC 7616, qop=auth): challenges, and the check of an answer. Pure but for chance."""

from __future__ import annotations

import hashlib
import hmac
import random
import re
from dataclasses import dataclass, field
from enum import Enum

_PAIR = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,]+))')
_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
ALGORITHMS = {"MD5": ("MD5",), "SHA-256": ("SHA-256",), "both": ("SHA-256", "MD5")}


class Login(Enum):
    """What an Authorization header is worth."""

    MISSING = 1
    OK = 2
    WRONG = 3
    STALE = 4  # right, but its nonce is used up
    OTHER_URI = 5  # signed for another URI than the one asked for; strict firmware answers 403


@dataclass
class Door:
    """Who may come in. `fresh_nonce`: every nonce serves one request only, as on some large recorders."""

    user: str
    password: str
    algorithms: tuple[str, ...]
    chance: random.Random
    fresh_nonce: bool = False
    realm: str = "Login to 9C0AA51PAZ00001"
    _last_count: dict[str, int] = field(default_factory=dict)  # nonce -> greatest nc seen

    def challenges(self, *, stale: bool = False) -> list[str]:
        """The values of WWW-Authenticate. MD5 is not named, as real recorders do not name it."""
        nonce = str(self.chance.randrange(10**8, 10**10))
        self._last_count = {**dict(list(self._last_count.items())[-100:]), nonce: 0}
        opaque = hashlib.sha1(nonce.encode()).hexdigest()  # noqa: S324 - no secret, only its shape
        common = f'realm="{self.realm}", qop="auth", nonce="{nonce}", opaque="{opaque}"' + ", stale=TRUE" * stale
        return [f"Digest {common}" + ("" if name == "MD5" else f", algorithm={name}") for name in self.algorithms]

    def check(self, header: str, method: str, uri: str) -> Login:
        """Judge an Authorization header for this request line."""
        scheme, _, rest = header.partition(" ")
        if not header:
            return Login.MISSING
        given = {key.lower(): quoted or plain for key, quoted, plain in _PAIR.findall(rest)}
        algorithm = given.get("algorithm", "MD5").upper()
        if scheme.lower() != "digest" or algorithm not in self.algorithms or given.get("username") != self.user:
            return Login.WRONG
        if not hmac.compare_digest(given.get("response", ""), self._response(given, algorithm, method)):
            return Login.WRONG
        return Login.OTHER_URI if given.get("uri") != uri else self._count(given)

    def _response(self, given: dict[str, str], algorithm: str, method: str) -> str:
        def digest(*parts: str) -> str:
            return _HASHES[algorithm](":".join(parts).encode()).hexdigest()

        def said(name: str) -> str:
            return given.get(name, "")

        secret = digest(self.user, self.realm, self.password)
        request = digest(method, said("uri"))
        return digest(secret, said("nonce"), said("nc"), said("cnonce"), said("qop"), request)

    def _count(self, given: dict[str, str]) -> Login:
        """A nonce is known, and its count grows; otherwise somebody repeats an old header."""
        try:
            count = int(given.get("nc", ""), 16)
        except ValueError:
            return Login.WRONG
        last = self._last_count.get(given.get("nonce", ""))
        if given.get("qop") != "auth" or not given.get("cnonce"):
            return Login.WRONG
        if last is None or count <= last or (self.fresh_nonce and last):
            return Login.STALE
        self._last_count[given["nonce"]] = count
        return Login.OK
