"""The publisher's settings."""

from __future__ import annotations

import ssl
from typing import Annotated, Literal

import httpx
from pydantic import AfterValidator, Field, FilePath, SecretStr

from gantry import topology
from gantry.settings import Settings
from gantry.streams.lanes import Limits


def _agent_url(text: str) -> str:
    """Messages never repeat the value: a password or key may stand in it."""
    try:
        url = httpx.URL(text.strip())
    except httpx.InvalidURL:
        raise ValueError("is not a URL") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("must begin with http:// or https:// and a host")
    if url.userinfo:
        raise ValueError("must not carry a user or password")
    if url.query or url.fragment or text.strip().endswith(("?", "#")):
        raise ValueError("must not carry a query or fragment; key and device are added to it")
    return text.strip()


def _key(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value().strip():
        raise ValueError("is blank")
    return SecretStr(secret.get_secret_value().strip())


def _authorities(path: FilePath) -> FilePath:
    try:
        ssl.create_default_context(cafile=path)
    except OSError:  # ssl.SSLError is one
        raise ValueError("cannot be read as PEM certificates") from None
    return path


ApiKey = Annotated[SecretStr, AfterValidator(_key)]


class Config(Settings):
    """IOTA_* are the names of the system before this one."""

    metrics_port: int = Field(default=9110, ge=0, le=65535)
    iota_json_base: Annotated[str, AfterValidator(_agent_url)]  # with its path, e.g. https://agent:18185/iot/json
    iota_apikey_evd: ApiKey
    iota_apikey_crwd: ApiKey
    iota_max_per_minute: int = Field(default=60, ge=1, le=6_000_000)  # per device
    iota_burst: int = Field(default=10, ge=1, le=100_000)
    iota_limit_counts: Literal["measures", "requests"] = "measures"
    iota_cb_open_after: int = Field(default=20, ge=1)  # failures in a row
    iota_cb_cooldown_sec: float = Field(default=30, gt=0, le=600)
    iota_timeout_s: float = Field(default=15, gt=0, le=120)  # for a whole request
    iota_batch_max: int = Field(default=30, ge=1, le=100)  # beyond that an array blocks the agent for everybody
    iota_ca_file: Annotated[FilePath, AfterValidator(_authorities)] | None = None
    iota_concurrency: int = Field(default=16, ge=1, le=256)  # requests in flight per target

    @property
    def keys(self) -> dict[str, SecretStr]:
        """Target → API key."""
        return {topology.EVD: self.iota_apikey_evd, topology.CROWD: self.iota_apikey_crwd}

    def limits(self, batch_max: int) -> Limits:
        """What a turn enforces; `batch_max`: the most that the agent may be given at once, as far as is known now."""
        by_measure = self.iota_limit_counts == "measures"
        return Limits(
            lease_s=2 * self.iota_timeout_s + 10,
            batch_max=min(batch_max, self.iota_batch_max, self.iota_burst if by_measure else self.iota_batch_max),
            per_minute=self.iota_max_per_minute,
            burst=self.iota_burst,
            counts=self.iota_limit_counts,
            open_after=self.iota_cb_open_after,
            cooldown_s=self.iota_cb_cooldown_sec,
        )
