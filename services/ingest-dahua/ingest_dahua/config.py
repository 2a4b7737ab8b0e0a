"""The settings of ingest-dahua."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, SecretStr, field_validator

from gantry.settings import Settings

_IFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,14}")  # as long as Linux lets them be, and no path


class Config(Settings):
    """One recorder."""

    traffic_ivss_url: (
        str  # its event stream with the codes, e.g. http://HOST/cgi-bin/eventManager.cgi?action=attach&codes=[…]
    )
    camera_user: str
    camera_pass: SecretStr
    dahua_heartbeat_s: int = Field(default=5, ge=1, le=60)  # the range that the recorders' interface documents
    dahua_spool_dir: Path = Path("var/spool")
    dahua_spool_max_bytes: int = Field(default=1 << 30, ge=0)
    vpn_iface: str = ""  # the interface that leads to the recorder, e.g. ppp0; empty: none to watch
    metrics_port: int = Field(default=9101, ge=0, le=65535)

    @field_validator("traffic_ivss_url")
    @classmethod
    def _a_stream_of_http(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("is no http:// or https:// URL")
        if parts.username is not None or parts.password is not None:
            raise ValueError("must not hold a user or password: those are CAMERA_USER and CAMERA_PASS")
        if not _is_port(parts):
            raise ValueError("names a port that is no number from 1 to 65535")
        if parts.fragment or any(not character.isprintable() or character == " " for character in url):
            raise ValueError("holds characters that no URL may hold")
        return url

    @field_validator("vpn_iface")
    @classmethod
    def _an_interface(cls, name: str) -> str:
        if name and not _IFACE.fullmatch(name):
            raise ValueError("is no name of a network interface, such as ppp0")
        return name


def _is_port(parts: SplitResult) -> bool:
    """Without the error's own words, which would repeat what may be a password."""
    try:
        return parts.port != 0
    except ValueError:
        return False
