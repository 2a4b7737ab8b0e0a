from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gantry import certificates
from gantry.errors import SettingsError
from gantry_cli import plan

PUBLISHER = {"IOTA_JSON_BASE": "http://127.0.0.1:4080/iot/json", "IOTA_APIKEY_EVD": "k1", "IOTA_APIKEY_CRWD": "k2"}
RECORDER = {
    "TRAFFIC_IVSS_URL": "http://127.0.0.1:8080/cgi-bin/eventManager.cgi?action=attach&codes=%5BAll%5D",
    "CAMERA_USER": "admin",
    "CAMERA_PASS": "x",
}


@pytest.fixture
def counters(tmp_path):
    files = certificates.init(tmp_path / "certs", [], now=datetime.now(UTC))
    return {"AXIS_TLS_CERT": str(files.server_crt), "AXIS_TLS_KEY": str(files.server_key)}


def problems(environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        plan.choose(environ)
    return raised.value.problems


def names(services) -> list[str]:
    return [service.name for service in services]


def test_nothing_set_names_every_missing_setting_once():
    said = problems({})
    for name in (
        "TRAFFIC_IVSS_URL",
        "CAMERA_USER",
        "CAMERA_PASS",
        "AXIS_TLS_CERT",
        "AXIS_TLS_KEY",
        "IOTA_JSON_BASE",
        "IOTA_APIKEY_EVD",
        "IOTA_APIKEY_CRWD",
    ):
        assert said.count(f"{name} is not set") == 1


def test_wrong_and_missing_settings_of_all_services_come_together():
    said = problems({**RECORDER, "IOTA_BURST": "many", "DEDUP_TTL_S": "-1", "GANTRY_SITE": "a b"})
    settings = [sentence.split(":")[0].split()[0] for sentence in said]
    assert {"IOTA_BURST", "DEDUP_TTL_S", "GANTRY_SITE", "IOTA_JSON_BASE"} <= set(settings)
    assert settings.count("GANTRY_SITE") == 1  # though every service reads it
    assert "AXIS_TLS_CERT" not in settings  # the other source is configured


def test_a_source_that_nobody_configured_is_left_out(counters):
    choice = plan.choose({**RECORDER, **PUBLISHER})
    assert names(choice.services) == ["ingest-dahua", "processor", "publisher", "journal", "dashboard"]
    assert names(choice.left_out) == ["ingest-axis"]
    choice = plan.choose({**counters, **PUBLISHER})
    assert names(choice.services) == ["ingest-axis", "processor", "publisher", "journal", "dashboard"]
    assert names(choice.left_out) == ["ingest-dahua"]


def test_a_source_configured_by_half_is_not_left_out(counters):
    assert "CAMERA_PASS is not set" in problems({**counters, **PUBLISHER, "CAMERA_USER": "admin"})


def test_a_secret_from_a_file_counts_as_set(tmp_path):
    (tmp_path / "pass").write_text("x\n")
    environ = {**RECORDER, **PUBLISHER, "CAMERA_PASS": "", "CAMERA_PASS_FILE": str(tmp_path / "pass")}
    assert names(plan.choose(environ).services)[0] == "ingest-dahua"


def test_each_process_has_a_metrics_port_and_an_instance_of_its_own():
    environ = {**RECORDER, **PUBLISHER, "INSTANCE": "here", "METRICS_PORT": "nonsense"}
    programs = plan.programs(plan.choose(environ), environ, lambda wanted: wanted + 1000, publishers=2)
    ports = {program.name: program.metrics_port for program in programs}
    flow = {"publisher-1": 10110, "publisher-2": 10111, "processor": 10103, "ingest-dahua": 10101}
    assert ports == {"journal": 10104, "dashboard": 10105, **flow}
    assert {program.environ["METRICS_PORT"] for program in programs} == {str(port) for port in ports.values()}
    assert {program.environ["INSTANCE"] for program in programs} == {f"here-{name}" for name in ports}


def test_stages_follow_the_flow():
    environ = {**RECORDER, **PUBLISHER}
    programs = plan.programs(plan.choose(environ), environ, lambda wanted: wanted)
    in_order = sorted(programs, key=lambda program: program.stage)
    assert [program.name for program in in_order][:3] == ["ingest-dahua", "processor", "publisher"]
    assert {program.name for program in in_order[3:]} == {"journal", "dashboard"}  # so that they show the rest's end


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "http://127.0.0.1:5000"),
        ({"DASHBOARD_HOST": "0.0.0.0", "DASHBOARD_PORT": "81", "METRICS_PORT": "nonsense"}, "http://127.0.0.1:81"),
        ({"DASHBOARD_HOST": "::1"}, "http://[::1]:5000"),
        ({"DASHBOARD_HOST": "10.0.0.5"}, "http://10.0.0.5:5000"),
    ],
)
def test_where_a_browser_finds_the_dashboard(given, url):
    assert plan.dashboard_url(given) == url
