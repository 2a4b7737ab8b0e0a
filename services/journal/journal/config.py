"""The journal's settings."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from gantry.settings import Settings


class Config(Settings):
    """What the journal reads from the environment."""

    metrics_port: int = Field(default=9104, ge=0, le=65535)
    runtime_dir: Path = Path("var/runtime")
    log_rotate_bytes: int = Field(default=10_485_760, ge=1000)
    log_rotate_keep: int = Field(default=90, ge=1, le=10_000)  # older parts, besides events.json
    log_keep_days: int = Field(default=91, ge=1, le=3650)
    log_fsync: Literal["batch", "no"] = "batch"  # no: what was written last may be lost when the machine dies
