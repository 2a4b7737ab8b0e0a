"""A compose project of its own: brought up, looked into, disturbed, taken down."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

T = TypeVar("T")

ROOT = Path(__file__).parent.parent.parent
SERVICES = ("ingest-dahua", "ingest-axis", "processor", "publisher", "journal", "dashboard")
ONCE = ("setup", "access")  # they end
ASK = """
import sys, urllib.request
address, method, body = sys.argv[1:]
asked = urllib.request.Request(address, method=method, data=body.encode() or None)
print(urllib.request.urlopen(asked, timeout=10).read().decode())
"""


def run(*words: str, given: str | None = None, check: bool = True, env: dict[str, str] | None = None) -> str:
    """A command's output; a failure says what it wrote on stderr."""
    done = subprocess.run(
        words, check=False, input=given, capture_output=True, text=True, cwd=ROOT, env=env, timeout=600
    )
    if check and done.returncode:
        raise AssertionError(
            f"{' '.join(words)} ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        )
    return done.stdout


def engine() -> str:
    """Why no engine can be had; empty when one answers."""
    try:
        done = subprocess.run(["docker", "compose", "version"], check=False, capture_output=True, text=True, timeout=30)
        asked = subprocess.run(["docker", "info"], check=False, capture_output=True, text=True, timeout=30)
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stderr.strip() if done.returncode else asked.stderr.strip() if asked.returncode else ""


def eventually(condition: Callable[[], T], what: str, *, within_s: float = 60.0) -> T:
    """Ask until the answer is truthy, and return it."""
    end = time.monotonic() + within_s
    while not (answer := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"waited {within_s} s for: {what}; last answer {answer!r}")
        time.sleep(0.2)
    return answer


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@dataclass
class Stack:
    """`project` names everything; `env_file` is what compose and `setup` read; nothing else of this folder enters."""

    project: str
    env_file: str = "demo.env"
    profiles: tuple[str, ...] = ("demo",)
    settings: dict[str, str] = field(default_factory=dict)
    most: int = 0

    def __post_init__(self) -> None:
        ports = {"AXIS_PORT": free_port(), "DASHBOARD_PORT": free_port()}
        kept = {
            name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG") if name in os.environ
        }
        self.env = {**kept, "COMPOSE_PROJECT_NAME": self.project, **ports, **self.settings}

    def compose(self, *words: str, given: str | None = None, check: bool = True) -> str:
        profiles = [part for profile in self.profiles for part in ("--profile", profile)]
        return run(
            "docker", "compose", "--env-file", self.env_file, *profiles, *words, given=given, check=check, env=self.env
        )

    def down(self) -> None:
        self.compose(
            "--profile", "tools", "--profile", "demo", "down", "--volumes", "--remove-orphans", "--timeout", "20"
        )

    # looking

    def containers(self, service: str = "", *, ended: bool = False) -> list[dict[str, Any]]:
        """`docker inspect` of each container of the project, or of a service."""
        words = ["ps", "-q", *(["-a"] if ended else []), *([service] if service else [])]
        ids = self.compose(*words).split()
        return json.loads(run("docker", "inspect", *ids)) if ids else []

    def gantry(self, *words: str) -> Any:
        """The operator's command in its own container, as the README has it."""
        return json.loads(self.compose("run", "--rm", "-T", "gantry", *words, "--json"))

    def ledger(self) -> dict[str, Any]:
        return dict(self.gantry("audit"))

    def published(self) -> int:
        """The most that was ever seen published: what a server forgets when it is killed must not go unseen."""
        self.most = max(self.most, self.counted("published"))
        return self.most

    def counted(self, term: str) -> int:
        """A term of the ledger, as the dashboard's API tells; -1 while it cannot."""
        try:
            answer = self.page("/api/ledger")
        except httpx.HTTPError:
            return -1
        said = answer.json() if answer.status_code == httpx.codes.OK else {}
        return int({**said, **said.get("events", {}), **said.get("outcomes", {})}.get(term, -1))

    def page(self, path: str) -> httpx.Response:
        """The dashboard, as a browser on this host reaches it."""
        with httpx.Client(trust_env=False, timeout=10) as client:
            return client.get(f"http://127.0.0.1:{self.env['DASHBOARD_PORT']}{path}")

    def redis(self, *words: str, check: bool = True) -> str:
        """What anyone on this host may ask without a password."""
        return self.compose("exec", "-T", "redis", "redis-cli", "--user", "look", *words, check=check)

    def ask(self, twin: str, path: str, body: Any = None, *, method: str = "GET") -> Any:
        """A page of a twin, from inside its container: nothing of it is published."""
        port = {"twin-agent": 4080, "twin-recorder": 8080}[twin]
        words = (ASK, f"http://127.0.0.1:{port}{path}", method, json.dumps(body) if body is not None else "")
        return json.loads(self.compose("exec", "-T", twin, "python3", "-c", *words))

    def logs(self, service: str) -> str:
        """What its containers have written."""
        ids = [container["Id"] for container in self.containers(service, ended=True)]
        return "".join(run("sh", "-c", f"docker logs {each} 2>&1") for each in ids)

    # disturbing

    def kill(self, container: dict[str, Any]) -> None:
        """SIGKILL from outside its engine, as the kernel does when memory is short: the restart policy answers.

        `docker kill` would count as a wish to have it stopped.
        """
        pid = int(container["State"]["Pid"])
        try:
            here = container["Id"] in Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8")
            if here:
                os.kill(pid, 9)
        except (PermissionError, FileNotFoundError):
            here = False
        if not here:  # the engine is another user's, or runs elsewhere, where the number is another process's
            run("docker", "kill", container["Id"])
            run("docker", "start", container["Id"])

    @contextlib.contextmanager
    def cut_off(self, network: str, service: str) -> Any:
        """No container of the service is on that network inside the block."""
        names = [container["Id"] for container in self.containers(service)]
        for name in names:
            run("docker", "network", "disconnect", "--force", f"{self.project}_{network}", name)
        try:
            yield
        finally:
            for name in names:
                run("docker", "network", "connect", f"{self.project}_{network}", name)


def health_of(container: dict[str, Any]) -> str:
    """healthy, unhealthy, starting; running or exited for one without a probe."""
    state = container["State"]
    return str(state["Health"]["Status"] if "Health" in state else state["Status"])
