"""The process as it is deployed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from twin_process import PASSWORD, USER, Twin

from gantry.streams.client import Client
from gantry.topology import Topology
from wait import until

pytestmark = pytest.mark.end_to_end


def started(environ: dict[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "ingest_dahua"]
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)


async def test_it_attaches_counts_and_stops_when_told(
    twin: Callable[..., Twin], client: Client, redis_url: str, tmp_path: Path, unused_tcp_port: int
) -> None:
    recorder = twin("--generate", "--rate", "300", "--events", "600")
    environ = {
        "TRAFFIC_IVSS_URL": recorder.url,
        "CAMERA_USER": USER,
        "CAMERA_PASS": PASSWORD,
        "DAHUA_HEARTBEAT_S": "1",
        "DAHUA_SPOOL_DIR": str(tmp_path),
        "REDIS_URL": redis_url,
        "METRICS_PORT": str(unused_tcp_port),
        "INSTANCE": "one",
        "VPN_IFACE": "gantry-none",
    }
    process = started(environ)
    base = f"http://127.0.0.1:{unused_tcp_port}"

    async with httpx.AsyncClient(trust_env=False, base_url=base) as http:

        async def all_there() -> bool:
            return process.poll() is not None or await client.xlen(Topology().raw) == 600

        await until(all_there, "600 events in raw")
        assert (await http.get("/readyz")).json() == {"ready": True, "missing": {}}
        metrics = (await http.get("/metrics")).text
    assert "gantry_ingest_dahua_events_appended_total 600.0" in metrics
    assert "gantry_ingest_dahua_connected 1.0" in metrics
    assert 'gantry_ingest_dahua_vpn_up{iface="gantry-none"} 0.0' in metrics

    async def says() -> dict[str, Any]:
        told = orjson.loads(await client.hget(Topology().alive("ingest-dahua", "one"), "says"))
        return dict(told) if told["recorders"]["127.0.0.1"]["connected"] else {}

    told = await until(says, "the alive key to tell of the connection")
    assert told["vpn"] == {"iface": "gantry-none", "up": False}
    assert told["recorders"]["127.0.0.1"]["host"] == "127.0.0.1"
    assert told["recorders"]["127.0.0.1"]["reachable"] is True
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=10)
    assert process.returncode == 0, out
    assert PASSWORD not in out
    assert recorder.state()["logins"] == {"ok": 1, "failed": 0, "challenged": 1}
