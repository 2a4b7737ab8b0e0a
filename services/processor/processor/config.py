"""The processor's settings."""

from __future__ import annotations

from pydantic import Field, field_validator

from gantry.settings import Settings
from gantry.streams.processing import FORGET_S


class Config(Settings):
    """What the processor reads from the environment."""

    metrics_port: int = Field(default=9103, ge=0, le=65535)
    dedup_ttl_s: float = Field(default=10.0, ge=0, le=FORGET_S)  # the same event within it is a repetition
    plates: str = "drop"

    @field_validator("plates")
    @classmethod
    def _only_drop(cls, value: str) -> str:
        given = value.strip().lower()
        if given == "pseudonym":
            raise ValueError("pseudonym is not built yet; this version knows only drop")
        if given != "drop":
            raise ValueError("must be drop")
        return given
