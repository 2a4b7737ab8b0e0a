"""A backup in the middle of an outage, everything destroyed, restored elsewhere: nothing that it held is missing."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from end_to_end import comparison
from end_to_end.feed import Feed
from end_to_end.rig import Rig, rig
from gantry.streams.controls import Controls, Note
from gantry.streams.scripts import Scripts
from gantry.topology import TARGETS, Topology
from gantry_cli.backup.manifest import Manifest
from gantry_cli.plan import script
from wait import until

EVENTS = 3000  # more than are sent until the loss
RATE = 120  # a second
QUOTA = 12  # units of a device in the server; what comes beyond waits in the spool
CALM, BACKLOG, MORE = 120, 200, 60  # events before the outage, in it before the backup begins, and before the loss

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(180)]


async def gantry(whole: Rig, *arguments: str, code: int = 0, **environ: str) -> tuple[bytes, str]:
    """Standard output and what was said beside it."""
    told = {**os.environ, **whole._environ(), **whole.settings, **environ}
    ran = await asyncio.create_subprocess_exec(
        *script("gantry", *arguments), env=told, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, said = await ran.communicate()
    assert ran.returncode == code, said.decode()
    return out, said.decode()


async def generated(whole: Rig) -> int:
    return int((await whole.ask("twin-recorder", "/twin/state"))["generated"])


async def sends(whole: Rig, more: int) -> int:
    """Wait until the recorder has sent so many more."""
    upto = await generated(whole) + more

    async def sent() -> int:
        now = await generated(whole)
        return now if now >= upto else 0

    return await until(sent, f"the recorder to send {more} more")


async def all_kept(whole: Rig) -> int:
    """How many events the recorder has sent, each of them in the server or in the spool."""
    await whole.tell("twin-recorder", "/twin/pause")

    async def equal() -> int:
        sent = await generated(whole)
        waits = await whole.metric("ingest-dahua", "gantry_ingest_dahua_spool_entries")
        return sent if (await whole.ledger()).received + waits == sent else 0

    count = await until(equal, "all that was sent to be kept")
    await whole.tell("twin-recorder", "/twin/resume")
    return count


async def start(whole: Rig) -> None:
    for name in ("publisher", "processor", "journal"):
        whole.service(name)
    whole.service("ingest-dahua", DEVICE_QUOTA=str(QUOTA))
    await whole.ready("publisher", "processor", "journal", "ingest-dahua")


async def destroy(whole: Rig) -> None:
    for name in ("ingest-dahua", "processor", "publisher", "journal", "server"):
        whole.kill(name)
    for name in ("redis", "spool", "runtime"):
        shutil.rmtree(whole.folder / name)


async def test_what_a_backup_held_reaches_the_platform(tmp_path: Path) -> None:
    settings = {"RUNTIME_DIR": str(tmp_path / "runtime"), "IOTA_CB_COOLDOWN_SEC": "300", "IOTA_CB_OPEN_AFTER": "3"}
    async with rig(tmp_path, **settings) as whole:
        await whole.client.config_set("repl-diskless-sync-delay", 0)
        await whole.agent()
        only = ("--generate", "--only", "CrossLineDetection", "--channels", "12", "--seed", "7")
        await whole.recorder(*only, "--rate", str(RATE), "--events", str(EVENTS))
        await start(whole)
        await sends(whole, CALM)
        await whole.tell("twin-agent", "/twin/outage", {"mode": "html_503"})
        await sends(whole, BACKLOG)
        held = await all_kept(whole)
        archive, said = await gantry(whole, "backup", "-", "--log")
        assert "1 spool(s)" in said
        await sends(whole, MORE)
        await destroy(whole)

        lost_at = len(whole.measures())
        (tmp_path / "gantry.tar").write_bytes(archive)
        await gantry(whole, "restore", str(tmp_path / "gantry.tar"), "--redis-dir", str(tmp_path / "redis"))
        whole.again("server")
        found = await balanced_between(whole, archive)
        assert found["waiting"] > 0 and len(whole.measures()) == lost_at
        await start(whole)
        await whole.tell("twin-agent", "/twin/outage", {"mode": None})
        await gantry(whole, "breaker", "reset", "all")
        await drained(whole)
        await compare(whole, held)


async def balanced_between(whole: Rig, archive: bytes) -> dict[str, int]:
    """The restored ledger balances, and is one of the archive's instant."""
    out, _ = await gantry(whole, "audit", "--json")
    audit = orjson.loads(out)
    assert audit["balanced"] and not audit["differences"]
    found = {"received": audit["received"], **audit["outcomes"]}
    manifest = manifest_of(archive)
    for name in ("received", "published"):
        assert manifest.ledger["before"][name] <= found[name] <= manifest.ledger["after"][name]
    return found


def manifest_of(archive: bytes) -> Manifest:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        return msgspec.json.decode(tar.extractfile("manifest.json").read(), type=Manifest)


async def drained(whole: Rig) -> None:
    """The spool first: it gives what the quota lets in."""

    async def empty() -> bool:
        return await whole.metric("ingest-dahua", "gantry_ingest_dahua_spool_entries") == 0

    await whole.tell("twin-recorder", "/twin/pause")
    await until(empty, "the spool to be empty", within_s=60)
    audit = await whole.drained()
    assert audit.differences == []


async def compare(whole: Rig, held: int) -> None:
    rows = whole.measures()
    got = comparison.arrived(rows)
    sent = await whole.ask("twin-recorder", "/twin/sent?from=1")
    crossings = [e for e in sent[:held] if e["action"] == "Start"]
    before = {(f"127.0.0.1-{e['channel']}", comparison.stamp(e["time_ms"])) for e in crossings}
    assert len(sent) >= held and before
    assert before - set(got.counts) == set(), "what the backup held and what never arrived"
    assert {key for key, count in got.counts.items() if count > 1} == set(), "arrived twice"
    assert comparison.out_of_order(rows) == []
    await each_has_its_line(whole, len(rows))


async def each_has_its_line(whole: Rig, published: int) -> None:
    """By `at`: what the journal had not read at the snapshot, and wrote before the log was copied, is there twice."""

    def told() -> set[str]:
        text = (whole.folder / "runtime" / "events.json").read_text(encoding="utf-8")
        lines: list[dict[str, Any]] = [orjson.loads(line) for line in text.splitlines()]
        return {line["at"] for line in lines if line["outcome"] == "published"}

    async def all_told() -> bool:
        return len(told()) >= published

    await until(all_told, "a line in the log for each measure")
    assert len(told()) == published


# -- what lies between the backup and the loss


async def paused(whole: Rig, *, yes: bool) -> None:
    controls = Controls(whole.client, Scripts(whole.client), Topology())
    for target in TARGETS:
        await (controls.pause(target, Note("trial", "an outage")) if yes else controls.resume(target))


async def test_what_came_after_the_backup_is_gone_or_goes_out_again(tmp_path: Path) -> None:
    """The producer lives on with its numbers, as a spool does whose server's disk was lost."""
    async with rig(tmp_path, RUNTIME_DIR=str(tmp_path / "runtime")) as whole:
        await whole.client.config_set("repl-diskless-sync-delay", 0)
        await whole.agent()
        for name in ("publisher", "processor"):
            whole.service(name)
        await whole.ready("publisher", "processor")
        feed = Feed(Scripts(whole.client), devices=1)
        await feed.append(5)
        await whole.drained()
        await paused(whole, yes=True)
        await feed.append(5)
        await whole.reaches("accepted", 10)
        archive, _ = await gantry(whole, "backup", "-")
        await feed.append(5)
        await paused(whole, yes=False)
        await whole.drained()
        for name in ("processor", "publisher", "server"):
            whole.kill(name)
        shutil.rmtree(tmp_path / "redis")

        (tmp_path / "gantry.tar").write_bytes(archive)
        where = ("--only", "server", "--redis-dir", str(tmp_path / "redis"))
        await gantry(whole, "restore", str(tmp_path / "gantry.tar"), *where)
        for name in ("server", "publisher", "processor"):
            whole.again(name)
        await paused(whole, yes=False)  # the pause was in the backup, too
        await feed.append(5)
        audit = await whole.drained()
        assert audit.balanced and audit.ledger.received == 15  # 10 of the backup, and 5 that came after the restore
        rows = whole.measures()
        times = Counter(row["body"]["ruleId"] for row in rows)
        assert [times[n] for n in range(1, 21)] == [1] * 5 + [2] * 5 + [1] * 10  # 11 to 15: only before the loss
        assert len({row["body"]["TimeInstant"] for row in rows}) == 20  # what came twice came with the same
        assert comparison.out_of_order(rows) == []
