"""The demo's small world: the twins of a recorder, counters and the agent, with secrets made for one run."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gantry import certificates, topology
from gantry.accounts import new_password
from gantry_cli.child import Program
from gantry_cli.plan import script, setting_names
from gantry_cli.ports import Ports

RATE = 5.0  # events a second of the recorder
CHANNELS = 8
COUNTERS = 2
SEED = 1
USER = "admin"
PRODUCER, AGENT = 0, 40  # stages: producers stop before every service, the agent after
RECORDER_NAME, COUNTER_NAME, AGENT_NAME = "twin-recorder", "twin-counter", "twin-agent"
OPERATOR_FILE = "operator-password"


@dataclass(frozen=True, slots=True)
class Folders:
    """Where the demo writes."""

    root: Path

    @property
    def secrets(self) -> Path:
        return self.root / "demo"

    @property
    def certs(self) -> Path:
        """Not var/certs: those are for real counters, and made once."""
        return self.secrets / "certs"

    @property
    def logs(self) -> Path:
        return self.root / "log"

    @property
    def runtime(self) -> Path:
        """Not var/runtime: a real journal's files and the demo's are not one log."""
        return self.secrets / "runtime"

    def secret(self, name: str) -> Path:
        return self.secrets / name


@dataclass(frozen=True, slots=True)
class World:
    """Files and ports of one run; nothing here shows a secret."""

    folders: Folders
    agent_port: int
    recorder_port: int
    axis_port: int
    dashboard_port: int

    @property
    def operator(self) -> str:
        """Who may act on the dashboard of this demo, and where that is written down."""
        path = self.folders.secret(OPERATOR_FILE)
        return f"operator, password {self._read(OPERATOR_FILE)} (from {near(path)})"

    @property
    def agent_url(self) -> str:
        return f"http://127.0.0.1:{self.agent_port}"

    def settings(self, outside: Mapping[str, str]) -> dict[str, str]:
        """The environment of the services: the outer one without any setting of ours, then the demo's."""
        ours = setting_names()
        codes = "action=attach&codes=%5BAll%5D"
        return {name: value for name, value in outside.items() if name not in ours} | {
            "CONFIG_DIR": str(self.folders.secrets / "config"),
            "LOG_FORMAT": "json",
            "TRAFFIC_IVSS_URL": f"http://127.0.0.1:{self.recorder_port}/cgi-bin/eventManager.cgi?{codes}",
            "CAMERA_USER": USER,
            "CAMERA_PASS_FILE": str(self.folders.secret("camera-password")),
            "DAHUA_SPOOL_DIR": str(self.folders.secrets / "spool"),
            "AXIS_PORT": str(self.axis_port),
            "AXIS_TLS_CERT": str(self.folders.certs / "server.crt"),
            "AXIS_TLS_KEY": str(self.folders.certs / "server.key"),
            "AXIS_TOKENS_FILE": str(self.folders.secret("axis-token")),
            "IOTA_JSON_BASE": f"{self.agent_url}/iot/json",
            "IOTA_APIKEY_EVD_FILE": str(self.folders.secret("apikey-evd")),
            "IOTA_APIKEY_CRWD_FILE": str(self.folders.secret("apikey-crowd")),
            "RUNTIME_DIR": str(self.folders.runtime),
            "DASHBOARD_PORT": str(self.dashboard_port),
            "DASHBOARD_PASSWORD_FILE": str(self.folders.secret(OPERATOR_FILE)),
            "IOTA_MAX_PER_MINUTE": "6000",  # so that the counters' history flows
            "IOTA_BURST": "100",
        }

    def agent(self, environ: Mapping[str, str]) -> Program:
        """The IoT Agent."""
        keys = [f"{target}={self._read(f'apikey-{target}')}" for target in topology.TARGETS]
        arguments = ["--port", str(self.agent_port), *(part for key in keys for part in ("--key", key))]
        return self._program(AGENT_NAME, arguments, environ, AGENT)

    def recorder(self, environ: Mapping[str, str]) -> Program:
        """A recorder with cameras that see traffic."""
        arguments = ["--port", str(self.recorder_port), "--user", USER, "--password", self._read("camera-password")]
        arguments += ["--generate", "--rate", str(RATE), "--channels", str(CHANNELS), "--seed", str(SEED)]
        return self._program(RECORDER_NAME, arguments, environ, PRODUCER)

    def counter(self, environ: Mapping[str, str]) -> Program:
        """People counters with some hours of history."""
        arguments = ["--url", f"https://127.0.0.1:{self.axis_port}/axis/retail"]
        arguments += ["--ca", str(self.folders.certs / "ca.crt"), "--token", self._read("axis-token")]
        arguments += ["--counters", str(COUNTERS), "--interval", "2", "--minutes-per-push", "1"]
        arguments += ["--history-hours", "3", "--seed", str(SEED)]
        return self._program(COUNTER_NAME, arguments, environ, PRODUCER)

    def _program(self, name: str, arguments: Iterable[str], environ: Mapping[str, str], stage: int) -> Program:
        log = self.folders.logs / f"{name}.log"
        return Program(name=name, command=script(name, *arguments), environ=environ, stage=stage, log=log)

    def _read(self, name: str) -> str:
        return self.folders.secret(name).read_text(encoding="utf-8")


def make(root: Path, ports: Ports, *, now: datetime) -> World:
    """Make certificates, secrets (0600) and empty logs. Raises CertificateProblem, OSError."""
    folders = Folders(root.absolute())
    folders.secrets.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.rmtree(folders.certs, ignore_errors=True)
    certificates.init(folders.certs, [], now=now)
    for name in ("camera-password", "axis-token", *(f"apikey-{target}" for target in topology.TARGETS)):
        _write_secret(folders.secret(name), secrets.token_hex(16))
    _write_secret(folders.secret(OPERATOR_FILE), new_password())
    folders.logs.mkdir(parents=True, exist_ok=True)
    for log in folders.logs.glob("*.log"):
        log.unlink()
    return World(folders, ports.free(4080), ports.free(8080), ports.free(4443), ports.free(5000))


def near(path: Path) -> str:
    """As one would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _write_secret(path: Path, value: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(value)
