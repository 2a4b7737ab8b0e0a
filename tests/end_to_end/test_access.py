"""The whole of Gantry with each service under its own user: everything works, and the server refused nothing."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from builders import Stage, patient
from dead_letters import put_event
from end_to_end.rig import Rig
from gantry.embedded import Embedded, valkey_binary
from gantry.streams.access import LOOK, USERS, acl_file
from gantry.topology import Topology
from gantry_cli import __main__
from gantry_cli.asking import Asker
from wait import until

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(120)]

EVENTS = 120
OPERATOR = "the-operators-own"
PAGES = ("/", "/devices", "/events", "/letters", "/streams", "/configuration", "/actions-log", "/api/status")
ACTS = {
    "pause": {"target": "evd", "for": "60"},
    "resume": {"target": "evd"},
    "breaker": {"target": "evd", "verb": "reset"},
}
SERVICES = ("publisher", "processor", "journal", "dashboard", "ingest-axis", "ingest-dahua")


class WithUsers(Embedded):
    """A server with Gantry's users, and one more for the tests."""

    @property
    def url(self) -> str:
        return self.url_of("tests")

    def url_of(self, user: str) -> str:
        return f"unix://{user}:password-of-{user}@{self.socket}"

    def write_users(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        named = [user for user in USERS if user != LOOK]
        digests = {user: hashlib.sha256(f"password-of-{user}".encode()).hexdigest() for user in named}
        everything = "user tests on nopass ~* &* +@all\n"
        (self.folder / "users.acl").write_text(acl_file(digests) + everything, encoding="ascii")


@pytest.fixture
async def city(tmp_path: Path) -> AsyncIterator[Rig]:
    folder, binary = tmp_path / "redis", Path(os.environ.get("RIG_SERVER") or valkey_binary())
    options = ("--aclfile", str(folder / "users.acl"))
    server = WithUsers(folder, binary=binary, maxmemory="256mb", options=options, user=LOOK)
    server.write_users()
    server.start()
    made = Rig(tmp_path, server, {"RUNTIME_DIR": str(tmp_path / "runtime"), "DASHBOARD_PASSWORD": OPERATOR})
    made.settings["DASHBOARD_PORT"] = str(made.ports.free(0))
    await made.client.execute_command("ACL", "LOG", "RESET")  # of whoever looked whether the server had started
    try:
        yield made
    finally:
        await made.stop()


def serve(city: Rig, *names: str) -> None:
    for name in names:
        city.service(name, REDIS_URL=city.server.url_of(name))


async def gantry(city: Rig, line: str, *, user: str = "gantry", codes: tuple[int, ...] = (0,)) -> str:
    """The command line, as that user; what it says."""
    given = Asker(lambda: {**city.settings, "REDIS_URL": city.server.url_of(user), "USER": "anna"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(__main__, "_ASKER", given)
        result = await asyncio.to_thread(CliRunner().invoke, __main__.app, line.split(), obj=given)
    assert result.exit_code in codes, f"gantry {line}: {result.exit_code}: {result.output}"
    return result.output


async def refused(city: Rig) -> list[str]:
    """What the server has refused to anybody."""
    rows = await city.client.execute_command("ACL", "LOG")
    return [f"{row['username']}: {row['reason']} {row['object']}" for row in map(_texts, rows)]


def _texts(row: dict[bytes, object]) -> dict[str, object]:
    return {k.decode(): v.decode() if isinstance(v, bytes) else v for k, v in row.items()}


async def test_each_service_has_what_it_needs_and_no_more_is_asked(city: Rig) -> None:
    await city.agent(record=False)
    await city.recorder("--generate", "--rate", "100", "--events", str(EVENTS), "--channels", "3", "--seed", "9")
    serve(city, *SERVICES)
    spare = city.service("publisher", "spare", INSTANCE="spare", REDIS_URL=city.server.url_of("publisher"))
    await city.ready(*SERVICES, spare)
    city.counter("--counters", "1", "--interval", "1", "--history-hours", "1", "--pushes", "1", "--seed", "9")
    assert "has read its users again" in await gantry(city, "access load", user="admin")
    await city.reaches("received", EVENTS + 1)
    city.kill(spare)  # the other one strikes it off, once it is not taken for alive any more
    await city.client.delete(Topology().alive("publisher", "spare"))
    await put_event(_stage(city), 1)
    await put_event(_stage(city), 2)
    await city.drained()
    await the_operator_asks_and_acts(city)
    await everything_is_shown(city)
    await struck_off(city, spare)
    audit = await city.drained()
    assert audit.differences == []
    assert await refused(city) == []
    assert [city.log(name) for name in SERVICES if "NOPERM" in city.log(name) or "ermission" in city.log(name)] == []


def _stage(city: Rig) -> Stage:
    return Stage(city.client, patient(city.client))


async def the_operator_asks_and_acts(city: Rig) -> None:
    fields = await city.client.hkeys("gantry:{main}:lane-state:evd")
    device = fields[0].decode().rpartition(":")[0]
    await gantry(city, "status", codes=(0, 1))
    for line in (
        *("streams", "pause evd --for 1m --reason trial", "resume evd", "breaker open evd --reason trial"),
        *(
            "breaker reset evd",
            f"hold {device} --reason trial",
            "hold",
            f"release {device}",
            "dead list",
            "password --reader",
        ),
        *("audit", f"backup {city.folder / 'all.tar'}"),
    ):
        await gantry(city, line)
    await gantry(city, "dead drop --all", codes=(2,))  # counted; nobody is there to confirm it


async def everything_is_shown(city: Rig) -> None:
    letter = await put_event(_stage(city), 3)
    home = f"http://127.0.0.1:{city.settings['DASHBOARD_PORT']}"
    async with httpx.AsyncClient(base_url=home, headers={"origin": home}, timeout=20, trust_env=False) as browser:
        answer = await browser.post("/login", data={"name": "operator", "password": OPERATOR})
        assert answer.status_code == 303, answer.text
        for path in (*PAGES, f"/letters/{letter}"):
            assert (await browser.get(path)).status_code == 200, path
        token = re.search(r'name="csrf" value="([^"]+)"', (await browser.get("/letters")).text)
        assert token
        for path, fields in {**ACTS, "letters": {"verb": "retry", "id": letter}}.items():
            answer = await browser.post(f"/actions/{path}", data={"csrf": token[1], "reason": "trial", **fields})
            assert answer.status_code == 303, f"{path}: {answer.text}"
            assert "ok" in (await browser.get(answer.headers["location"])).text
        assert (await browser.post("/logout", data={"csrf": token[1]})).status_code == 303


async def struck_off(city: Rig, name: str) -> None:
    async def gone() -> bool:
        rows = await city.client.xinfo_consumers("gantry:{main}:events", "publisher")
        return len(rows) == 2  # `lanes`, and the one that lives

    await until(gone, f"{name} to be struck off", within_s=40)
