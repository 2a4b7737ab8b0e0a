from __future__ import annotations

from pathlib import Path

import pytest

from gantry.errors import SettingsError
from gantry.settings import load
from gantry.streams.lanes import Limits
from publisher.config import Config

SET = {
    "IOTA_JSON_BASE": "https://agent.invalid:18185/iot/json",
    "IOTA_APIKEY_EVD": "e-key",
    "IOTA_APIKEY_CRWD": "c-key",
}


def problems(**settings: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(Config, {**SET, **settings})
    return caught.value.problems


def test_defaults() -> None:
    config = load(Config, SET)
    assert config.metrics_port == 9110
    assert (config.iota_timeout_s, config.iota_concurrency, config.iota_ca_file) == (15, 16, None)
    assert config.limits(config.iota_batch_max) == Limits(
        lease_s=40, batch_max=10, per_minute=60, burst=10, counts="measures", open_after=20, cooldown_s=30
    )


def test_the_burst_caps_a_batch_only_when_measures_are_counted() -> None:
    config = load(Config, {**SET, "IOTA_LIMIT_COUNTS": "requests", "IOTA_TIMEOUT_S": "30"})
    assert config.limits(30).batch_max == 30
    assert config.limits(1).batch_max == 1
    assert config.limits(100).batch_max == 30
    assert config.limits(30).lease_s == 70


def test_a_key_for_each_target_and_none_in_sight() -> None:
    config = load(Config, {**SET, "IOTA_APIKEY_EVD": " e-key\n"})
    assert {target: key.get_secret_value() for target, key in config.keys.items()} == {"evd": "e-key", "crowd": "c-key"}
    for shown in (repr(config), str(config), repr(config.keys), config.model_dump_json()):
        assert "-key" not in shown


def test_a_key_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-file\n")
    config = load(Config, {**SET, "IOTA_APIKEY_EVD": "", "IOTA_APIKEY_EVD_FILE": str(tmp_path / "key")})
    assert config.keys["evd"].get_secret_value() == "from-file"


def test_everything_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load(Config, {})
    assert caught.value.problems == [
        "IOTA_JSON_BASE is not set",
        "IOTA_APIKEY_EVD is not set",
        "IOTA_APIKEY_CRWD is not set",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IOTA_JSON_BASE", "ftp://agent.invalid/iot/json"),
        ("IOTA_JSON_BASE", "agent.invalid/iot/json"),
        ("IOTA_JSON_BASE", "https://"),
        ("IOTA_JSON_BASE", "https://hidden:hidden@agent.invalid/iot/json"),
        ("IOTA_JSON_BASE", "https://hidden@agent.invalid/iot/json"),
        ("IOTA_JSON_BASE", "https://agent.invalid/iot/json?k=hidden"),
        ("IOTA_JSON_BASE", "https://agent.invalid/iot/json?"),
        ("IOTA_JSON_BASE", "https://agent.invalid/iot/json#hidden"),
        ("IOTA_JSON_BASE", "https://agent.invalid:port/hidden"),
        ("IOTA_APIKEY_EVD", "   "),
        ("IOTA_MAX_PER_MINUTE", "0"),
        ("IOTA_BURST", "0"),
        ("IOTA_LIMIT_COUNTS", "bytes"),
        ("IOTA_CB_OPEN_AFTER", "0"),
        ("IOTA_CB_COOLDOWN_SEC", "0"),
        ("IOTA_CB_COOLDOWN_SEC", "601"),
        ("IOTA_TIMEOUT_S", "0"),
        ("IOTA_TIMEOUT_S", "121"),
        ("IOTA_TIMEOUT_S", "nan"),
        ("IOTA_BATCH_MAX", "0"),
        ("IOTA_BATCH_MAX", "101"),
        ("IOTA_CONCURRENCY", "0"),
        ("IOTA_CONCURRENCY", "257"),
        ("IOTA_CA_FILE", "/nowhere/ca.pem"),
        ("IOTA_CA_FILE", __file__),
    ],
)
def test_a_wrong_setting_is_refused_by_name_and_not_repeated(name: str, value: str) -> None:
    (problem,) = problems(**{name: value})
    assert problem.startswith(f"{name}: ")
    assert "hidden" not in problem


def test_all_wrong_settings_are_named_together() -> None:
    wrong = {
        "IOTA_JSON_BASE": "https://u:p@agent.invalid/",
        "IOTA_APIKEY_CRWD": " ",
        "IOTA_BURST": "many",
        "IOTA_TIMEOUT_S": "-1",
        "IOTA_CA_FILE": "/nowhere",
        "METRICS_PORT": "70000",
    }
    assert {problem.partition(":")[0] for problem in problems(**wrong)} == set(wrong)
