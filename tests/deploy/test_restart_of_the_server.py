"""A server with our access list is killed and started again: everything that scripts wrote must still be there.

A server replays its append-only file with the rights of user `default`. Redis 7 and 8 leave out, with a line in their
log, each transaction (as which all that a script writes is kept) that `default` may not do; Valkey asks nobody.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from gantry.streams import access
from gantry.topology import Topology
from wait import until

SERVER = shutil.which("redis-server") or ""
PASSWORD = "of-this-test"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A socket's path must be short; pytest's own folders are not."""
    digest = hashlib.sha256(PASSWORD.encode()).hexdigest()
    users = access.acl_file(dict.fromkeys((user for user in access.USERS if user != access.LOOK), digest))
    with tempfile.TemporaryDirectory(prefix="gantry-", dir="/tmp") as short:
        (Path(short) / "users.acl").write_text(users, encoding="utf-8")
        yield Path(short)


class Server:
    """Debian's redis-server on a socket, durable."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "s"
        durable = ("--appendonly", "yes", "--appendfsync", "always", "--save", "", "--dir", str(folder))
        doors = ("--port", "0", "--unixsocket", str(self.socket), "--aclfile", str(folder / "users.acl"))
        self.process = subprocess.Popen([SERVER, *durable, *doors], stdout=subprocess.DEVNULL)

    def client(self, user: str) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.socket), username=user, password=PASSWORD)

    async def up(self) -> None:
        async def answers() -> bool:
            try:
                with self.client("gantry") as client:
                    return bool(client.ping())
            except redis.ConnectionError:
                return False

        await until(answers, "the server to answer")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def servers(folder: Path) -> Iterator[list[Server]]:  # noqa: ARG001 - they end before their folder
    started: list[Server] = []
    yield started
    for server in started:
        server.kill()


@pytest.mark.skipif(not SERVER, reason="no redis-server here")
async def test_what_scripts_wrote_is_there_after_a_kill(folder: Path, servers: list[Server]):
    raw, ledger = Topology().raw, Topology().ledger
    script = f"redis.call('XADD', '{raw}', '*', 'v', '1') redis.call('HINCRBY', '{ledger}', 'received', 1) return 1"
    for expected in (1, 2):
        servers.append(Server(folder))
        await servers[-1].up()
        with servers[-1].client("ingest-axis") as client:
            client.eval(script, 2, raw, ledger)
        with servers[-1].client("dashboard") as client:
            assert client.hget(ledger, "received") == str(expected).encode()
            assert client.xlen(raw) == expected
        servers[-1].kill()
