"""Several real servers that belong together: a Redis Cluster, or a master with replicas and sentinels."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
import redis.asyncio as aredis
from redis.crc import key_slot

from gantry.embedded import Embedded, valkey_binary
from gantry.topology import Topology
from gantry_cli.ports import Ports
from wait import until

BINARY = Path(os.environ.get("RIG_SERVER") or valkey_binary())  # e.g. a redis-server of another version
HOST = "127.0.0.1"
SLOTS = 16384
NODE_TIMEOUT_MS = 1000
PORTS = Ports(HOST)


@dataclass
class Server:
    """An embedded server that also listens on a port of this machine."""

    embedded: Embedded
    port: int
    bus: int = 0  # where nodes of a cluster talk to each other

    @classmethod
    def made(cls, folder: Path, *options: str, binary: Path | None = None, bus: int = 0, user: str = "") -> Server:
        port = PORTS.free(0)
        listening = ("--port", str(port), "--bind", HOST, "--repl-diskless-sync-delay", "0")
        embedded = Embedded(
            folder, binary=binary or BINARY, maxmemory="128mb", user=user, options=(*listening, *options)
        )
        return cls(embedded, port, bus)

    @property
    def alive(self) -> bool:
        process = self.embedded.process
        return process is not None and process.poll() is None

    async def say(self, *words: Any) -> Any:
        """One command, over its socket, whoever it is in its group."""
        async with aredis.Redis(unix_socket_path=str(self.embedded.socket), socket_timeout=5) as client:
            return await _plain(client, *words)

    def stop(self) -> None:
        self.embedded.kill()


@dataclass
class Cluster:
    """Masters that share the slots, and their replicas behind them in the list."""

    servers: list[Server]
    masters: int
    ids: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"{HOST}:{server.port}" for server in self.servers)

    def site_on(self, number: int, word: str = "site") -> str:
        """A site whose slot that master has from the start; its name begins with `word`."""
        each = SLOTS // self.masters
        names = (f"{word}{n}" for n in itertools.count())
        return next(name for name in names if min(slot_of(name) // each, self.masters - 1) == number)

    async def join(self) -> None:
        """Make them one cluster that serves."""
        first, *others = self.servers
        self.ids = [text(await server.say("CLUSTER", "MYID")) for server in self.servers]
        each = SLOTS // self.masters
        for number, server in enumerate(self.servers[: self.masters]):
            last = SLOTS - 1 if number == self.masters - 1 else (number + 1) * each - 1
            await server.say("CLUSTER", "ADDSLOTSRANGE", number * each, last)
        for server in others:
            await first.say("CLUSTER", "MEET", HOST, server.port, server.bus)
        await until(self._all_know_all, "all nodes to know each other")
        for number, server in enumerate(self.servers[self.masters :]):
            await server.say("CLUSTER", "REPLICATE", self.ids[number % self.masters])
        await until(self.serves, "the cluster to serve")

    async def _all_know_all(self) -> bool:
        views = [text(await server.say("CLUSTER", "NODES")) for server in self.servers]
        return all(view.count("\n") == len(self.servers) and "handshake" not in view for view in views)

    async def serves(self) -> bool:
        """Whether each living node says so, and each replica is in step."""
        for number, server in enumerate(self.servers):
            if not server.alive:
                continue
            if "cluster_state:ok" not in text(await server.say("CLUSTER", "INFO")):
                return False
            about = text(await server.say("INFO", "replication"))
            if number >= self.masters and "role:slave" in about and "master_link_status:up" not in about:
                return False
        return True

    async def begin_move(self, site: str, source: int, target: int) -> None:
        """From now on the slot is on its way; its keys are still where they were."""
        await self.servers[target].say("CLUSTER", "SETSLOT", slot_of(site), "IMPORTING", self.ids[source])
        await self.servers[source].say("CLUSTER", "SETSLOT", slot_of(site), "MIGRATING", self.ids[target])

    async def move_keys(self, site: str, source: int, target: int, *, at_most: int = 1_000_000) -> int:
        """How many there were to move."""
        names = await self.servers[source].say("CLUSTER", "GETKEYSINSLOT", slot_of(site), at_most)
        if names:
            port = self.servers[target].port
            await self.servers[source].say("MIGRATE", HOST, port, "", 0, 5000, "KEYS", *names)
        return len(names)

    async def end_move(self, site: str, target: int) -> None:
        """The slot has arrived: the new owner first, then everybody."""
        for server in (self.servers[target], *self.servers):
            if server.alive and (await server.say("ROLE"))[0] == b"master":
                await server.say("CLUSTER", "SETSLOT", slot_of(site), "NODE", self.ids[target])

    async def owner(self, site: str, *, asked: int = 0) -> int:
        """The number of the server that has the site, as the one asked says."""
        for begin, end, (_, port, *_), *_ in await self.servers[asked].say("CLUSTER", "SLOTS"):
            if begin <= slot_of(site) <= end:
                return next(n for n, server in enumerate(self.servers) if server.port == port)
        raise AssertionError(f"nobody has {site}")


async def _plain(client: aredis.Redis, *words: Any) -> Any:
    """The reply as it is, not as redis-py arranges it."""
    client.response_callbacks.clear()
    return await client.execute_command(*words)


def slot_of(site: str) -> int:
    return int(key_slot(Topology(site).ledger.encode()))


def text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@contextmanager
def cluster(folder: Path, *, masters: int = 3, replicas: int = 0, options: tuple[str, ...] = ()) -> Iterator[Cluster]:
    """Not inside a loop, so that a module's tests may share it. Replicas are given to the masters in turn."""
    servers = [cluster_node(folder / f"n{n}", *options) for n in range(masters + replicas)]
    made = Cluster(servers, masters)
    with running(servers):
        asyncio.run(made.join())
        yield made


def cluster_node(folder: Path, *options: str, binary: Path | None = None) -> Server:
    bus = PORTS.free(0)
    each_for_itself = ("--cluster-require-full-coverage", "no")  # else one that is missing stops them all
    clustered = ("--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS), "--cluster-port", str(bus))
    return Server.made(folder, *clustered, *each_for_itself, *options, binary=binary, bus=bus)


@contextmanager
def running(servers: list[Server]) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for server in servers:
            server.embedded.start()
            stack.callback(server.stop)
        yield


@dataclass
class Watched:
    """A master with replicas, and the sentinels that watch it."""

    servers: list[Server]
    sentinels: list[subprocess.Popen[bytes]]
    ports: list[int]  # of the sentinels
    name: str = "mymaster"
    login: tuple[str, str] | None = None  # user and password of the sentinels

    @property
    def url(self) -> str:
        return "redis+sentinel://" + ",".join(f"{HOST}:{port}" for port in self.ports) + f"/{self.name}"

    async def ask(self, number: int, *words: Any) -> Any:
        """A sentinel."""
        user, password = self.login or (None, None)
        port = self.ports[number]
        async with aredis.Redis(host=HOST, port=port, username=user, password=password, socket_timeout=5) as client:
            return await _plain(client, *words)

    async def master(self, asked: int = 0) -> int:
        """The number of the server that a sentinel takes for the master."""
        _, port = await self.ask(asked, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.name)
        return next(n for n, server in enumerate(self.servers) if server.port == int(port))

    async def join(self) -> None:
        """Wait until they watch."""
        await until(self._answer, "the sentinels to answer")
        await until(self.all_see_all, "the sentinels to see each other and the replicas")

    async def _answer(self) -> bool:
        try:
            await asyncio.gather(*(self.ask(number, "PING") for number in range(len(self.ports))))
        except redis.exceptions.ConnectionError:
            return False
        return True

    async def all_see_all(self) -> bool:
        for number in range(len(self.ports)):
            state = await self.ask(number, "SENTINEL", "MASTER", self.name)
            words = state if isinstance(state, dict) else dict(zip(state[::2], state[1::2], strict=True))
            seen = {text(key): text(value) for key, value in words.items()}
            if (
                int(seen["num-slaves"]) != len(self.servers) - 1
                or int(seen["num-other-sentinels"]) != len(self.ports) - 1
            ):
                return False
        links = [text(await server.say("INFO", "replication")) for server in self.servers[1:]]
        return all("master_link_status:up" in link for link in links)


@contextmanager
def watched(  # noqa: PLR0913 - one argument per thing that differs
    folder: Path,
    *,
    replicas: int = 2,
    sentinels: int = 3,
    options: tuple[str, ...] = (),
    lines: tuple[str, ...] = (),
    login: tuple[str, str] | None = None,
    user: str = "",
) -> Iterator[Watched]:
    """The first server is the master. Not inside a loop.

    `lines`: more for the sentinels' configuration; `login`: to them; `user`: who may ask whether the first has started.
    """
    first = Server.made(folder / "s0", *options, user=user)
    following = ("--replicaof", f"{HOST} {first.port}")
    servers = [first, *(Server.made(folder / f"s{n + 1}", *following, *options) for n in range(replicas))]
    with running(servers), contextlib.ExitStack() as stack:
        ports = [PORTS.free(0) for _ in range(sentinels)]
        monitor = f"sentinel monitor mymaster {HOST} {first.port} {sentinels // 2 + 1}"
        watchers = [stack.enter_context(_sentinel(folder, port, (monitor, *lines))) for port in ports]
        made = Watched(servers, watchers, ports, login=login)
        asyncio.run(made.join())
        yield made


@contextmanager
def _sentinel(folder: Path, port: int, lines: tuple[str, ...]) -> Iterator[subprocess.Popen[bytes]]:
    settings = [
        f"port {port}",
        f"bind {HOST}",
        f"dir {folder}",
        f"logfile {folder}/sentinel-{port}.log",
        *lines,
        "sentinel down-after-milliseconds mymaster 1000",
        "sentinel failover-timeout mymaster 6000",
    ]
    config = folder / f"sentinel-{port}.conf"
    config.write_text("\n".join(settings) + "\n")
    process = subprocess.Popen([BINARY, config, "--sentinel"], stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)
