from __future__ import annotations

from pathlib import Path

import pytest

from gantry.certificates import Folder
from gantry.errors import SettingsError
from gantry.settings import load
from ingest_axis.config import Config


def environ(certs: Folder, **changed: str) -> dict[str, str]:
    paths = {"AXIS_TLS_CERT": str(certs.server_crt), "AXIS_TLS_KEY": str(certs.server_key)}
    return {**paths, "REDIS_URL": "redis://127.0.0.1:1", **changed}


def test_defaults(certs: Folder) -> None:
    config = load(Config, environ(certs))
    assert (config.axis_port, config.metrics_port, config.axis_max_body_bytes) == (4443, 9102, 134_217_728)
    assert (config.tokens(), config.accept_weak_durability) == ((), False)


def test_tokens_are_separated_by_commas_and_never_shown(certs: Folder) -> None:
    config = load(Config, environ(certs, AXIS_TOKENS=" secret-one, secret-two,"))
    assert config.tokens() == (b"secret-one", b"secret-two")
    assert "secret" not in repr(config) + config.model_dump_json()


def test_tokens_may_stand_in_a_file(certs: Folder, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("from-a-file\n")
    assert load(Config, environ(certs, AXIS_TOKENS_FILE=str(tmp_path / "tokens"))).tokens() == (b"from-a-file",)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"AXIS_TLS_CERT": ""}, "AXIS_TLS_CERT is not set"),
        ({"AXIS_TLS_KEY": "/nowhere/key"}, "AXIS_TLS_KEY: /nowhere/key cannot be read"),
        ({"AXIS_TOKENS": "secret-one secret-two"}, "AXIS_TOKENS: a token holds a character"),
        ({"AXIS_TOKENS": "contraseña"}, "AXIS_TOKENS: a token holds a character"),
        ({"AXIS_PORT": "0"}, "AXIS_PORT"),
    ],
)
def test_problems_are_named_by_setting(certs: Folder, changed: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(Config, environ(certs, **changed))
    assert problem in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_key_of_another_certificate_is_found_before_the_first_device_comes(certs: Folder) -> None:
    with pytest.raises(SettingsError, match="AXIS_TLS_CERT and AXIS_TLS_KEY do not make a pair"):
        load(Config, environ(certs, AXIS_TLS_KEY=str(certs.ca_key)))


def test_what_the_process_tells_of_its_settings_holds_no_secret(certs: Folder) -> None:
    given = {"AXIS_TOKENS": "secret-one,secret-two", "REDIS_URL": "rediss://gantry:secret-three@redis.invalid:6380"}
    told = load(Config, environ(certs, **given)).effective()
    assert "secret" not in str(told)
    assert told["AXIS_TOKENS"] == {"value": "***", "origin": "environment"}
    assert told["AXIS_TLS_KEY"] == {"value": str(certs.server_key), "origin": "environment"}
    assert told["AXIS_PORT"] == {"value": "4443", "origin": "default"}
    assert "PRIVATE KEY" not in str(told)
    assert load(Config, environ(certs)).effective()["AXIS_TOKENS"] == {"value": "", "origin": "default"}
