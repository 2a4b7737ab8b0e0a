from __future__ import annotations

from pathlib import Path

import pytest

from gantry.devices import DeviceRate, Devices
from gantry.errors import SettingsError
from gantry.settings import load
from gantry.streams.lanes import Limits, Rate
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
    assert (config.iota_timeout_s, config.iota_connect_timeout_s, config.iota_concurrency) == (15, 5, 16)
    assert (config.iota_ca_file, config.iota_proxy, config.iota_arrays) == (None, None, "auto")
    assert config.limits(arrays=True) == Limits(
        lease_s=40,
        batch_max=30,
        rate=Rate(60, 10),
        rates={},
        counts="measures",
        ceiling_per_s=0,
        open_after=20,
        cooldown_s=30,
    )


def test_each_limit_has_its_setting() -> None:
    config = load(
        Config,
        {
            **SET,
            "IOTA_LIMIT_COUNTS": "requests",
            "IOTA_TIMEOUT_S": "30",
            "IOTA_MAX_PER_MINUTE": "6",
            "IOTA_BURST": "2",
            "IOTA_BATCH_MAX": "20",
            "IOTA_MAX_REQUESTS_PER_S": "2.5",
            "IOTA_CB_OPEN_AFTER": "3",
            "IOTA_CB_COOLDOWN_SEC": "9",
        },
    )
    rates = {"cam1": Rate(1.5, 2)}
    assert config.limits(arrays=True, rates=rates) == Limits(
        lease_s=70,
        batch_max=20,
        rate=Rate(6, 2),
        rates=rates,
        counts="requests",
        ceiling_per_s=2.5,
        open_after=3,
        cooldown_s=9,
    )


@pytest.mark.parametrize(("setting", "unknown", "shown"), [("auto", 1, 30), ("on", 30, 30), ("off", 1, 1)])
def test_when_arrays_are_sent(setting: str, unknown: int, shown: int) -> None:
    config = load(Config, {**SET, "IOTA_ARRAYS": setting})
    assert (config.limits(arrays=False).batch_max, config.limits(arrays=True).batch_max) == (unknown, shown)


def test_what_devices_toml_leaves_open_is_as_for_all() -> None:
    config = load(Config, SET)
    own = {"a": DeviceRate(120.5, 20), "b": DeviceRate(max_per_minute=5), "c": DeviceRate(burst=1), "d": DeviceRate()}
    rates = config.rates(Devices(own))
    assert rates == {"a": Rate(120.5, 20), "b": Rate(5, 10), "c": Rate(60, 1), "d": Rate(60, 10)}
    limits = config.limits(arrays=True, rates=rates)
    assert (limits.rate_of("a"), limits.rate_of("any")) == (Rate(120.5, 20), Rate(60, 10))


def test_what_a_lane_may_send_in_a_minute() -> None:
    rates = {"cam1": Rate(5, 10)}
    measures, requests = load(Config, SET), load(Config, {**SET, "IOTA_LIMIT_COUNTS": "requests"})
    assert [measures.allowed(lane, rates) for lane in ("cam1", "cam2")] == [5, 60]
    assert [requests.allowed(lane, rates) for lane in ("cam1", "cam2")] == [150, 1800]
    off = load(Config, {**SET, "IOTA_LIMIT_COUNTS": "requests", "IOTA_ARRAYS": "off"})
    assert off.allowed("cam2", rates) == 60


def test_the_time_for_connecting_is_part_of_the_whole() -> None:
    assert load(Config, {**SET, "IOTA_TIMEOUT_S": "3"}).iota_timeout_s == 3  # the default is no demand
    assert load(Config, {**SET, "IOTA_TIMEOUT_S": "3", "IOTA_CONNECT_TIMEOUT_S": "3"}).iota_connect_timeout_s == 3
    assert problems(IOTA_TIMEOUT_S="3", IOTA_CONNECT_TIMEOUT_S="4") == [
        "IOTA_CONNECT_TIMEOUT_S: must not be longer than IOTA_TIMEOUT_S"
    ]


def test_the_proxy_and_what_must_not_be_repeated(tmp_path: Path) -> None:
    (tmp_path / "proxy").write_text("http://gantry:p%40ss@proxy.invalid:3128\n")
    config = load(Config, {**SET, "IOTA_PROXY_FILE": str(tmp_path / "proxy")})
    assert config.iota_proxy is not None
    assert config.iota_proxy.get_secret_value() == "http://gantry:p%40ss@proxy.invalid:3128"
    assert config.secrets == ("e-key", "c-key", "p@ss")
    for shown in (repr(config), str(config), config.model_dump_json()):
        assert "p%40ss" not in shown
    assert load(Config, {**SET, "IOTA_PROXY": " https://proxy.invalid/ "}).secrets == ("e-key", "c-key")
    assert load(Config, SET).secrets == ("e-key", "c-key")


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
        ("IOTA_CONNECT_TIMEOUT_S", "0"),
        ("IOTA_CONNECT_TIMEOUT_S", "121"),
        ("IOTA_MAX_REQUESTS_PER_S", "-1"),
        ("IOTA_MAX_REQUESTS_PER_S", "0.001"),
        ("IOTA_MAX_REQUESTS_PER_S", "100001"),
        ("IOTA_MAX_REQUESTS_PER_S", "nan"),
        ("IOTA_ARRAYS", "yes"),
        ("IOTA_PROXY", "proxy.invalid:3128"),
        ("IOTA_PROXY", "socks5://hidden:hidden@proxy.invalid"),
        ("IOTA_PROXY", "http://hidden:hidden@"),
        ("IOTA_PROXY", "http://hidden:hidden@proxy.invalid/path"),
        ("IOTA_PROXY", "http://proxy.invalid?hidden"),
        ("IOTA_PROXY", "http://proxy.invalid#hidden"),
        ("IOTA_PROXY", "http://proxy.invalid:hidden"),
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


def test_what_the_process_tells_of_its_settings_holds_no_secret(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret-in-a-file\n")
    given = {
        "IOTA_JSON_BASE": SET["IOTA_JSON_BASE"],
        "IOTA_APIKEY_EVD": "secret-of-evd",
        "IOTA_APIKEY_CRWD_FILE": str(tmp_path / "key"),
        "IOTA_PROXY": "http://someone:secret-of-proxy@proxy.invalid:3128",
        "REDIS_URL": "redis://gantry:secret-of-redis@redis.invalid",
    }
    told = load(Config, given).effective()
    assert "secret" not in str(told)
    secrets = {name: row for name, row in told.items() if row["value"] == "***"}
    assert secrets == {
        "REDIS_URL": {"value": "***", "origin": "environment"},
        "IOTA_APIKEY_EVD": {"value": "***", "origin": "environment"},
        "IOTA_APIKEY_CRWD": {"value": "***", "origin": "file"},
        "IOTA_PROXY": {"value": "***", "origin": "environment"},
    }
    assert told["IOTA_CA_FILE"] == {"value": "", "origin": "default"}


@pytest.mark.parametrize(
    ("base", "platform"),
    [
        ("https://agent.invalid:18185/iot/json", "https://agent.invalid:18185"),
        ("http://agent.invalid/hidden/json", "http://agent.invalid"),
        ("http://[::1]:7896/iot/json", "http://[::1]:7896"),
    ],
)
def test_the_platforms_address_is_told_without_its_path(base: str, platform: str) -> None:
    assert load(Config, {**SET, "IOTA_JSON_BASE": base}).platform == platform
