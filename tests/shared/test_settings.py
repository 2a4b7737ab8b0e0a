from __future__ import annotations

import pytest
from pydantic import Field, SecretStr

from gantry.errors import SettingsError
from gantry.settings import Settings, load


class Config(Settings):
    api_key: SecretStr
    timeout_s: float = Field(default=15, gt=0)


def test_every_problem_is_named_at_once():
    environ = {"TIMEOUT_S": "0", "LOG_LEVEL": "loud", "REDIS_URL": "http://:pa/ss@h", "GANTRY_SITE": "a b"}
    with pytest.raises(SettingsError) as raised:
        load(Config, environ)
    names = {problem.split(":")[0].split(" ")[0] for problem in raised.value.problems}
    assert names == {"API_KEY", "TIMEOUT_S", "LOG_LEVEL", "REDIS_URL", "GANTRY_SITE"}
    assert "ss@h" not in str(raised.value)


def test_a_secret_comes_from_its_file_and_shows_nowhere(tmp_path):
    (tmp_path / "key").write_text("k3y\n")
    config = load(Config, {"API_KEY_FILE": str(tmp_path / "key"), "REDIS_URL": "redis://:s3cret@h"})
    assert config.api_key.get_secret_value() == "k3y"
    for text in (repr(config), config.model_dump_json(), config.digest()):
        assert "k3y" not in text and "s3cret" not in text


def test_a_file_that_cannot_be_read_is_one_problem(tmp_path):
    with pytest.raises(SettingsError) as raised:
        load(Config, {"API_KEY_FILE": str(tmp_path / "none")})
    assert len(raised.value.problems) == 1 and raised.value.problems[0].startswith("API_KEY_FILE cannot be read")


def test_an_empty_setting_is_one_that_is_not_set():
    assert load(Config, {"API_KEY": "k", "TIMEOUT_S": ""}).timeout_s == 15


def test_the_digest_changes_with_the_configuration_and_not_with_the_instance():
    one, two = load(Config, {"API_KEY": "k"}), load(Config, {"API_KEY": "k", "TIMEOUT_S": "3"})
    assert one.digest() == load(Config, {"API_KEY": "k", "INSTANCE": "other"}).digest() != two.digest()


@pytest.mark.parametrize(
    "address", ["http://u:secret@h/x", "http://u:sec/secret@h", "http://u:s@secret@h, http://a:secret@b"]
)
def test_a_password_in_an_address_is_not_shown(address):
    class Odd(Settings):
        address: str

    told = load(Odd, {"REDIS_URL": "redis://:secret@h", "ADDRESS": address}).effective()
    assert "secret" not in str(told)
    assert told["ADDRESS"]["value"].startswith("http://***@")


def test_an_empty_file_is_a_setting_that_is_not_set(tmp_path):
    (tmp_path / "empty").write_text("\n")
    config = load(Config, {"API_KEY": "k", "REDIS_CA_FILE_FILE": str(tmp_path / "empty"), "REDIS_CA_FILE": ""})
    assert config.redis_ca_file is None
    with pytest.raises(SettingsError, match="API_KEY is not set"):
        load(Config, {"API_KEY_FILE": str(tmp_path / "empty")})


def test_authorities_that_are_none_are_named(tmp_path):
    (tmp_path / "ca.crt").write_text("no certificate")
    for path in ("ca.crt", "none.crt"):
        with pytest.raises(SettingsError, match=r"^REDIS_CA_FILE"):
            load(Config, {"API_KEY": "k", "REDIS_CA_FILE": str(tmp_path / path)})
