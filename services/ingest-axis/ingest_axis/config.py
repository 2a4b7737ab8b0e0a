"""The settings of ingest-axis."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from gantry.settings import Settings


class Config(Settings):
    """What ingest-axis reads beside the settings of every service."""

    metrics_port: int = Field(default=9102, ge=0, le=65535)
    axis_port: int = Field(default=4443, gt=0, le=65535)
    axis_tls_cert: Path  # PEM: our certificate, then the chain up to the CA
    axis_tls_key: Path  # PEM, without a passphrase
    axis_tokens: SecretStr = SecretStr("")  # comma-separated, so that two are valid while one is replaced
    axis_max_body_bytes: int = Field(default=134_217_728, gt=0)  # 90 days of indented minutes are 83 MB
    accept_weak_durability: bool = False

    def tokens(self) -> tuple[bytes, ...]:
        """The tokens that let a push in; none at all lets everyone in."""
        parts = (part.strip() for part in self.axis_tokens.get_secret_value().split(","))
        return tuple(part.encode() for part in parts if part)

    @field_validator("axis_tokens")
    @classmethod
    def _sendable(cls, tokens: SecretStr) -> SecretStr:
        for part in tokens.get_secret_value().split(","):
            if not part.strip().isascii() or any(c.isspace() or not c.isprintable() for c in part.strip()):
                raise ValueError("a token holds a character that cannot stand in a header; separate tokens by commas")
        return tokens

    @field_validator("axis_tls_cert", "axis_tls_key")
    @classmethod
    def _readable(cls, path: Path) -> Path:
        try:
            path.read_bytes()
        except OSError as error:
            raise ValueError(f"{path} cannot be read ({error.strerror})") from error
        return path

    @model_validator(mode="after")
    def _pair(self) -> Self:
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            # without the password argument OpenSSL would ask the terminal for one, and wait
            context.load_cert_chain(self.axis_tls_cert, self.axis_tls_key, password="")
        except (ssl.SSLError, ValueError) as error:
            raise ValueError(f"AXIS_TLS_CERT and AXIS_TLS_KEY do not make a pair: {error}") from error
        return self
