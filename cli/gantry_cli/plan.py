"""Which services run, with which settings; everything that is wrong is said at once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dashboard.config import Config as Dashboard
from gantry.errors import SettingsError
from gantry.runtime import bad_files
from gantry.settings import Settings, load
from gantry_cli.child import Program
from gantry_cli.provision.config import Config as Provision
from ingest_axis.config import Config as IngestAxis
from ingest_dahua.config import Config as IngestDahua
from journal.config import Config as Journal
from processor.config import Config as Processor
from publisher.config import Config as Publisher

SOURCE, PROCESS, PUBLISH, SHOW = 10, 20, 30, 35  # stages: the lowest stop first; those that only read last
METRICS = "METRICS_PORT"
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to


@dataclass(frozen=True, slots=True)
class Service:
    """One service of ours. `marks`: the settings whose complete absence means that nobody wants this source."""

    name: str  # also its console script
    config: type[Settings]
    port: int  # of its metrics, where that is free
    stage: int
    marks: tuple[str, ...] = ()


SERVICES = (
    Service("ingest-dahua", IngestDahua, 9101, SOURCE, ("TRAFFIC_IVSS_URL", "CAMERA_USER", "CAMERA_PASS")),
    Service("ingest-axis", IngestAxis, 9102, SOURCE, ("AXIS_TLS_CERT", "AXIS_TLS_KEY")),
    Service("processor", Processor, 9103, PROCESS),
    Service("publisher", Publisher, 9110, PUBLISH),
    Service("journal", Journal, 9104, SHOW),
    Service("dashboard", Dashboard, 9105, SHOW),
)


@dataclass(frozen=True, slots=True)
class Choice:
    """The services that are configured, and the sources that are not."""

    services: tuple[Service, ...]
    left_out: tuple[Service, ...]


def choose(environ: Mapping[str, str]) -> Choice:
    """What to run. Raises SettingsError that names every missing or wrong setting of all services."""
    absent = tuple(each for each in SERVICES if each.marks and not any(_given(mark, environ) for mark in each.marks))
    sources = [each for each in SERVICES if each.marks]
    left_out = absent if len(absent) < len(sources) else ()
    services = tuple(each for each in SERVICES if each not in left_out)
    problems: dict[str, None] = {}
    settings = {name: value for name, value in environ.items() if name != METRICS}  # ours to set
    for each in services:
        try:
            load(each.config, settings)
        except SettingsError as error:
            problems |= dict.fromkeys(error.problems)
    problems |= dict.fromkeys(bad_files(Path(environ.get("CONFIG_DIR") or Settings().config_dir)))
    if problems:
        raise SettingsError(list(problems))
    return Choice(services, left_out)


def programs(
    choice: Choice,
    environ: Mapping[str, str],
    free: Callable[[int], int],
    *,
    publishers: int = 1,
    logs: Path | None = None,
) -> list[Program]:
    """One program per process; `free` gives the wanted port or another. With `logs`, each writes a file there."""
    made = []
    for service in services_of(choice, publishers):
        name, kind, wanted = service
        port = free(wanted)
        own = {**environ, METRICS: str(port)}
        if instance := environ.get("INSTANCE"):
            own["INSTANCE"] = f"{instance}-{name}"  # one name for several processes would make them one
        log = logs / f"{name}.log" if logs else None
        made.append(
            Program(name=name, command=script(kind.name), environ=own, stage=kind.stage, log=log, metrics_port=port)
        )
    return made


def services_of(choice: Choice, publishers: int) -> list[tuple[str, Service, int]]:
    """(process name, service, wanted port): downstream first, so that what comes in finds its way on."""
    rows: list[tuple[str, Service, int]] = []
    for service in reversed(choice.services):
        if service.stage == PUBLISH and publishers > 1:
            rows += [(f"{service.name}-{n + 1}", service, service.port + n) for n in range(publishers)]
        else:
            rows.append((service.name, service, service.port))
    return rows


def script(name: str, *arguments: str) -> tuple[str, ...]:
    """The command of a console script of this very installation."""
    return (sys.executable, str(Path(sys.executable).parent / name), *arguments)


def dashboard_url(environ: Mapping[str, str]) -> str:
    """Where a browser on this machine finds the dashboard. Raises SettingsError."""
    config = load(Dashboard, {name: value for name, value in environ.items() if name != METRICS})
    host = "127.0.0.1" if config.dashboard_host in _EVERYWHERE else config.dashboard_host
    return f"http://{f'[{host}]' if ':' in host else host}:{config.dashboard_port}"


def setting_names() -> set[str]:
    """Every setting that any service or `gantry provision` reads, with the `_FILE` twins."""
    kinds: tuple[type[Settings], ...] = (*(service.config for service in SERVICES), Provision)
    fields = {field.upper() for kind in kinds for field in kind.model_fields}
    return fields | {f"{name}_FILE" for name in fields}


def _given(name: str, environ: Mapping[str, str]) -> bool:
    return bool(environ.get(name) or environ.get(f"{name}_FILE"))
