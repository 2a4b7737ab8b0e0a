from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from gantry_cli import demo, plan
from wait import until

GANTRY = (sys.executable, "-m", "gantry_cli")


def environ(**more: str) -> dict[str, str]:
    ours = plan.setting_names() | {"DEMO_SECONDS"}
    return {name: value for name, value in os.environ.items() if name not in ours} | more


def play(folder, **more: str) -> subprocess.CompletedProcess[str]:
    command = [*GANTRY, "up", "--demo"]
    return subprocess.run(command, cwd=folder, env=environ(**more), capture_output=True, text=True, check=False)


@pytest.mark.end_to_end
def test_the_demo_publishes_balances_and_ends_by_itself(short_folder):
    hostile = {"IOTA_APIKEY_EVD": "a-real-key", "REDIS_URL": "redis://192.0.2.1:1", "GANTRY_SITE": "real"}
    said = play(short_folder, DEMO_SECONDS="5", **hostile)
    assert said.returncode == 0, said.stdout + said.stderr
    lines = said.stdout.splitlines()
    assert "balanced: the counters agree with what the keys hold" in lines and lines[-1] == "all stopped"
    assert any(line.startswith("ask: REDIS_URL= GANTRY_SITE= ") for line in lines)
    assert sum(" | received " in line for line in lines) >= 2
    [measures] = [line for line in lines if line.startswith("measures  ")]
    assert "published 0" not in measures and "waiting 0" in measures and "dead_out 0" in measures
    secrets = {path.name: path.read_text() for path in (short_folder / "var/demo").iterdir() if path.is_file()}
    logs = "".join(path.read_text() for path in (short_folder / "var/log").iterdir())
    operator = secrets.pop("operator-password")
    assert operator in said.stdout and operator not in logs  # printed, since it is a demo
    everything = said.stdout + said.stderr + logs
    assert len(secrets) == 4 and not any(secret in everything for secret in [*secrets.values(), "a-real-key"])
    events = (short_folder / "var/demo/runtime/events.json").read_bytes()
    assert events.count(b'"outcome":"published"') > 0 and events.endswith(b"\n")
    assert "Traceback" not in everything
    refused = subprocess.run(
        [*GANTRY, "up"],
        cwd=short_folder,
        env=environ(IOTA_JSON_BASE="http://192.0.2.1/iot/json", IOTA_APIKEY_EVD="k", IOTA_APIKEY_CRWD="k")
        | {"TRAFFIC_IVSS_URL": "http://192.0.2.1/", "CAMERA_USER": "u", "CAMERA_PASS": "p"},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert refused.returncode == 1 and "holds the demo's data" in refused.stderr


@pytest.mark.end_to_end
async def test_ctrl_c_ends_the_demo_in_good_order_and_a_second_demo_leaves_it_alone(short_folder):
    with (short_folder / "out").open("wb") as out:
        command = [*GANTRY, "up", "--demo"]
        process = subprocess.Popen(command, cwd=short_folder, env=environ(), stdout=out, stderr=out)  # noqa: ASYNC220
    try:

        async def published():
            said = (short_folder / "out").read_text()
            return any("accepted" in line and "published 0" not in line for line in said.splitlines())

        await until(published, "something is published", within_s=30)
        second = play(short_folder)
        assert second.returncode == 1 and "already runs in this folder" in second.stderr
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)
    assert "Traceback" not in (short_folder / "out").read_text()


@pytest.mark.parametrize(
    ("here", "prefix"), [({}, ""), ({"REDIS_URL": "redis://x", "GANTRY_SITE": ""}, "REDIS_URL= "), ({"A": "b"}, "")]
)
def test_the_command_to_ask_with_works_whatever_is_set_here(here, prefix):
    asking = demo._asking(here)
    assert asking.startswith(prefix) and asking.endswith("/gantry") and asking.count("=") == len(prefix.split())
