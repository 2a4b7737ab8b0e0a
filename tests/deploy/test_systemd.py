"""The units against the code: commands, settings, ports, secrets, users and graces are those of the services."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from units import ADDING, COMMON, FOLDER, ROOT, environment, files, of_service, read, seconds, words

from gantry import runtime
from gantry_cli.plan import METRICS, SERVICES, Service, setting_names
from gantry_cli.secrets import names
from publisher import __main__ as publisher
from publisher.config import Config as Publisher

HOME = "/opt/traffic"
BIN = f"{HOME}/.venv/bin"
SECRETS = "/run/gantry/secret_"
OF_PYTHON = {"PYTHONDONTWRITEBYTECODE"}

each_service = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)


def secrets_of(service: Service) -> set[str]:
    return {name for name, owners in names.owners().items() if service.name in owners}


@each_service
def test_a_unit_runs_the_services_own_command_and_can_check_it(service: Service):
    unit = of_service(service.name)
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    [start] = unit["ExecStart"]
    assert start.split()[-1] == f"{BIN}/{service.name}" and service.name in scripts
    assert unit["ExecReload"] == [f"{start} {runtime.CHECK}", "/bin/kill -HUP $MAINPID"]


@each_service
def test_a_unit_sets_only_what_its_service_reads(service: Service):
    common, own = environment(read(COMMON)), environment(of_service(service.name))
    fields = {field.upper() for field in service.config.model_fields}
    assert {name.removesuffix("_FILE") for name in own} <= fields
    assert set(common) - OF_PYTHON <= setting_names()
    assert not set(common) & set(own)


@each_service
def test_every_secret_of_a_service_comes_from_its_own_folder(service: Service):
    unit, given = of_service(service.name), environment(of_service(service.name))
    assert unit["LoadCredential"] == [f"secret:{HOME}/secrets/{service.name}"]
    assert {name for name in given if name.endswith("_FILE")} == {f"{name}_FILE" for name in secrets_of(service)}
    for name, value in given.items():
        if "/run/" in value:
            assert value == f"{SECRETS}{name.removesuffix('_FILE').lower()}"


def test_no_secret_reaches_an_environment():
    unset = words(read(COMMON), "UnsetEnvironment")
    assert sorted(unset) == sorted({names.REDIS_URL, *names.owners()})
    assert environment(read(COMMON))["REDIS_URL_FILE"] == f"{SECRETS}redis_url"


def test_the_operators_command_has_its_secrets():
    text = (FOLDER / "gantry").read_text(encoding="utf-8")
    [given] = re.findall(r"for name in ([A-Z_ ]+);", text)
    wanted = {name for name, owners in names.owners().items() if names.OPERATOR in owners} | {names.REDIS_URL}
    assert set(given.split()) == wanted
    assert f"export REDIS_CA_FILE={HOME}/secrets/{names.OPERATOR}/redis_ca.crt" in text


@each_service
def test_ports_are_those_of_one_host(service: Service):
    given = environment(of_service(service.name))[METRICS]
    if service.name == "publisher":
        assert [int(given.replace("%i", str(n))) for n in range(10)] == [service.port + n for n in range(10)]
    else:
        assert given == str(service.port)


@each_service
def test_a_unit_waits_longer_than_its_services_grace(service: Service):
    grace = runtime.GRACE_S
    if service.name == "publisher":
        slowest = max(bound.le for bound in Publisher.model_fields["iota_timeout_s"].metadata if hasattr(bound, "le"))
        config = Publisher(
            iota_json_base="http://agent/", iota_apikey_evd="e", iota_apikey_crwd="c", iota_timeout_s=slowest
        )
        grace = publisher.grace_s(config) + publisher.SETTLE_S
    assert seconds(of_service(service.name)["TimeoutStopSec"][0]) > grace + 5  # its farewells to Redis


@each_service
def test_a_drop_in_overrides_nothing_of_a_unit(service: Service):
    both = set(read(COMMON)) & set(of_service(service.name)) - ADDING
    assert not both, "a drop-in is read after the unit: what differs between units belongs into each of them"


@each_service
def test_each_service_has_a_user_and_writes_only_into_its_own_folder(service: Service):
    unit = of_service(service.name)
    users = re.findall(r"^u (\S+) -:gantry ", (FOLDER / "sysusers.conf").read_text(encoding="utf-8"), re.MULTILINE)
    assert unit["User"] == [f"gantry-{service.name}"] and unit["User"][0] in users and len(users) == len(SERVICES)
    folders = re.findall(r"^d (\S+) \d+ (\S+) ", (FOLDER / "tmpfiles.conf").read_text(encoding="utf-8"), re.MULTILINE)
    owned = [path for path, owner in folders if owner == unit["User"][0]]
    assert unit.get("ReadWritePaths", []) == owned
    settings = {"ingest-dahua": ["DAHUA_SPOOL_DIR"], "journal": ["RUNTIME_DIR"]}.get(service.name, [])
    assert [environment(unit)[setting] for setting in settings] == owned


def test_stopping_goes_down_the_flow():
    """What starts later stops earlier: sources, processor, publishers, then those that only read."""
    for source in ("ingest-dahua", "ingest-axis"):
        assert "gantry-processor.service" in words(of_service(source), "After")
    sender = of_service("publisher")
    assert words(sender, "Before") == ["gantry-processor.service"]
    assert words(sender, "After") == ["gantry-journal.service", "gantry-dashboard.service"]


def test_enabling_the_target_enables_every_service():
    also = words(read(FOLDER / "gantry.target"), "Also")
    units = {f"gantry-{service.name}{'@1' if service.name == 'publisher' else ''}.service" for service in SERVICES}
    assert set(also) == units and len(also) == len(units)
    assert all(of_service(service.name)["WantedBy"] == ["gantry.target"] for service in SERVICES)


def directives(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split(" ", 1) for line in lines if line and not line.startswith("#"))


def test_redis_on_a_host_promises_what_redis_in_a_container_does():
    container, host = directives(ROOT / "deploy" / "redis" / "redis.conf"), directives(FOLDER / "redis-gantry.conf")
    places = {"dir", "aclfile", "pidfile", "bind", "port"}
    encrypted = {name for name in container if name.startswith("tls-")}
    assert {name: value for name, value in host.items() if name not in places} == {
        name: value for name, value in container.items() if name not in places | encrypted
    }
    assert host["aclfile"] == f"{HOME}/secrets/redis/users.acl"
    assert host["bind"] == "127.0.0.1 -::1"


def test_the_guide_names_only_files_that_are_there():
    text = (ROOT / "docs" / "systemd.md").read_text(encoding="utf-8")
    named = set(re.findall(r"deploy/systemd/[\w@.-]+\w", text))
    assert named and {name for name in named if not (ROOT / name).exists()} == set()


@pytest.fixture
def installed(tmp_path: Path) -> list[str]:
    """The units as on a host whose code and commands are this checkout's."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze here (package systemd)")
    for folder in FOLDER.glob("gantry*.d"):
        shutil.copytree(folder, tmp_path / folder.name)
    bin_here = str(Path(sys.executable).parent)
    for path in files():
        text = path.read_text(encoding="utf-8").replace(BIN, bin_here)
        (tmp_path / path.name.replace("@.", "@1.")).write_text(text, encoding="utf-8")
    return [str(path) for path in sorted(tmp_path.iterdir()) if path.is_file()]


def analyzed(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ("systemd-analyze", *command), capture_output=True, text=True, timeout=50, check=False, env={"LANG": "C"}
    )


def test_systemd_finds_nothing_wrong_with_the_units(installed: list[str]):
    found = analyzed("verify", "--man=no", "--recursive-errors=no", *installed)
    assert (found.returncode, found.stderr) == (0, "")


def test_every_unit_is_as_closed_as_was_tried(installed: list[str]):
    services = [path for path in installed if path.endswith(".service")]
    found = analyzed("security", "--no-pager", "--offline=true", "--threshold=13", *services)  # 1.3 of 10
    assert found.returncode == 0, found.stdout
    assert found.stdout.count("Overall exposure level") == len(SERVICES)
