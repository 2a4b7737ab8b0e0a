"""The settings of `gantry provision`, beside the publisher's own: where the platform's northbound API is."""

from __future__ import annotations

import re
from typing import Annotated

import httpx
from pydantic import AfterValidator, SecretStr

from publisher.config import Config as Publisher

_SERVICE = re.compile(r"[A-Za-z0-9_]{1,50}")
_PATH = re.compile(r"/(?:[A-Za-z0-9_-]{1,50}(?:/[A-Za-z0-9_-]{1,50}){0,9})?")


def _base(text: str) -> str:
    """Messages never repeat the value: a password may stand in it."""
    try:
        url = httpx.URL(text.strip())
    except httpx.InvalidURL:
        raise ValueError("is not a URL") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("must begin with http:// or https:// and a host")
    if url.userinfo or url.fragment:
        raise ValueError("must not carry a user, password or fragment")
    return text.strip()


def _token(secret: SecretStr) -> SecretStr:
    value = secret.get_secret_value().strip()
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("holds characters that no header can carry")
    return SecretStr(value)


def _service(text: str) -> str:
    if not _SERVICE.fullmatch(text):
        raise ValueError("must be up to 50 letters, digits or '_'")
    return text


def _path(text: str) -> str:
    if not _PATH.fullmatch(text):
        raise ValueError("must be / or a path such as /gates/north: up to ten names of letters, digits, '_' and '-'")
    return text


class Config(Publisher):
    """The API keys, the resource (the path of IOTA_JSON_BASE), the CA file and the proxy are the publisher's."""

    iota_north_url: Annotated[str, AfterValidator(_base)]  # its query goes with every request: ?protocol=IoTA-JSON
    fiware_service: Annotated[str, AfterValidator(_service)]
    fiware_servicepath: Annotated[str, AfterValidator(_path)]
    iota_north_token: Annotated[SecretStr, AfterValidator(_token)] | None = None
    iota_broker_url: Annotated[str, AfterValidator(_base)] | None = None  # None: nothing is read back

    @property
    def resource(self) -> str:
        """What a group's `resource` must be, e.g. /iot/json."""
        return httpx.URL(self.iota_json_base).path.rstrip("/")

    @property
    def hidden(self) -> tuple[str, ...]:
        """What nothing that we print may repeat."""
        token = self.iota_north_token.get_secret_value() if self.iota_north_token else ""
        return tuple(filter(None, (*self.secrets, token)))
