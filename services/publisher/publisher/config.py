"""The publisher's settings."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, Self

import httpx
from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from gantry import topology
from gantry.devices import Devices
from gantry.settings import Authorities, Settings
from gantry.streams.lanes import Limits, Rate


def _url(text: str) -> httpx.URL:
    """Messages never repeat the value: a password or key may stand in it."""
    try:
        url = httpx.URL(text.strip())
    except httpx.InvalidURL:
        raise ValueError("is not a URL") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("must begin with http:// or https:// and a host")
    return url


def _agent_url(text: str) -> str:
    url = _url(text)
    if url.userinfo:
        raise ValueError("must not carry a user or password")
    if url.query or url.fragment or text.strip().endswith(("?", "#")):
        raise ValueError("must not carry a query or fragment; key and device are added to it")
    return text.strip()


def _key(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value().strip():
        raise ValueError("is blank")
    return SecretStr(secret.get_secret_value().strip())


def _proxy_url(secret: SecretStr) -> SecretStr:
    url = _url(secret.get_secret_value())
    if url.path not in ("", "/") or url.query or url.fragment:
        raise ValueError("must end with the host or its port")
    return SecretStr(secret.get_secret_value().strip())


SLOWEST_CEILING = 0.01  # requests per second: no turn comes later than the longest legal delay
_NONE: Mapping[str, Rate] = MappingProxyType({})
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
    iota_max_requests_per_s: float = Field(default=0, ge=0, le=100_000)  # of a whole target; 0: no ceiling
    iota_timeout_s: float = Field(default=15, gt=0, le=120)  # for a whole request
    iota_connect_timeout_s: float = Field(default=5, gt=0, le=120)  # up to the end of the TLS handshake
    iota_batch_max: int = Field(default=30, ge=1, le=100)  # beyond that an array blocks the agent for everybody
    iota_arrays: Literal["auto", "on", "off"] = "auto"  # auto: once the agent has shown X-Processing-Time
    iota_ca_file: Authorities | None = None
    iota_proxy: Annotated[SecretStr, AfterValidator(_proxy_url)] | None = None  # a user and password may stand in it
    iota_concurrency: int = Field(default=16, ge=1, le=256)  # requests in flight per target

    @field_validator("iota_max_requests_per_s")
    @classmethod
    def _none_or_some(cls, value: float) -> float:
        if 0 < value < SLOWEST_CEILING:
            raise ValueError(f"must be 0 (no ceiling) or at least {SLOWEST_CEILING}")
        return value

    @model_validator(mode="after")
    def _connects_in_time(self) -> Self:
        if "iota_connect_timeout_s" in self.model_fields_set and self.iota_connect_timeout_s > self.iota_timeout_s:
            raise ValueError("IOTA_CONNECT_TIMEOUT_S: must not be longer than IOTA_TIMEOUT_S")
        return self

    @property
    def keys(self) -> dict[str, SecretStr]:
        """Target → API key."""
        return {topology.EVD: self.iota_apikey_evd, topology.CROWD: self.iota_apikey_crwd}

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no log, letter or answer may repeat: the keys, and the proxy's password."""
        password = httpx.URL(self.iota_proxy.get_secret_value()).password if self.iota_proxy else ""
        keys = (key.get_secret_value() for key in self.keys.values())
        return tuple(filter(None, (*keys, password)))

    @property
    def platform(self) -> str:
        """Scheme, host and port of the agent: its path is nobody's business."""
        url = httpx.URL(self.iota_json_base)
        return f"{url.scheme}://{url.netloc.decode()}"

    def rates(self, devices: Devices) -> dict[str, Rate]:
        """Lane → its own rate; what devices.toml leaves open is as for all."""
        return {
            lane: Rate(own.max_per_minute or self.iota_max_per_minute, own.burst or self.iota_burst)
            for lane, own in devices.rates.items()
        }

    def limits(self, arrays: bool, rates: Mapping[str, Rate] = _NONE) -> Limits:
        """What a turn enforces; `arrays`: the agent has shown that it takes them, `rates`: of lanes with their own."""
        allowed = {"on": True, "off": False, "auto": arrays}[self.iota_arrays]
        return Limits(
            lease_s=2 * self.iota_timeout_s + 10,
            batch_max=self.iota_batch_max if allowed else 1,
            rate=Rate(self.iota_max_per_minute, self.iota_burst),
            rates=rates,
            counts=self.iota_limit_counts,
            ceiling_per_s=self.iota_max_requests_per_s,
            open_after=self.iota_cb_open_after,
            cooldown_s=self.iota_cb_cooldown_sec,
        )

    def allowed(self, lane: str, rates: Mapping[str, Rate] = _NONE) -> float:
        """Measures a minute that this lane's limit lets out, at most."""
        limits = self.limits(arrays=True, rates=rates)
        return limits.rate_of(lane).per_minute * (limits.batch_max if limits.counts == "requests" else 1)
