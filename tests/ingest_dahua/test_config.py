"""The settings of ingest-dahua."""

from __future__ import annotations

from pathlib import Path

import pytest

from gantry import settings
from gantry.errors import SettingsError
from ingest_dahua.config import Config

GIVEN = {"TRAFFIC_IVSS_URL": "http://h/e?codes=[All]", "CAMERA_USER": "u", "CAMERA_PASS": "secret-1"}


def test_what_is_missing_is_named() -> None:
    with pytest.raises(SettingsError) as error:
        settings.load(Config, {})
    assert {problem.split()[0] for problem in error.value.problems} == set(GIVEN)


@pytest.mark.parametrize(
    "url", ["ftp://h/", "nothing", "http://u:secret-2@h/e", "http://h/e f", "http://h/\n", "http://h/#x"]
)
def test_a_url_that_cannot_be(url: str) -> None:
    with pytest.raises(SettingsError) as error:
        settings.load(Config, {**GIVEN, "TRAFFIC_IVSS_URL": url})
    assert error.value.problems[0].startswith("TRAFFIC_IVSS_URL")
    assert "secret-2" not in str(error.value)


def test_defaults_and_no_password_in_sight() -> None:
    config = settings.load(Config, GIVEN)
    assert (config.dahua_heartbeat_s, config.dahua_spool_max_bytes, config.metrics_port) == (5, 1073741824, 9101)
    assert "secret-1" not in f"{config!r}{config.model_dump_json()}"


@pytest.mark.parametrize("port", ["99999", "0", "secret-3", "-1"])
def test_a_port_that_cannot_be_is_refused_and_not_repeated(port: str) -> None:
    with pytest.raises(SettingsError) as error:
        settings.load(Config, {**GIVEN, "TRAFFIC_IVSS_URL": f"http://h:{port}/e"})
    assert error.value.problems == ["TRAFFIC_IVSS_URL: names a port that is no number from 1 to 65535"]


@pytest.mark.parametrize("name", ["../etc", "a/b", ".", "ppp 0", "x" * 16, "pp\n"])
def test_an_interface_that_cannot_be(name: str) -> None:
    with pytest.raises(SettingsError, match=r"^VPN_IFACE: is no name of a network interface"):
        settings.load(Config, {**GIVEN, "VPN_IFACE": name})


def test_an_interface_that_can_be() -> None:
    assert settings.load(Config, {**GIVEN, "VPN_IFACE": "ppp0"}).vpn_iface == "ppp0"
    assert settings.load(Config, {**GIVEN, "VPN_IFACE": ""}).vpn_iface == ""


def test_what_the_process_tells_of_its_settings_holds_no_secret(tmp_path: Path) -> None:
    (tmp_path / "pass").write_text("secret-4\n")
    told = settings.load(
        Config,
        {
            "TRAFFIC_IVSS_URL": "http://h/e?codes=[All]",
            "CAMERA_USER": "u",
            "CAMERA_PASS_FILE": str(tmp_path / "pass"),
            "REDIS_URL": "redis://gantry:secret-5@redis.invalid/0",
        },
    ).effective()
    assert "secret" not in str(told)
    assert told["CAMERA_PASS"] == {"value": "***", "origin": "file"}
    assert told["REDIS_URL"] == {"value": "***", "origin": "environment"}
    assert told["VPN_IFACE"] == {"value": "", "origin": "default"}
    assert told["TRAFFIC_IVSS_URL"]["value"] == "http://h/e?codes=[All]"
