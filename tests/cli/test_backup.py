"""The server's own snapshot over the wire, and the two commands as people call them."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import resource
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from builders import a_raw
from end_to_end.feed import Feed
from gantry import certificates
from gantry.embedded import Embedded, system_servers
from gantry.settings import Settings
from gantry.streams import access, groups
from gantry.streams.client import Client, connect
from gantry.streams.inlet import Inlet
from gantry.streams.scripts import Scripts
from gantry.topology import Topology
from gantry_cli.backup.manifest import BackupProblem
from gantry_cli.backup.snapshot import Snapshot
from gantry_cli.ports import Ports
from server_groups import Cluster, cluster
from wait import until

SECRET = "secret-of-the-server"
AT_ONCE = ("--repl-diskless-sync-delay", "0")


@pytest.fixture
def folder(short_folder: Path) -> Path:
    return short_folder


@pytest.fixture
def server(folder: Path) -> Iterator[Embedded]:
    made = Embedded(folder / "redis", options=AT_ONCE)
    made.start()
    yield made
    made.stop()


@pytest.fixture
async def there(server: Embedded) -> AsyncIterator[Client]:
    made = connect(server.url, "tests")
    yield made
    await made.aclose()


async def taken(client: Client) -> bytes:
    async with Snapshot(client, quiet_s=10) as snapshot:
        await snapshot.begin()
        return b"".join([piece async for piece in snapshot.pieces()])


async def loaded(snapshot: bytes, folder: Path, binary: Path) -> dict[bytes, bytes]:
    """What a server finds that starts from it."""
    aof = folder / "appendonlydir"
    aof.mkdir(parents=True)
    (aof / "appendonly.aof.1.base.rdb").write_bytes(snapshot)
    (aof / "appendonly.aof.manifest").write_text("file appendonly.aof.1.base.rdb seq 1 type b\n")
    server = Embedded(folder, binary=binary)
    server._check_product = lambda: None  # this test wrote it
    server.start()
    client = connect(server.url, "tests")
    found = {key: await client.get(key) for key in await client.keys()}
    await client.aclose()
    server.stop()
    return found


@pytest.mark.parametrize("diskless", ["yes", "no"])
async def test_a_server_that_starts_from_the_snapshot_has_all_of_it(
    there: Client, server: Embedded, folder: Path, diskless: str
) -> None:
    await there.config_set("repl-diskless-sync", diskless)
    values = {f"k{n}".encode(): os.urandom(200_000) for n in range(20)}  # several pieces
    await there.mset(values)
    assert await loaded(await taken(there), folder / "copy", server.binary) == values


async def test_the_server_forgets_us_when_we_have_it(there: Client) -> None:
    await taken(there)

    async def alone() -> bool:
        return bool((await there.info("replication"))["connected_slaves"] == 0)

    await until(alone, "the server to forget its replica")


@contextlib.asynccontextmanager
async def speaking(*answers: bytes) -> AsyncIterator[Client]:
    """A server that answers each command with the next of these, and closes when it has no more."""

    async def command(reader: asyncio.StreamReader) -> bytes:
        count = int((await reader.readline())[1:])
        lines = [await reader.readline() for _ in range(2 * count)]
        return lines[1].strip().upper()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            while await command(reader) not in (b"REPLCONF", b"PSYNC"):
                writer.write(OK)
            for at in range(0, len(answer), 7):  # in small parts
                writer.write(answer[at : at + 7])
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = connect(f"redis://127.0.0.1:{port}", "tests")
    async with server:
        yield client
    await client.aclose()


RDB = b"REDIS0010" + bytes(range(250)) + b"\xff" + bytes(8)
MARK = b"0123456789abcdef0123456789abcdef01234567"
OK, FULL = b"+OK\r\n", b"+FULLRESYNC 0123 0\r\n"


@pytest.mark.parametrize(
    "bulk", [b"$%d\r\n%s" % (len(RDB), RDB), b"$EOF:%s\r\n%s%s" % (MARK, RDB, MARK)], ids=["length", "mark"]
)
async def test_both_forms_with_signs_of_life_before(bulk: bytes) -> None:
    async with speaking(OK, OK, b"\n\n" + FULL + b"\n\n\n" + bulk) as client:
        assert await taken(client) == RDB


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        ((b"-NOPERM User x has no permissions to run the 'replconf' command\r\n",), r"needs \+psync and \+replconf"),
        ((OK, OK, b"-NOPERM no 'psync'\r\n"), r"needs \+psync and \+replconf"),
        ((OK, OK, b"-NOMASTERLINK Can't SYNC while not connected with my master\r\n"), "NOMASTERLINK"),
        ((OK, OK, FULL + b"-ERR Unable to perform background save\r\n"), "Unable to perform"),
        ((OK, OK, FULL), "before its snapshot began"),
        ((OK, OK, FULL + b"$500\r\n" + RDB), "in the middle of its snapshot"),
        ((OK, OK, FULL + b"$EOF:" + MARK + b"\r\n" + RDB), "in the middle of its snapshot"),
        ((OK, OK, FULL + b"$300\r\n" + b"x" * 300), "no snapshot"),
        ((OK, OK, b"+" + b"x" * 100_000), "broke the snapshot off"),
        ((OK, OK, FULL + b"$%d\r\n%s" % (len(RDB), RDB[:-9] + bytes(9))), "no proper end"),
    ],
)
async def test_what_the_server_does_not_give_is_said(answers: tuple[bytes, ...], sentence: str) -> None:
    async with speaking(*answers) as client:
        with pytest.raises(BackupProblem, match=sentence):
            await taken(client)


async def test_a_server_that_falls_silent_is_given_up_in_words() -> None:
    silent = asyncio.Event()

    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK * 3 + FULL)
        await silent.wait()
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    client = connect(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}", "tests")
    async with server:
        async with Snapshot(client, quiet_s=0.1) as snapshot:
            with pytest.raises(BackupProblem, match="sent nothing for 0"):
                await snapshot.begin()
        silent.set()
    await client.aclose()


async def test_a_user_needs_two_commands_and_nothing_else(there: Client, server: Embedded) -> None:
    rights = ("+client|setname", "+psync", "+replconf")
    for count, works in ((1, False), (2, False), (3, True)):
        await there.acl_setuser("gantry", enabled=True, passwords=[f"+{SECRET}"], commands=rights[:count], reset=True)
        client = connect(server.url.replace("unix://", f"unix://gantry:{SECRET}@"), "tests")
        with contextlib.nullcontext() if works else pytest.raises(BackupProblem, match=r"\+psync"):
            assert (await taken(client)).startswith((b"REDIS", b"VALKEY"))
        await client.aclose()


# -- the commands


Ran = subprocess.CompletedProcess[bytes]


def held(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def gantry(*arguments: str, cwd: Path, limit: int = 0, stdin: bytes = b"", **environ: str) -> Ran:
    """`limit`: bytes that a file may have, as on a disk that is full."""
    return subprocess.run(
        (sys.executable, str(Path(sys.executable).parent / "gantry"), *arguments),
        cwd=cwd,
        env={**os.environ, **environ},
        input=stdin,
        capture_output=True,
        check=False,
        timeout=50,
        preexec_fn=(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))) if limit else None,
    )


async def filled(client: Client, count: int = 200) -> None:
    await groups.prepare(client, Topology())
    await Feed(Scripts(client), devices=10).append(count)


async def test_there_and_back_through_pipes(there: Client, server: Embedded, folder: Path) -> None:
    await filled(there)
    taken = gantry("backup", "-", cwd=folder, REDIS_URL=server.url)
    assert taken.returncode == 0, taken.stderr
    back = gantry("restore", "-", cwd=folder, stdin=taken.stdout, REDIS_URL="")
    assert back.returncode == 0, back.stderr
    assert b"received 200 to 200" in back.stderr and back.stdout == b""
    assert held(folder / "var") == ["redis"]  # nothing for the folders that had nothing
    restored = Embedded(folder / "var" / "redis")
    restored.start()
    audit = gantry("audit", cwd=folder, REDIS_URL="")
    restored.stop()
    assert audit.returncode == 0 and b"received 200 = in_raw 200" in audit.stdout


async def test_an_archive_is_its_owners_alone_and_says_what_is_in_it(
    there: Client, server: Embedded, folder: Path
) -> None:
    await filled(there)
    taken = gantry("backup", "a.tar", cwd=folder, REDIS_URL=server.url)
    assert taken.returncode == 0 and taken.stdout == b""
    assert b"personal data" in taken.stderr and b"Secrets are not in it" in taken.stderr
    assert stat.S_IMODE((folder / "a.tar").stat().st_mode) == 0o600
    assert gantry("backup", "a.tar", cwd=folder, REDIS_URL=server.url).returncode == 1  # never over another
    assert b"whole: the archive of site main" in gantry("restore", "a.tar", "--check", cwd=folder).stderr
    assert not (folder / "var").exists()


def complaint(ran: Ran) -> str:
    """One sentence, and no traceback."""
    assert ran.returncode in (1, 2) and ran.stderr.startswith(b"gantry: ")
    assert b"Traceback" not in ran.stderr
    return ran.stderr.decode().splitlines()[-1]


async def test_a_full_disk_leaves_nothing_behind(there: Client, server: Embedded, folder: Path) -> None:
    await filled(there, 2000)
    room = 20_000
    assert "cannot be written" in complaint(gantry("backup", "a.tar", cwd=folder, limit=room, REDIS_URL=server.url))
    assert held(folder) == ["redis"]
    archive = gantry("backup", "-", cwd=folder, REDIS_URL=server.url).stdout
    ran = gantry("restore", "-", cwd=folder, limit=room, stdin=archive, REDIS_URL="")
    assert "cannot be restored" in complaint(ran)
    assert held(folder / "var") == []


@pytest.mark.parametrize("there_already", ["appendonlydir", "dump.rdb"])
def test_a_folder_that_holds_data_is_refused_by_name(folder: Path, there_already: str) -> None:
    (folder / "redis").mkdir()
    (folder / "redis" / there_already).touch()
    ran = gantry("restore", "-", "--redis-dir", "redis", cwd=folder)
    assert f"redis holds data already ({there_already})" in complaint(ran)


def test_whose_folder_it_is_has_to_be_said_where_a_url_names_the_server(folder: Path) -> None:
    ran = gantry("restore", "-", cwd=folder, REDIS_URL=f"redis://gantry:{SECRET}@redis:6379")
    assert "--redis-dir" in complaint(ran) and SECRET not in ran.stderr.decode()


def test_a_server_that_is_away_is_one_sentence(folder: Path) -> None:
    ran = gantry("backup", "a.tar", cwd=folder, REDIS_URL=f"redis://gantry:{SECRET}@127.0.0.1:1")
    assert "does not answer" in complaint(ran) and SECRET not in ran.stderr.decode()
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(not system_servers(), reason="no server with TLS is installed")
async def test_over_tls(folder: Path) -> None:
    files = certificates.init(folder / "certs", ["127.0.0.1"], now=datetime.now(UTC))
    port = Ports().free(0)
    tls = ("--tls-port", str(port), "--tls-cert-file", str(files.server_crt), "--tls-key-file", str(files.server_key))
    trust = ("--tls-auth-clients", "no", "--tls-ca-cert-file", str(files.ca_crt))
    options = (*tls, *trust, *AT_ONCE)
    server = Embedded(
        folder / "redis", binary=system_servers()[0], options=(*options, "--repl-diskless-sync-delay", "0")
    )
    server.start()
    client = connect(server.url, "tests")
    await filled(client)
    await client.aclose()
    url = f"rediss://127.0.0.1:{port}"
    ran = gantry("backup", "a.tar", cwd=folder, REDIS_URL=url, REDIS_CA_FILE=str(files.ca_crt))
    server.stop()
    assert ran.returncode == 0, ran.stderr
    assert b"received 200 to 200" in gantry("restore", "a.tar", "--check", cwd=folder).stderr


async def test_the_user_of_the_command_line_may_take_one(there: Client, server: Embedded, folder: Path) -> None:
    await filled(there)
    server.stop()
    digest = hashlib.sha256(SECRET.encode()).hexdigest()
    (folder / "users.acl").write_text(access.acl_file({"gantry": digest}), encoding="utf-8")
    guarded = Embedded(folder / "redis", options=(*AT_ONCE, "--aclfile", str(folder / "users.acl")), user=access.LOOK)
    guarded.start()
    url = f"unix://gantry:{SECRET}@{guarded.socket}"
    try:
        ran = gantry("backup", "a.tar", cwd=folder, REDIS_URL=url)
    finally:
        guarded.stop()
    assert ran.returncode == 0, ran.stderr
    assert SECRET.encode() not in ran.stderr


@pytest.fixture
def nodes(folder: Path) -> Iterator[Cluster]:
    with cluster(folder, options=AT_ONCE) as made:
        yield made


async def test_in_a_cluster_it_is_the_node_that_owns_the_site(nodes: Cluster, folder: Path) -> None:
    for number, count in ((0, 30), (1, 200)):
        site = nodes.site_on(number)
        client = connect(Settings(redis_url=nodes.url, gantry_site=site), "tests")
        await groups.prepare(client, Topology(site))
        entries = [a_raw(n) for n in range(1, count + 1)]
        await Inlet(Scripts(client), Topology(site), "spool", quota=10**6).append("r", entries)
        await client.aclose()
    taken = gantry("backup", "a.tar", cwd=folder, REDIS_URL=nodes.url, GANTRY_SITE=site)
    assert taken.returncode == 0, taken.stderr
    assert gantry("restore", "a.tar", cwd=folder, REDIS_URL="").returncode == 0
    restored = Embedded(folder / "var" / "redis")
    restored.start()
    audit = gantry("audit", cwd=folder, REDIS_URL="", GANTRY_SITE=site)
    restored.stop()
    assert audit.returncode == 0 and b"received 200 = in_raw 200" in audit.stdout
