"""What may be told of an answer. Pure.

An error's body carries the API key, Keystone tokens, the device's whole configuration and the measure. So of a body
only two things are told: the agent's error name, and its message up to where the configuration begins, without any
secret and without quoted values. Of a body that is not the agent's, only its form and length.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from functools import lru_cache

MAX_TEXT = 300
MAX_READ = 4096  # of a body: longer messages are told of only if their configuration begins before
HIDDEN = "***"

_ERROR = re.compile(  # the name is always first; holds for a body that was cut, too
    rb'\s*\{\s*"name"\s*:\s*"(?P<name>[A-Za-z_][A-Za-z0-9_]{0,63})"'
    rb'(?:\s*,\s*"message"\s*:\s*"(?P<message>[^"\\]*(?:\\.[^"\\]*)*)(?P<end>"?))?',
    re.DOTALL,
)
_VALUE = re.compile(  # behind a colon, an equals sign and these words stand values
    r"(?P<kept>:(?=\s|$)|=|(?<!Unexpected )\btokens?\b|\btrust\b|\bkey\b)\s*.*",
    re.DOTALL | re.IGNORECASE,
)
_PIECES = re.compile(
    r"""
    "(?P<quoted>[^"]*)"?
    | \[(?P<listed>[^\[\]]+)\]?
    | '[^'\s]{2,}'
    | [A-Za-z0-9+/=_-]{20,}  # tokens in hex or base64
    """,
    re.VERBOSE,
)
_HARMLESS = re.compile(
    r"""
    [\d T:Z.+-]{0,40}  # a time
    | application/json,\ text/plain,[a-z+,/\ -]{0,80}  # the types that the agent takes
    """,
    re.VERBOSE,
)


def error_name(body: bytes) -> str:
    """`name` of an agent's error body; empty if the body is none."""
    found = _ERROR.match(body, 0, MAX_READ)
    return found["name"].decode() if found else ""


def redacted(status: int, body: bytes, secrets: Sequence[str] = ()) -> str:
    """An answer in at most 300 printable characters, without any of `secrets` in any spelling that URLs or JSON know.

    `404 DEVICE_NOT_FOUND: No device was found with id:cam1 and …`, `502 (html, 157 bytes)`.
    """
    found = _ERROR.match(body, 0, MAX_READ)
    if found is None:
        return f"{status} ({_form(body)})"
    name = _scrubbed(found["name"].decode(), secrets)
    message = _message(found["message"] or b"", bool(found["end"]), secrets)
    return _bounded(f"{status} {name}: {message}" if message else f"{status} {name}")


def _form(body: bytes) -> str:
    start = body.lstrip()[:1]
    form = "html" if start == b"<" else "JSON" if start in (b"{", b"[") else "text"
    return f"{form}, {len(body)} bytes" if body else "empty"


def _message(raw: bytes, whole: bool, secrets: Sequence[str]) -> str:
    """The wording of a message, as it may be told.

    One that was cut may end in the middle of a secret, unless it was cut behind the beginning of the configuration.
    """
    try:
        text = raw.decode("utf-8", "replace")
        text = json.loads(f'"{text}"', strict=False) if whole else text
    except ValueError:
        return ""
    configured, braced = "{" in text, any("{" in secret for secret in secrets)
    if not whole and (braced or not configured):
        return ""
    wording = text if braced else text.partition("{")[0]  # a secret with a brace must be whole to be found
    plain = _scrubbed(_printable(wording), secrets).partition("{")[0]
    told = _PIECES.sub(_told, _VALUE.sub(rf"\g<kept> {HIDDEN}", plain)).strip()
    return f"{told}…" if configured else told


def _told(found: re.Match[str]) -> str:
    """A quoted or listed value only if it is a known harmless one."""
    for name, form in (("quoted", '"{}"'), ("listed", "[{}]")):
        if (value := found[name]) is not None:
            return form.format(value if _HARMLESS.fullmatch(value.strip()) else HIDDEN)
    return HIDDEN


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())


def _bounded(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


def _scrubbed(text: str, secrets: Sequence[str]) -> str:
    for secret in sorted(filter(None, map(_printable, secrets)), key=len, reverse=True):
        text = _spellings(secret).sub(HIDDEN, text)
    return text


@lru_cache(maxsize=32)
def _spellings(secret: str) -> re.Pattern[str]:
    """A secret as it is, and as URLs, JSON and HTML may spell it, each character in its own way."""
    return re.compile("".join(_spelled(run[0]) for run in _RUNS.finditer(secret)))


_RUNS = re.compile(r"\\+|[^\x00-\x7f]+|.", re.DOTALL)


def _spelled(run: str) -> str:
    """Possessive where runs are of any length: no text may take long to look through."""
    if run.startswith("\\"):
        return rf"(?:\\++|(?i:%(?:25)*5c|\\+u005c){{{len(run)}}})"
    if not run.isascii():
        return rf"(?:{''.join(map(_ways, run))}|[\ufffd?]++)"  # or what other encodings make of it
    return _ways(run)


def _ways(character: str) -> str:
    percent = "".join(f"%(?:25)*{byte:02x}" for byte in character.encode("utf-8", "replace"))
    units = character.encode("utf-16-be", "surrogatepass")
    escaped = "".join(rf"\\*+u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
    ways = [re.escape(character), f"(?i:{percent})", f"(?i:{escaped})", re.escape(html.escape(character))]
    ways += [r"\+"] if character == " " else []
    ways += [r"\\++" + re.escape(character)] if character in '"/' else []
    return f"(?:{'|'.join(dict.fromkeys(ways))})"
