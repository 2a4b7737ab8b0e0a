from __future__ import annotations

import socket
import stat
from datetime import UTC, datetime

import pytest

from gantry_cli import marker, plan, world
from gantry_cli.ports import Ports

SECRETS = ("camera-password", "axis-token", "apikey-evd", "apikey-crowd", "operator-password")
HOSTILE = {"PATH": "/bin", "REDIS_URL": "redis://real", "IOTA_APIKEY_EVD": "real-key", "GANTRY_SITE": "real"}


@pytest.fixture
def scene(tmp_path):
    return world.make(tmp_path / "var", Ports(), now=datetime.now(UTC))


def test_the_demo_has_every_setting_and_none_of_the_users(scene):
    environ = scene.settings({**HOSTILE, "CAMERA_PASS": "real", "IOTA_CA_FILE": "/real.pem"})
    assert not any("real" in value for name, value in environ.items() if name != "PATH" and "_FILE" not in name)
    assert "IOTA_CA_FILE" not in environ and environ["PATH"] == "/bin"
    choice = plan.choose(environ)
    assert choice.services == plan.SERVICES and choice.left_out == ()


def test_secrets_lie_in_private_files_and_change_with_each_run(scene, tmp_path):
    files = [scene.folders.secret(name) for name in SECRETS]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(scene.folders.secrets.stat().st_mode) == 0o700
    first = [path.read_text() for path in files]
    assert len(set(first)) == len(SECRETS)
    world.make(tmp_path / "var", Ports(), now=datetime.now(UTC))
    assert not set(first) & {path.read_text() for path in files}


def test_no_secret_in_what_is_printed_of_a_twin(scene):
    secrets = [scene.folders.secret(name).read_text() for name in SECRETS]
    assert not any(secret in repr(scene) for secret in secrets)


def test_the_password_of_the_dashboard_is_told_on_purpose_and_is_the_one_that_it_gets(scene):
    environ = scene.settings({"DASHBOARD_PASSWORD": "real", "RUNTIME_DIR": "/real"})
    path = environ["DASHBOARD_PASSWORD_FILE"]
    assert "DASHBOARD_PASSWORD" not in environ and str(scene.folders.root) in environ["RUNTIME_DIR"]
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - as the dashboard gets it: a string
        assert f"password {file.read()} " in scene.operator and path in scene.operator
    assert plan.dashboard_url(environ) == f"http://127.0.0.1:{scene.dashboard_port}"


def test_a_busy_port_gives_way_to_a_free_one():
    with socket.socket() as busy:
        busy.bind(("", 0))
        busy.listen()
        wanted = busy.getsockname()[1]
        ports = Ports()
        first, second = ports.free(wanted), ports.free(wanted)
        assert len({wanted, first, second}) == 3


def test_real_data_and_the_demos_never_share_a_folder(tmp_path):
    folder = tmp_path / "redis"
    assert marker.refusal(folder, demo=True) == ""
    assert marker.refusal(folder, demo=True) == ""
    assert "rm -r" in marker.refusal(folder, demo=False)
    real = tmp_path / "real"
    (real / "appendonlydir").mkdir(parents=True)
    assert marker.refusal(real, demo=False) == ""
    assert "real data" in marker.refusal(real, demo=True)
