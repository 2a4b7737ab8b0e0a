"""The version before and this one on the same streams, with a backlog in place: upgrade, both side by side, rollback.

The version before comes out of the history. UPGRADE_BACKLOG makes it longer.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import orjson
import pytest

from end_to_end import comparison
from end_to_end.rig import Rig, rig
from gantry.event import RawEntry, new_event_id
from gantry.streams.inlet import Inlet
from gantry.streams.scripts import Scripts
from gantry.topology import Topology
from gantry_cli.plan import script
from wait import until

BEFORE = os.environ.get("UPGRADE_FROM", "bd8504b")  # the last state before deployment
BACKLOG = int(os.environ.get("UPGRADE_BACKLOG", "25"))  # measures that wait, more each time
MOST = 100_000  # events that the recorder may send; it is asked to stop before
RATE = 100  # events a second, Starts and Stops
ROOT = Path(__file__).parents[2]
FOLDERS = ("shared", "cli", *(f"services/{name}" for name in ("processor", "publisher", "journal", "ingest-dahua")))
MODULES = {"ingest-dahua": "ingest_dahua", "gantry": "gantry_cli"}
OLD, NEW, LATER = "old", "new", "later"
REASON = "a trial of two versions"

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(150 + BACKLOG)]


@pytest.fixture(scope="session")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the version before."""
    git = ("git", "-C", str(ROOT), "archive", BEFORE, "shared", "cli", "services")
    found = subprocess.run(git, capture_output=True, check=False)
    if found.returncode:
        pytest.skip(f"the history does not have {BEFORE}: {found.stderr.decode().strip()[:100]}")
    folder = tmp_path_factory.mktemp("before")
    with tarfile.open(fileobj=io.BytesIO(found.stdout)) as tar:
        tar.extractall(folder)
    return folder


@pytest.fixture(scope="session")
def later(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An invented version after this one: it writes entries of the next schema, and reads both."""
    folder = tmp_path_factory.mktemp("later")
    for name in ("shared", "cli", "services"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (folder / "shared" / "gantry").rglob("*"):
        for old, new in CHANGES.get(path.suffix, ()):
            text = path.read_text(encoding="utf-8")
            path.write_text(text.replace(old, new), encoding="utf-8")
    return folder


CHANGES = {
    ".lua": (("'v', '1'", "'v', '2'"), ("f.v ~= '1'", "f.v ~= '2' and f.v ~= '1'")),
    ".py": (("\nSCHEMA = 1\n", "\nSCHEMA = 2\n"), ("\nREADABLE = (SCHEMA,)", "\nREADABLE = (SCHEMA, SCHEMA - 1)")),
}


@dataclass
class Versions:
    """Services of either version on one rig."""

    whole: Rig
    trees: dict[str, Path]

    def command(self, version: str, name: str, *arguments: str) -> tuple[str, ...]:
        if version == NEW:
            return script(name, *arguments)
        return (sys.executable, "-m", f"{MODULES.get(name, name)}.__main__", *arguments)

    def environ(self, version: str) -> dict[str, str]:
        told = {**os.environ, **self.whole._environ(), **self.whole.settings}
        if version != NEW:
            told["PYTHONPATH"] = os.pathsep.join(str(self.trees[version] / folder) for folder in FOLDERS)
        return told

    async def start(self, version: str, *names: str, ready: bool = True) -> None:
        for name in names:
            process, whole = f"{name}-{version}", self.whole
            port = str(whole.ports.free(0))
            whole.urls[process] = f"http://127.0.0.1:{port}"
            whole._start(process, self.command(version, name), self.environ(version) | {"METRICS_PORT": port})
        if ready:
            await self.whole.ready(*(f"{name}-{version}" for name in names))

    async def stop(self, version: str, *names: str) -> None:
        for name in names:
            child = self.whole.children.pop(f"{name}-{version}")
            assert await child.stop(), f"{name} of the {version} version did not stop"
            assert child.code == 0, f"{name} of the {version} version: {self.whole.log(f'{name}-{version}')[-2000:]}"

    async def swap(self, name: str, frm: str, to: str) -> None:
        """As an operator does: the one goes, the other comes."""
        await self.stop(frm, name)
        await self.start(to, name)

    async def gantry(self, version: str, *arguments: str) -> bytes:
        ran = await asyncio.create_subprocess_exec(
            *self.command(version, "gantry", *arguments), env=self.environ(version), stdout=asyncio.subprocess.PIPE
        )
        out, _ = await ran.communicate()
        assert ran.returncode == 0, out.decode()
        return out

    async def audits_agree(self) -> None:
        """Each version finds nothing wrong with what both wrote."""
        said = await asyncio.gather(*(self.gantry(version, "audit", "--json") for version in (*self.trees, NEW)))
        for audit in map(orjson.loads, said):
            assert audit["balanced"], audit["differences"]


@pytest.fixture
async def both(tmp_path: Path, before: Path):
    async with running(tmp_path) as whole:
        yield Versions(whole, {OLD: before})


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Rig]:
    """The twins; services come and go."""
    settings = {"RUNTIME_DIR": str(folder / "runtime"), "IOTA_CB_COOLDOWN_SEC": "300", "IOTA_CB_OPEN_AFTER": "3"}
    async with rig(folder, **settings) as whole:
        await whole.agent()
        only = ("--generate", "--only", "CrossLineDetection", "--channels", "12", "--seed", "9")
        await whole.recorder(*only, "--rate", str(RATE), "--events", str(MOST))
        yield whole
        await whole.tell("twin-agent", "/twin/outage", {"mode": None})


async def test_the_version_before_really_runs(both: Versions) -> None:
    files = "import gantry.event, publisher.service as p; print(gantry.event.__file__, p.__file__)"
    ask = await asyncio.create_subprocess_exec(
        sys.executable, "-c", files, env=both.environ(OLD), stdout=asyncio.subprocess.PIPE
    )
    found = (await ask.communicate())[0].decode().split()
    assert len(found) == 2 and all(Path(path).is_relative_to(both.trees[OLD]) for path in found)


async def test_a_backlog_outlives_an_upgrade_and_a_rollback(both: Versions) -> None:
    whole = both.whole
    await both.start(OLD, "publisher", "processor", "journal", "ingest-dahua")
    await go_out(whole)

    await outage(whole)  # a backlog of the version before
    await a_letter_and_a_hold(both, OLD, 1)
    await backlog(whole)
    await both.start(NEW, "processor")  # stands by
    await both.stop(OLD, "processor")  # a new processor before an old publisher
    await backlog(whole)
    await both.start(NEW, "publisher")  # both publishers
    await over(both, NEW)
    await go_out(whole)
    await outage(whole)
    await both.audits_agree()
    await both.stop(OLD, "publisher")
    await both.swap("journal", OLD, NEW)
    await ingest(both, OLD, NEW)

    await a_letter_and_a_hold(both, NEW, 2)  # a backlog of this version
    await backlog(whole)
    await ingest(both, NEW, OLD)
    await both.swap("processor", NEW, OLD)  # an old processor before a new publisher
    await backlog(whole)
    await both.start(OLD, "publisher")
    await over(both, OLD)
    await go_out(whole)
    await both.stop(NEW, "publisher")
    await both.swap("journal", NEW, OLD)
    await both.audits_agree()

    await finish(both)
    await compare(whole)


async def all_taken(whole: Rig) -> None:
    """The recorder is quiet, and all that it sent is in the server."""
    await whole.tell("twin-recorder", "/twin/pause")

    async def all_in() -> bool:
        sent = int((await whole.ask("twin-recorder", "/twin/state"))["generated"])
        ledger = await whole.ledger()
        return ledger.received == sent + ledger.events["dead_in"]  # the letters are of nobody's events

    await until(all_in, "all that was sent to be in the server")


async def ingest(both: Versions, frm: str, to: str) -> None:
    """A recorder does not send again what nobody was attached to hear, so it is quiet meanwhile."""
    await all_taken(both.whole)
    await both.swap("ingest-dahua", frm, to)
    await both.whole.tell("twin-recorder", "/twin/resume")


async def outage(whole: Rig) -> None:
    await whole.tell("twin-agent", "/twin/outage", {"mode": "html_503"})


async def over(both: Versions, version: str) -> None:
    await both.whole.tell("twin-agent", "/twin/outage", {"mode": None})
    await both.gantry(version, "breaker", "reset", "all")


async def go_out(whole: Rig) -> None:
    """Some measures reach the platform."""
    await whole.reaches("published", (await whole.ledger()).outcomes["published"] + BACKLOG)


async def backlog(whole: Rig) -> None:
    upto = (await whole.ledger()).outcomes["waiting"] + BACKLOG

    async def waits() -> bool:
        return (await whole.ledger()).outcomes["waiting"] >= upto

    await until(waits, f"a backlog of {upto}", within_s=40)


async def a_letter_and_a_hold(both: Versions, version: str, number: int) -> None:
    """A letter of an event that nobody understands, and a device that is held."""
    now = (await both.whole.ledger()).events["dead_in"]
    entry = RawEntry(
        id=new_event_id(1_760_000_000_000_000 + number),
        src="odd",
        dev="odd/1",
        seq=number,
        t_dev="",
        t_rx=1_760_000_000_000_000 + number,
        body=b"Code=NobodyKnowsThis;action=Start;index=1;data={}",
    )
    await Inlet(Scripts(both.whole.client), Topology(), "odd", quota=100).append("odd", [entry])
    await both.whole.reaches("dead_in", now + 1)
    await both.gantry(version, "hold", f"127.0.0.1-{number}", "--reason", REASON)


async def finish(both: Versions) -> None:
    """The old version lets go of the hold that the new one set, and each retries a letter that the other wrote."""
    await all_taken(both.whole)
    releases = (both.gantry(OLD, "release", "127.0.0.1-2"), both.gantry(NEW, "release", "127.0.0.1-1"))
    await asyncio.gather(*releases)
    await both.gantry(OLD, "dead", "retry", "--all", "--yes", "--owner", "trial")  # they become letters again

    audit = await both.whole.drained()
    assert audit.differences == []
    assert audit.ledger.events["dead_in"] == 2
    await both.gantry(NEW, "dead", "drop", "--all", "--yes", "--owner", "trial")
    await both.audits_agree()


async def compare(whole: Rig) -> None:
    rows = whole.measures()
    got = comparison.arrived(rows)
    sent = await whole.ask("twin-recorder", "/twin/sent?from=1")
    starts = {(f"127.0.0.1-{e['channel']}", comparison.stamp(e["time_ms"])) for e in sent if e["action"] == "Start"}
    assert starts - set(got.counts) == set(), "crossings that never arrived"
    assert comparison.out_of_order(rows) == []
    assert {key for key, count in got.counts.items() if count > 1} == set(), "sent twice"
    assert not crashed(whole)
    told = [line["outcome"] for line in lines(whole.folder / "runtime" / "events.json")]
    assert told.count("published") == len(rows)


def crashed(whole: Rig) -> Sequence[str]:
    words = ("Traceback", '"crashed"', "loop_ended_early", "malformed")
    return [f"{log.name}: {word}" for log in whole.folder.glob("*.log") for word in words if word in log.read_text()]


def lines(path: Path) -> list[dict[str, str]]:
    return [orjson.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# -- what a later version left behind


async def test_what_a_later_version_wrote_waits_for_it_after_a_rollback(tmp_path: Path, later: Path) -> None:
    async with running(tmp_path) as whole:
        both = Versions(whole, {LATER: later})
        await both.start(LATER, "publisher", "processor", "journal", "ingest-dahua")
        await go_out(whole)
        await both.stop(LATER, "journal")
        await go_out(whole)  # receipts that nobody has read
        await both.stop(LATER, "publisher")
        await backlog(whole)  # measures that nobody has pulled
        await both.stop(LATER, "processor")
        await arrive(whole)  # events that nobody has read
        await all_taken(whole)
        await both.stop(LATER, "ingest-dahua")

        for stream in (Topology().raw, Topology().events, Topology().receipts):
            [(_, fields)] = await whole.client.xrevrange(stream, count=1)
            assert fields[b"v"] == b"2"
        left = await whole.ledger()
        await both.start(NEW, "publisher", "processor", "journal", ready=False)
        await both.start(NEW, "ingest-dahua")
        await whole.tell("twin-recorder", "/twin/resume")
        await arrive(whole)  # behind them
        await all_taken(whole)
        for name in ("publisher", "processor", "journal"):
            assert await says_why(whole, f"{name}-{NEW}")
        now = await whole.ledger()
        assert now.events["accepted"] == left.events["accepted"] and now.events["dead_in"] == 0
        assert now.outcomes["waiting"] + now.outcomes["published"] == left.measures
        await both.audits_agree()

        for name in ("publisher", "processor", "journal"):
            await both.swap(name, NEW, LATER)
        audit = await whole.drained()
        assert audit.differences == []
        await until(lambda: all_told(whole), "a line in the log for each measure")
        await compare(whole)


async def arrive(whole: Rig) -> None:
    await whole.reaches("received", (await whole.ledger()).received + BACKLOG)


async def says_why(whole: Rig, process: str) -> str:
    """A process that waits for a later version is not ready, and names the reason."""

    async def named() -> str:
        try:
            missing = (await whole.http.get(f"{whole.urls[process]}/readyz")).json()["missing"]
        except httpx.TransportError:  # it has not begun to listen
            return ""
        return next((reason for reason in missing.values() if "a later version wrote" in reason), "")

    return await until(named, f"{process} to say why it waits")


async def all_told(whole: Rig) -> bool:
    told = [line["outcome"] for line in lines(whole.folder / "runtime" / "events.json")]
    return told.count("published") == len(whole.measures())
