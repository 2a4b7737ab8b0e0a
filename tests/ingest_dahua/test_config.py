"""The settings of ingest-dahua."""

from __future__ import annotations

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
