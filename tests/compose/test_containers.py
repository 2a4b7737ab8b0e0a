"""What every container may do, and what it shows."""

from __future__ import annotations

import json
import re
from typing import Any

from compose.stack import ONCE, SERVICES, Stack, run

LONG_RUNNING = (*SERVICES, "redis", "twin-agent", "twin-recorder", "twin-counter")
STATUS = "CapEff|CapPrm|CapBnd|NoNewPrivs"


def name_of(container: dict[str, Any]) -> str:
    return str(container["Config"]["Labels"]["com.docker.compose.service"])


def test_every_service_has_a_container(stack: Stack) -> None:
    assert {name_of(c) for c in stack.containers(ended=True)} == {*LONG_RUNNING, *ONCE}


def test_nobody_is_root(stack: Stack) -> None:
    said = {name_of(c): c["Config"]["User"] for c in stack.containers(ended=True)}
    assert {name: user for name, user in said.items() if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)} == {}
    inside = {name_of(c): run("docker", "exec", c["Id"], "id", "-u").strip() for c in stack.containers()}
    assert "0" not in inside.values(), inside


def test_the_root_file_system_cannot_be_written(stack: Stack) -> None:
    containers = stack.containers(ended=True)
    assert [name_of(c) for c in containers if not c["HostConfig"]["ReadonlyRootfs"]] == []
    writes = 'for d in / /app /etc /usr /var /home /opt /run; do touch "$d/x" 2>/dev/null && echo "$d"; done; true'
    found = {name_of(c): run("docker", "exec", c["Id"], "sh", "-c", writes).split() for c in stack.containers()}
    assert {name: where for name, where in found.items() if where} == {}


def test_nobody_has_a_capability_or_can_get_one(stack: Stack) -> None:
    containers = stack.containers(ended=True)
    assert [name_of(c) for c in containers if c["HostConfig"]["CapDrop"] != ["ALL"] or c["HostConfig"]["CapAdd"]] == []
    assert [name_of(c) for c in containers if c["HostConfig"]["Privileged"]] == []
    for container in stack.containers():
        rows = run("docker", "exec", container["Id"], "grep", "-E", STATUS, "/proc/1/status").split()
        found = dict(zip(rows[::2], rows[1::2], strict=True))
        assert found.pop("NoNewPrivs:") == "1", name_of(container)
        assert {int(value, 16) for value in found.values()} == {0}, (name_of(container), found)


def test_everything_is_bounded(stack: Stack) -> None:
    for container in stack.containers(ended=True):
        host, name = container["HostConfig"], name_of(container)
        assert host["Memory"] > 0, name
        assert 0 < host["PidsLimit"] <= 256, name
        assert host["LogConfig"]["Config"].get("max-size"), name


def test_services_come_back_and_are_probed(stack: Stack) -> None:
    for container in stack.containers():
        name = name_of(container)
        assert container["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped", name
        assert name.startswith("twin-") or container["State"]["Health"]["Status"] == "healthy", name
        assert name not in SERVICES or container["Config"]["StopTimeout"] >= 45, name


def test_only_two_ports_are_published(stack: Stack) -> None:
    published = {
        (name_of(container), port, binding["HostIp"])
        for container in stack.containers()
        for port, bindings in (container["NetworkSettings"]["Ports"] or {}).items()
        for binding in bindings or ()
    }
    everywhere = {("ingest-axis", "4443/tcp", "::")}  # where the engine has IPv6
    assert published - everywhere == {("ingest-axis", "4443/tcp", "0.0.0.0"), ("dashboard", "5000/tcp", "127.0.0.1")}


def test_each_is_on_the_networks_it_needs(stack: Stack) -> None:
    found = {
        name_of(c): {network.removeprefix(f"{stack.project}_") for network in c["NetworkSettings"]["Networks"]}
        for c in stack.containers(ended=True)
    }
    assert found == {
        "setup": {"none"},
        "redis": {"inside"},
        "access": {"inside"},
        "ingest-dahua": {"inside", "devices"},
        "ingest-axis": {"inside", "devices"},
        "processor": {"inside"},
        "publisher": {"inside", "platform"},
        "journal": {"inside"},
        "dashboard": {"inside", "page"},
        "twin-agent": {"platform"},
        "twin-recorder": {"devices"},
        "twin-counter": {"devices"},
    }
    assert run("docker", "network", "inspect", "-f", "{{.Internal}}", f"{stack.project}_inside").strip() == "true"


def secrets_of(stack: Stack) -> dict[str, str]:
    """Every secret of the installation, as the one container that sees them all reads them: file → value."""
    listing = (
        "import pathlib,json;print(json.dumps({str(p):p.read_text() for p in pathlib.Path('/setup').rglob('*')"
        " if p.is_file() and p.suffix!='.crt' and p.name not in ('axis_tls_cert','users.acl')}))"
    )
    found = json.loads(stack.compose("run", "--rm", "-T", "--entrypoint", "python3", "setup", "-c", listing))
    values: dict[str, str] = {}
    for path, text in found.items():
        for part in re.findall(r"redis://[\w-]+:([^@]+)@", text) or [text.strip()]:
            lines = part.splitlines()
            values[path] = lines[1] if lines and lines[0].startswith("-----BEGIN") else part
    return {path: value for path, value in values.items() if len(value) > 7}


def test_no_secret_is_shown(stack: Stack) -> None:
    secrets = secrets_of(stack)
    assert len(secrets) > 20, sorted(secrets)
    shown: dict[str, str] = {"docker compose config": stack.compose("config")}
    for container in stack.containers(ended=True):
        name = name_of(container)
        shown[f"docker inspect {name}"] = run("docker", "inspect", container["Id"])
        shown[f"log of {name}"] = stack.logs(name)
    for container in stack.containers():
        name = name_of(container)
        shown[f"environment and arguments of {name}"] = run(
            "docker",
            "exec",
            container["Id"],
            "sh",
            "-c",
            "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'",
        )
        if name in SERVICES:
            ask = "import urllib.request as u;print(u.urlopen('http://127.0.0.1:9100/metrics').read().decode())"
            shown[f"/metrics of {name}"] = run("docker", "exec", container["Id"], "python3", "-c", ask)
    assert all(len(text) > 50 for place, text in shown.items() if place.startswith(("/metrics", "docker inspect")))
    leaks = [(path, place) for path, value in secrets.items() for place, text in shown.items() if value in text]
    assert leaks == []


def test_a_service_sees_its_own_secrets_only(stack: Stack) -> None:
    listing = "find /run/gantry /setup -type f 2>/dev/null | xargs -n1 basename"
    found = {name_of(c): set(run("docker", "exec", c["Id"], "sh", "-c", listing).split()) for c in stack.containers()}
    every, twins = {"redis_url", "redis_ca.crt"}, {"camera_pass", "axis_token", "apikey_evd", "apikey_crowd", "ca.crt"}
    assert found == {
        "redis": {"users.acl", "server.crt", "server.key"},
        "ingest-dahua": {*every, "camera_pass"},
        "ingest-axis": {*every, "axis_tokens", "axis_tls_cert", "axis_tls_key"},
        "processor": every,
        "publisher": {*every, "iota_apikey_evd", "iota_apikey_crwd", "iota_proxy"},
        "journal": every,
        "dashboard": {*every, "dashboard_password", "dashboard_reader_password"},
        "twin-agent": twins,
        "twin-recorder": twins,
        "twin-counter": twins,
    }
