"""The whole of Gantry as processes on a real server with its twins, for tests, soaks and benchmarks."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from gantry import certificates
from gantry.embedded import Embedded, valkey_binary
from gantry.errors import Unavailable
from gantry.ledger import Ledger
from gantry.settings import Settings
from gantry.streams.books import Audit, Books
from gantry.streams.client import connect
from gantry.streams.scripts import Scripts
from gantry.topology import Topology
from gantry_cli.child import Child, Program
from gantry_cli.plan import script
from gantry_cli.ports import Ports
from wait import until

KEYS = {"evd": "key-of-evd", "crowd": "key-of-crowd"}
TOKEN, PASSWORD = "token-of-the-counters", "password-of-the-recorder"
SERVICES = ("publisher", "processor", "ingest-axis", "ingest-dahua")


@dataclass
class Rig:
    """Start what you need by name; kill and start again at will. `url`: of a server that others start and stop."""

    folder: Path
    server: Embedded
    settings: dict[str, str] = field(default_factory=dict)
    url: str = ""
    children: dict[str, Child] = field(default_factory=dict)
    urls: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ports = Ports()
        self.axis_port = self.ports.free(0)
        self.redis = Settings.model_validate(
            {
                "redis_url": self.url or self.server.url,
                "redis_ca_file": self.settings.get("REDIS_CA_FILE"),
                "gantry_site": self.settings.get("GANTRY_SITE", "main"),
            }
        )
        self.keys = Topology(self.redis.gantry_site)
        self.client = connect(self.redis, "rig")
        self.books = Books(self.client, Scripts(self.client), self.keys)
        self.http = httpx.AsyncClient(trust_env=False, timeout=60)
        certificates.init(self.folder / "certs", [], now=datetime.now(UTC))

    # twins

    async def agent(self, *options: str, record: bool = True) -> None:
        """`record`: every measure into a file, for `measures`; it costs the twin some 20 µs each."""
        keys = [part for target, key in KEYS.items() for part in ("--key", f"{target}={key}")]
        kept = ["--record", str(self.folder / "measures.ndjson")] if record else []
        await self._twin("twin-agent", "--port", "0", *keys, *kept, *options)

    async def recorder(self, *options: str) -> None:
        login = ("--user", "admin", "--password", PASSWORD)
        await self._twin("twin-recorder", "--port", "0", *login, *options)

    def counter(self, *options: str) -> None:
        url = f"https://127.0.0.1:{self.axis_port}/axis/retail"
        trust = ("--ca", str(self.folder / "certs" / "ca.crt"), "--token", TOKEN)
        record = ("--record", str(self.folder / "minutes.ndjson"))
        self._start("twin-counter", script("twin-counter", "--url", url, *trust, *record, *options), dict(os.environ))

    async def metric(self, name: str, metric: str) -> float:
        """The sum of a metric's samples, as /metrics of that process says now."""
        lines = (await self.http.get(f"{self.urls[name]}/metrics")).text.splitlines()
        values = [line.rpartition(" ")[2] for line in lines if line.partition("{")[0].split(" ")[0] == metric]
        return sum(map(float, values))

    async def _twin(self, name: str, *options: str) -> None:
        self._start(name, script(name, *options), dict(os.environ))
        log = self.folder / f"{name}.log"

        async def listening() -> str:
            line = log.read_text(encoding="utf-8").partition("\n")[0]
            return str(json.loads(line)["listening"]) if line.startswith("{") else ""

        self.urls[name] = await until(listening, f"{name} to listen")

    async def ask(self, name: str, path: str) -> Any:
        return (await self.http.get(self.urls[name] + path)).raise_for_status().json()

    async def tell(self, name: str, path: str, body: Any = None) -> None:
        (await self.http.post(self.urls[name] + path, json=body)).raise_for_status()

    # services

    def service(self, name: str, instance: str = "", **settings: str) -> str:
        """Start a service; the name of its process."""
        process = f"{name}-{instance}" if instance else name
        environ = {**os.environ, **self._environ(), **self.settings, **settings}
        environ["METRICS_PORT"] = str(self.ports.free(0))
        self.urls[process] = f"http://127.0.0.1:{environ['METRICS_PORT']}"
        self._start(process, script(name), environ)
        return process

    async def ready(self, *names: str) -> None:
        for name in names:

            async def is_ready(name: str = name) -> bool:
                try:
                    return (await self.http.get(f"{self.urls[name]}/readyz")).status_code == 200
                except httpx.TransportError:
                    return False

            await until(is_ready, f"{name} to be ready; see {self.folder / name}.log", within_s=40)

    def _environ(self) -> dict[str, str]:
        certs = self.folder / "certs"
        return {
            "REDIS_URL": self.redis.redis_url.get_secret_value(),
            "CONFIG_DIR": str(self.folder / "config"),
            "LOG_FORMAT": "json",
            "TRAFFIC_IVSS_URL": f"{self.urls.get('twin-recorder', 'http://127.0.0.1:9')}/cgi-bin/eventManager.cgi"
            "?action=attach&codes=%5BAll%5D",
            "CAMERA_USER": "admin",
            "CAMERA_PASS": PASSWORD,
            "DAHUA_SPOOL_DIR": str(self.folder / "spool"),
            "AXIS_PORT": str(self.axis_port),
            "AXIS_TLS_CERT": str(certs / "server.crt"),
            "AXIS_TLS_KEY": str(certs / "server.key"),
            "AXIS_TOKENS": TOKEN,
            "IOTA_JSON_BASE": f"{self.urls.get('twin-agent', 'http://127.0.0.1:9')}/iot/json",
            "IOTA_APIKEY_EVD": KEYS["evd"],
            "IOTA_APIKEY_CRWD": KEYS["crowd"],
            "IOTA_MAX_PER_MINUTE": "600000",
            "IOTA_BURST": "1000",
        }

    def _start(self, name: str, command: tuple[str, ...], environ: dict[str, str]) -> None:
        log = self.folder / f"{name}.log"
        child = Child(Program(name=name, command=command, environ=environ, log=log))
        child.start()
        self.children[name] = child

    def kill(self, name: str) -> None:
        """SIGKILL, and its end awaited."""
        if name == "server":
            self.server.kill()
        else:
            self.children[name].kill()

    def again(self, name: str) -> None:
        """Start what was killed, as a supervisor does: same command, same settings."""
        if name == "server":
            self.server.start()
        else:
            self.children[name].start()

    def rss_mb(self, name: str) -> float:
        """Resident memory of a process of ours."""
        pid = self.server.process.pid if name == "server" and self.server.process else self.children[name].pid
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024

    # what the books say

    async def ledger(self) -> Ledger:
        """Both lines; waits out a server that is away."""

        async def read() -> Ledger | None:
            try:
                return await self.books.read()
            except Unavailable:
                return None

        return await until(read, "the server to answer")

    async def reaches(self, what: str, number: int, *, within_s: float = 60) -> Ledger:
        """Wait until a term has grown to `number`."""

        async def grown() -> Ledger | None:
            ledger = await self.ledger()
            values = {"received": ledger.received, **ledger.events, **ledger.outcomes}
            return ledger if values[what] >= number else None

        return await until(grown, f"{what} to reach {number}", within_s=within_s)

    async def drained(self, *, within_s: float = 90) -> Audit:
        """Wait until nothing is open; the audit then."""

        async def empty() -> Ledger | None:
            ledger = await self.ledger()
            return ledger if not ledger.events["in_raw"] and not ledger.outcomes["waiting"] else None

        await until(empty, "everything to drain", within_s=within_s)
        return await self.books.audit()

    def measures(self) -> list[dict[str, Any]]:
        """What the agent's twin took, in order of arrival."""
        text = (self.folder / "measures.ndjson").read_text(encoding="utf-8")
        return [measure for line in text.splitlines() if (measure := json.loads(line))["applied"]]

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    async def stop(self) -> dict[str, int]:
        """SIGTERM to all, in flow order; exit codes by name."""
        order = ["twin-counter", "twin-recorder", "ingest-axis", "ingest-dahua", "processor", "publisher"]
        for name in sorted(self.children, key=lambda n: next((i for i, o in enumerate(order) if n.startswith(o)), 99)):
            await self.children[name].stop()
        await self.client.aclose()
        await self.http.aclose()
        if not self.url:
            self.server.stop()
        return {name: child.code for name, child in self.children.items()}


@asynccontextmanager
async def rig(folder: Path, *, maxmemory: str = "256mb", **settings: str) -> AsyncIterator[Rig]:
    binary = Path(os.environ.get("RIG_SERVER") or valkey_binary())  # e.g. a redis-server of another version
    server = Embedded(folder / "redis", binary=binary, maxmemory=maxmemory)
    server.start()
    made = Rig(folder, server, settings)
    try:
        yield made
    finally:
        await made.stop()


@asynccontextmanager
async def rig_on(server: Embedded, url: str, folder: Path, **settings: str) -> AsyncIterator[Rig]:
    """A rig in a folder that is there, on a server or group of servers that is started and stopped elsewhere."""
    made = Rig(folder, server, settings, url=url)
    try:
        yield made
    finally:
        for child in made.children.values():
            child.kill()  # what they say at their end is not asked here
        await made.stop()


def run(work: Any) -> Any:
    return asyncio.run(work)
