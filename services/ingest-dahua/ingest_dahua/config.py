"""The settings of ingest-dahua."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from gantry.settings import Settings


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
    metrics_port: int = Field(default=9101, ge=0, le=65535)

    @field_validator("traffic_ivss_url")
    @classmethod
    def _a_stream_of_http(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("is no http:// or https:// URL")
        if parts.username is not None or parts.password is not None:
            raise ValueError("must not hold a user or password: those are CAMERA_USER and CAMERA_PASS")
        if parts.fragment or any(not character.isprintable() or character == " " for character in url):
            raise ValueError("holds characters that no URL may hold")
        return url
