"""Services that reach the server in TLS only, trusting an authority of their own."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from end_to_end.rig import rig_on
from end_to_end.traffic import SERVICES, Traffic
from gantry import certificates
from server_groups import HOST, PORTS, Server, running
from wait import until

BINARY = shutil.which("redis-server")
pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.timeout(120),
    pytest.mark.skipif(BINARY is None, reason="no redis-server here; the embedded server speaks no TLS"),
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Server, str]]:
    """It listens in TLS alone; its URL."""
    for name in ("redis-certs", "foreign"):
        certificates.init(tmp_path / name, [], now=datetime.now(UTC))
    made, port = certificates.Folder(tmp_path / "redis-certs"), PORTS.free(0)
    files = ("--tls-cert-file", str(made.server_crt), "--tls-key-file", str(made.server_key))
    only = ("--port", "0", "--tls-port", str(port), "--tls-ca-cert-file", str(made.ca_crt), "--tls-auth-clients", "no")
    listening = Server.made(tmp_path / "redis", *only, *files, binary=Path(str(BINARY)))
    with running([listening]):
        yield listening, f"rediss://{HOST}:{port}"


@pytest.fixture
async def site(server: tuple[Server, str], tmp_path: Path) -> AsyncIterator[Traffic]:
    listening, url = server
    trust = str(tmp_path / "redis-certs" / "ca.crt")
    settings = {"REDIS_CA_FILE": trust, "RUNTIME_DIR": str(tmp_path / "runtime")}
    async with rig_on(listening.embedded, url, tmp_path, **settings) as made:
        yield Traffic(made, 120, services=(*SERVICES, "journal"))


async def test_everything_flows_in_tls_and_a_foreign_authority_is_refused(site: Traffic, tmp_path: Path) -> None:
    rig = site.rig
    distrusting = rig.service("publisher", "distrusting", REDIS_CA_FILE=str(tmp_path / "foreign" / "ca.crt"))
    await site.start()
    await site.all_received()
    assert (await rig.drained()).differences == []
    found = await site.found()
    assert (found.lost, found.invented, found.disorder, found.doubled) == (set(), set(), [], {})
    assert found.arrived > 30
    answer = await until(lambda: unready(rig.http, rig.urls[distrusting]), "the distrusting one to say why")
    assert "is not trusted" in answer and "REDIS_CA_FILE" in answer
    assert rig.children[distrusting].alive


async def unready(http: httpx.AsyncClient, url: str) -> str:
    try:
        answer = await http.get(f"{url}/readyz")
    except httpx.TransportError:
        return ""
    return answer.text if answer.status_code == 503 and "certificate" in answer.text else ""
