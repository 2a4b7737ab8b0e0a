"""Which secret belongs to which service: read off the services' own settings. Pure."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any

from pydantic import SecretStr

from gantry.settings import Settings
from gantry_cli.plan import SERVICES
from gantry_cli.provision.config import Config as Provision

OPERATOR = "gantry"  # the command line in its own container
REDIS_URL = "REDIS_URL"
DASHBOARD_PASSWORD = "DASHBOARD_PASSWORD"  # noqa: S105 - the name of a setting
TLS_CERT, TLS_KEY = "AXIS_TLS_CERT", "AXIS_TLS_KEY"  # files themselves, not values that a file holds
ADMIN, TWINS, SERVER = "admin", "twins", "redis"  # folders of those that are no service of ours
DEMO = {  # what the twins must know, too → the twins' file
    "CAMERA_PASS": "camera_pass",
    "AXIS_TOKENS": "axis_token",
    "IOTA_APIKEY_EVD": "apikey_evd",
    "IOTA_APIKEY_CRWD": "apikey_crowd",
}


def clients() -> tuple[str, ...]:
    """Everyone who talks to Redis under a name of its own."""
    return (*(service.name for service in SERVICES), OPERATOR, ADMIN)


def owners() -> dict[str, tuple[str, ...]]:
    """Secret setting → the services that read it; REDIS_URL, which all do, is left out."""
    kinds: list[tuple[str, type[Settings]]] = [(service.name, service.config) for service in SERVICES]
    kinds.append((OPERATOR, Provision))
    found: dict[str, list[str]] = {}
    for service, kind in kinds:
        for name in _secrets(kind):
            found.setdefault(name, []).append(service)
    found.pop(REDIS_URL)
    return {name: tuple(readers) for name, readers in found.items()}


def settable() -> tuple[str, ...]:
    """What a person may put."""
    return (REDIS_URL, *owners(), TLS_CERT, TLS_KEY)


def _secrets(kind: type[Settings]) -> Iterator[str]:
    return (name.upper() for name, field in kind.model_fields.items() if _holds_one(field.annotation))


def _holds_one(annotation: Any) -> bool:
    """SecretStr, also optional, also with a validator."""
    return annotation is SecretStr or any(map(_holds_one, typing.get_args(annotation)))
