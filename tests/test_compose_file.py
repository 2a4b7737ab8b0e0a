"""docker-compose.yml and the Dockerfile against the services; what needs an engine is in tests/compose."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gantry.runtime import GRACE_S
from gantry.streams.durability import WANTED
from gantry_cli.plan import SERVICES, setting_names
from gantry_cli.secrets import names
from publisher.__main__ import grace_s
from publisher.config import Config as Publisher

ROOT = Path(__file__).parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
OURS = [service.name for service in SERVICES]
IN_THE_IMAGE = set(re.findall(r"\b([A-Z][A-Z_]+)=", DOCKERFILE.rpartition("FROM ")[2]))
INSIDE = {"INSTANCE", "REDIS_URL", "AXIS_PORT", "DASHBOARD_PORT"}  # by themselves; a file; fixed within the container


def environment(service: str) -> dict[str, str]:
    return dict(COMPOSE["services"][service]["environment"])


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_each_service_runs_its_command_and_gets_every_setting(service) -> None:
    assert COMPOSE["services"][service.name]["command"] == [service.name]
    given = {name.removesuffix("_FILE") for name in environment(service.name)} | set(environment(service.name))
    wanted = {field.upper() for field in service.config.model_fields} - INSIDE - IN_THE_IMAGE
    assert wanted - given == set()


@pytest.mark.parametrize("service", [*OURS, "gantry"])
def test_no_environment_names_what_nothing_reads(service: str) -> None:
    assert set(environment(service)) - setting_names() == set()


@pytest.mark.parametrize("service", [*OURS, "gantry"])
def test_secrets_come_as_files_of_the_services_own_volume(service: str) -> None:
    own = {name for name, readers in names.owners().items() if service in readers} | {"REDIS_URL"}
    files = {name: value for name, value in environment(service).items() if value.startswith("/run/gantry/")}
    assert {name for name in environment(service) if name in names.owners()} == set()
    assert {f"{name}_FILE": f"/run/gantry/{name.lower()}" for name in own}.items() <= files.items()
    mounted = [each for each in COMPOSE["services"][service]["volumes"] if "/run/gantry" in each]
    assert mounted == [f"secrets-{service}:/run/gantry:ro"]


def test_settings_of_the_host_keep_their_names() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    pairs = re.findall(r"^ +([A-Z_]+): \$\{([A-Z_]+):-", text, re.MULTILINE)
    renamed = {(inside, outside) for inside, outside in pairs if inside != outside}
    assert renamed == {("SETUP_REDIS", "GANTRY_REDIS"), ("SETUP_DEMO", "GANTRY_DEMO")}


def test_only_the_setup_sees_the_authority() -> None:
    mounting = [name for name, each in COMPOSE["services"].items() if "authority:" in str(each.get("volumes"))]
    assert mounting == ["setup"]
    assert COMPOSE["services"]["setup"]["network_mode"] == "none"


def test_every_folder_of_the_setup_is_in_the_image_with_its_owner() -> None:
    mounted = {each.split(":")[1] for each in COMPOSE["services"]["setup"]["volumes"] if ":/setup" in each}
    made = set(re.findall(r"/setup/[\w-]+", DOCKERFILE))
    assert mounted == made
    assert {f"/setup/{each}" for each in (*names.clients(), names.SERVER, names.TWINS, "authority")} == made


def test_services_may_finish_what_is_in_hand() -> None:
    slowest = Publisher(iota_json_base="http://a", iota_apikey_evd="e", iota_apikey_crwd="c", iota_timeout_s=120)
    for name in OURS:
        allowed = int(COMPOSE["services"][name]["stop_grace_period"].removesuffix("s"))
        assert allowed > (grace_s(slowest) + 5 if name == "publisher" else GRACE_S), name


@pytest.mark.parametrize("service", OURS)
def test_a_service_that_is_just_starting_hears_that_it_is_to_stop(service: str) -> None:
    assert COMPOSE["services"][service]["init"], "signals without a handler do not reach process 1"


def test_the_server_runs_with_what_was_tried_and_no_module() -> None:
    assert COMPOSE["services"]["redis"]["entrypoint"] == ["redis-server"], "the public image's own script loads modules"


def test_the_demo_stands_apart_from_a_real_installation() -> None:
    demo = dict(line.split("=", 1) for line in (ROOT / "demo.env").read_text().splitlines() if re.match(r"[A-Z]", line))
    assert demo["COMPOSE_PROJECT_NAME"] != COMPOSE["name"]
    assert not set(demo) & set(names.owners()), "secrets of the demo are made up, not written down"
    assert set(demo) - setting_names() == {"COMPOSE_PROJECT_NAME", "GANTRY_ENV", "GANTRY_DEMO"}


def test_the_server_is_set_up_durable() -> None:
    text = (ROOT / "deploy" / "redis" / "redis.conf").read_text(encoding="utf-8")
    rows = dict(line.split(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    assert {name: rows.get(name) for name in WANTED} == WANTED
    assert rows["maxmemory"] == "1gb"
