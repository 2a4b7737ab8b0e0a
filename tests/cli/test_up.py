from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from gantry import certificates
from gantry_cli import plan
from gantry_cli.__main__ import environment
from wait import until

GANTRY = (sys.executable, "-m", "gantry_cli")


@pytest.fixture
def folder(short_folder):
    """Where somebody wants counters only, whose platform is not there yet."""
    files = certificates.init(short_folder / "certs", [], now=datetime.now(UTC))
    settings = {
        "AXIS_TLS_CERT": files.server_crt,
        "AXIS_TLS_KEY": files.server_key,
        "AXIS_PORT": free_port(),
        "DASHBOARD_PORT": free_port(),
        "IOTA_JSON_BASE": f"http://127.0.0.1:{free_port()}/iot/json",
        "IOTA_APIKEY_EVD": "evd-$ecret",
        "IOTA_APIKEY_CRWD": "crowd-$ecret",
    }
    (short_folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    return short_folder


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


def clean() -> dict[str, str]:
    ours = plan.setting_names() | {"DEMO_SECONDS"}
    return {name: value for name, value in os.environ.items() if name not in ours}


def ask(folder, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*GANTRY, *arguments], cwd=folder, env=clean(), capture_output=True, text=True, timeout=20, check=False
    )


@contextlib.contextmanager
def gantry_up(folder, *arguments: str):
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen([*GANTRY, "up", *arguments], cwd=folder, env=clean(), stdout=out, stderr=out)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)


def alive(folder) -> list[str]:
    services = json.loads(ask(folder, "status", "--json").stdout).get("services", [])
    return sorted(service["service"] for service in services)


def test_missing_settings_end_it_with_78_and_one_line_each(tmp_path):
    said = ask(tmp_path, "up")
    assert said.returncode == 78
    assert "gantry: IOTA_JSON_BASE is not set" in said.stderr.splitlines()
    assert not (tmp_path / "var").exists()


@pytest.mark.end_to_end
async def test_up_runs_everything_until_ctrl_c(folder):
    with gantry_up(folder, "--publishers", "2") as process:

        async def all_alive():
            return alive(folder) == ["dashboard", "ingest-axis", "journal", "processor", "publisher", "publisher"]

        await until(all_alive, "all services say that they live", within_s=30)
        second = ask(folder, "up")
        assert second.returncode == 1 and "already runs in this folder" in second.stderr
        assert ask(folder, "audit").returncode == 0
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    said = (folder / "out").read_text()
    assert "dashboard: http://127.0.0.1:" in said and "ingest-dahua is left out" in said and "redis-cli -s" in said
    assert "$ecret" not in said and "Traceback" not in said
    assert ask(folder, "status").returncode == 1
    assert ask(folder, "audit").returncode == 2


def test_the_demo_refuses_a_wrong_duration(tmp_path):
    environ = {**clean(), "DEMO_SECONDS": "soon"}
    command = [*GANTRY, "up", "--demo"]
    said = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=20, check=False)
    assert said.returncode == 78 and "DEMO_SECONDS" in said.stderr
    assert not (tmp_path / "var").exists()


def test_settings_come_from_dotenv_and_the_environment_wins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("GANTRY_SITE=file\nCAMERA_PASS=a$b#c\nBARE\n")
    monkeypatch.delenv("CAMERA_PASS", raising=False)
    monkeypatch.setenv("GANTRY_SITE", "outside")
    seen = environment()
    assert seen["GANTRY_SITE"] == "outside" and seen["CAMERA_PASS"] == "a$b#c" and "BARE" not in seen


@pytest.mark.parametrize("command", ["status", "streams", "audit"])
def test_a_url_that_is_none_is_one_plain_line_without_its_password(tmp_path, command):
    environ = {**clean(), "REDIS_URL": "http://u:hunter2@h"}
    said = subprocess.run(
        [*GANTRY, command], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=20, check=False
    )
    assert said.returncode == 78 and said.stdout == ""
    assert said.stderr.startswith("gantry: REDIS_URL") and said.stderr.count("\n") == 1 and "hunter2" not in said.stderr


def test_a_wrong_setting_is_named(tmp_path):
    said = subprocess.run(
        [*GANTRY, "status"],
        cwd=tmp_path,
        env={**clean(), "GANTRY_SITE": "a b"},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert said.returncode == 78 and said.stderr.startswith("gantry: GANTRY_SITE")


async def test_down_stops_what_up_started_and_says_so(folder):
    with gantry_up(folder) as process:

        async def started():
            return "Ctrl-C stops everything" in (folder / "out").read_text()

        await until(started, "gantry up to have started", within_s=30)
        asked = ask(folder, "down")
        assert (asked.returncode, asked.stdout.strip()) == (0, "stopped")
        assert process.wait(10) == 0
    assert ask(folder, "down").stdout.strip() == "nothing runs in this folder"
