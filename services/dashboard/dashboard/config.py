"""The dashboard's settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from gantry.settings import Settings

_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


def _names(text: str) -> str:
    """Raises ValueError unless it is a comma-separated list of host names; messages are for a person."""
    for name in text.split(","):
        if name.strip() and not _HOST_NAME.fullmatch(name.strip().lower()):
            raise ValueError(
                f"{name.strip()[:40]!r} is not a host name (without port; several are separated by commas)"
            )
    return text


class Config(Settings):
    """Where the page listens, who may do what, and where the journal's log lies."""

    metrics_port: int = Field(default=9105, ge=0, le=65535)
    dashboard_host: str = Field(default="127.0.0.1", min_length=1, max_length=255)
    dashboard_port: int = Field(default=5000, ge=0, le=65535)
    dashboard_password: SecretStr | None = None  # of the operator; None: one is made once and printed
    dashboard_reader_password: SecretStr | None = None  # of a reader, for DASHBOARD_READING=login
    dashboard_reading: Literal["open", "login"] = "open"
    dashboard_names: Annotated[str, AfterValidator(_names)] = ""  # beside localhost and addresses
    dashboard_secure_cookies: bool = False  # behind HTTPS
    runtime_dir: Path = Path("var/runtime")  # the journal's; only read

    @property
    def host_names(self) -> frozenset[str]:
        """By which the page may be asked for, in small letters, beside localhost and addresses."""
        return frozenset(name.strip().lower() for name in self.dashboard_names.split(",") if name.strip())
