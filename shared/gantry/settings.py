"""Settings from the environment: read once, all problems reported at once, by name."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FilePath, PrivateAttr, SecretStr, ValidationError

from gantry.errors import SettingsError
from gantry.streams import address

_USERINFO = re.compile(r"//\S*@")  # also of a password that holds a slash or another @
DEFAULT_SOCKET = Path("var/redis/redis.sock")


def _new_instance() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"


def _embedded_url() -> SecretStr:
    return SecretStr(f"unix://{DEFAULT_SOCKET.absolute()}")


def _redis_url(secret: SecretStr) -> SecretStr:
    """Messages never repeat the value: a password may stand in it."""
    address.parse(secret.get_secret_value())
    return SecretStr(secret.get_secret_value().strip())


def _authorities(path: FilePath) -> FilePath:
    try:
        ssl.create_default_context(cafile=path)
    except OSError:  # ssl.SSLError is one
        raise ValueError("cannot be read as PEM certificates") from None
    return path


RedisUrl = Annotated[SecretStr, AfterValidator(_redis_url)]
Authorities = Annotated[FilePath, AfterValidator(_authorities)]  # certificates of a CA, PEM


class Settings(BaseModel):
    """What every service reads. A field's setting is its name in capitals; a secret has a `_FILE` twin."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    redis_url: RedisUrl = Field(default_factory=_embedded_url)  # without it: the server that `gantry up` runs here
    redis_ca_file: Authorities | None = None  # for rediss://; None: the system's
    gantry_site: str = Field(default="main", pattern=r"^[A-Za-z0-9_.-]+$")
    config_dir: Path = Path("config")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console", ""] = ""  # empty: console on a terminal, else json
    instance: str = Field(default_factory=_new_instance, pattern=r"^[A-Za-z0-9_.-]+$")
    device_quota: int = Field(default=200_000, gt=0)  # units that one device may hold anywhere in Gantry
    metrics_port: int = Field(default=9100, ge=0, le=65535)

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)  # field → where its value came from

    def effective(self) -> dict[str, dict[str, str]]:
        """Each setting's value and origin (default, environment, file); a secret shows only whether it is set."""
        return {
            field.upper(): {"value": _shown(value), "origin": self._origins.get(field, "default")}
            for field, value in self
        }

    def digest(self) -> str:
        """Eight characters that differ when the configuration differs; secrets do not enter."""
        text = self.model_dump_json(exclude={"instance", "metrics_port"})
        return hashlib.sha256(text.encode()).hexdigest()[:8]


S = TypeVar("S", bound=Settings)


def load(kind: type[S], environ: Mapping[str, str]) -> S:
    """Read `kind` from the environment. Raises SettingsError that names every missing or wrong setting."""
    problems: list[str] = []
    given: dict[str, Any] = {}
    unreadable: set[str] = set()
    for field in kind.model_fields:
        name = field.upper()
        before = len(problems)
        value = _value(name, environ, problems)
        if len(problems) > before:
            unreadable.add(field)
        if value is not None:
            given[field] = value.strip().lower() if field in {"log_level", "log_format"} else value
    try:
        settings = kind(**given)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        problems += [_sentence(e["loc"], e["msg"]) for e in found if not {*e["loc"]} & unreadable]
    if problems:
        raise SettingsError(problems)
    settings._origins = {field: _origin(field.upper(), environ) for field in given}  # noqa: SLF001 - made here
    return settings


def _origin(name: str, environ: Mapping[str, str]) -> str:
    return "file" if environ.get(f"{name}_FILE") else "environment"


def _shown(value: object) -> str:
    """As a person may see it."""
    if isinstance(value, SecretStr):
        return "***" if value.get_secret_value() else ""
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(map(_shown, value))
    return "" if value is None else _USERINFO.sub("//***@", str(value))


def _value(name: str, environ: Mapping[str, str], problems: list[str]) -> str | None:
    path = environ.get(f"{name}_FILE")
    if path:
        try:
            return Path(path).read_text(encoding="utf-8").strip() or None
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{name}_FILE cannot be read: {error}")
            return None
    return environ.get(name) or None  # an empty setting is one that is not set


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    name = str(location[0]).upper() if location else ""
    if message == "Field required":
        return f"{name} is not set"
    if message.startswith("String should match pattern"):
        return f"{name} may hold only letters, digits, '.', '_' and '-'"
    return f"{name}: {message.removeprefix('Value error, ')}" if name else message.removeprefix("Value error, ")
