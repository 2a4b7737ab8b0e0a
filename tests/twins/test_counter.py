"""The twin against a receiver that answers as told, over TLS."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gantry import certificates
from gantry.certificates import Folder
from twins.counter import message, people
from twins.counter.message import Look
from twins.counter.people import Counts
from wait import until

FIRST = datetime(2026, 10, 25, tzinfo=UTC)  # in the night when Madrid's 02:00 comes twice


@dataclass
class Receiver:
    """Answers each push with the next code; 0 hangs up, -1 never answers."""

    certs: Folder
    codes: list[int] = field(default_factory=list)
    pushes: list[dict[str, Any]] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(next(line for line in head.lower().split(b"\r\n") if b"content-length" in line).split()[1])
                self.heads.append(head)
                self.pushes.append(json.loads(await reader.readexactly(length)))
                code = self.codes.pop(0) if self.codes else 200
                if code == 0:
                    break
                if code > 0:
                    writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\nLocation: /elsewhere\r\n\r\n" % code)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()

    def times(self, index: int) -> list[str]:
        return [each["utcFrom"] for each in self.pushes[index]["data"]["measurements"]]


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[Receiver]:
    certs = certificates.init(tmp_path / "certs", [], now=datetime.now(UTC))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certs.server_crt, certs.server_key)
    made = Receiver(certs)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=context)
    made.url = f"https://localhost:{server.sockets[0].getsockname()[1]}/axis/retail"
    yield made
    server.close()


@dataclass
class Finished:
    ready: dict[str, Any]
    summary: dict[str, Any]
    record: list[dict[str, Any]]


Run = Callable[..., Any]


@pytest.fixture
def run(receiver: Receiver, tmp_path: Path) -> Run:
    async def run_twin(*options: str, until_pushed: int = 0, trusted: bool = True) -> Finished:
        record = tmp_path / "record"
        given = ["--url", receiver.url, "--token", "a-token", "--interval", "0.05", "--record", str(record)]
        given += ["--ca", str(receiver.certs.ca_crt)] if trusted else []
        command = [sys.executable, "-m", "twins.counter", *given, "--start", FIRST.isoformat(), *options]
        out = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdout=out, env={**os.environ, "TZ": "UTC"})
        if until_pushed:

            async def enough() -> bool:
                return len(receiver.pushes) >= until_pushed

            await until(enough, "pushes came")
            process.send_signal(signal.SIGTERM)
        text, _ = await process.communicate()
        assert process.returncode == 0
        ready, summary = (json.loads(line) for line in text.splitlines())
        return Finished(ready, summary, [json.loads(line) for line in record.read_text().splitlines()])

    return run_twin


async def test_it_pushes_its_history_first_and_then_minute_by_minute(receiver: Receiver, run: Run) -> None:
    done = await run("--history-hours", "2", "--pushes", "3", "--serial", "9c0aa5000001")
    assert [len(receiver.times(i)) for i in range(3)] == [121, 1, 1]
    times = [time for i in range(3) for time in receiver.times(i)]
    assert times == sorted(set(times))
    assert (times[0], times[-1]) == ("2026-10-24T22:00:00Z", "2026-10-25T00:02:00Z")
    assert done.summary == {"produced": 123, "acknowledged": 123, "pushes": 3, "answers": {"200": 3}}
    assert b"authorization: bearer a-token" in receiver.heads[0].lower()


@pytest.mark.parametrize("code", [201, 204, 301, 401, 503, 0])
async def test_only_exactly_200_acknowledges(receiver: Receiver, run: Run, code: int) -> None:
    receiver.codes = [code, code]
    done = await run("--minutes-per-push", "5", "--pushes", "3", "--serial", "9c0aa5000001")
    assert [len(receiver.times(i)) for i in range(3)] == [5, 10, 15]
    assert receiver.times(2)[:10] == receiver.times(1)
    assert (done.summary["produced"], done.summary["acknowledged"]) == (15, 15)
    assert len(receiver.pushes) == 3, "a redirect is not followed, and nothing is retried before the next interval"


async def test_it_gives_up_after_its_time_out(receiver: Receiver, run: Run) -> None:
    receiver.codes = [-1]
    done = await run("--pushes", "2", "--timeout", "0.3")
    assert done.summary["answers"] == {"timeout": 1, "200": 1}
    assert len(receiver.times(1)) == 2


async def test_it_never_pushes_to_a_receiver_that_it_cannot_verify(receiver: Receiver, run: Run) -> None:
    done = await run("--pushes", "2", trusted=False)
    assert receiver.pushes == []
    assert (done.summary["acknowledged"], done.summary["answers"]) == (0, {"ConnectError": 2})


async def test_the_record_says_what_was_pushed(receiver: Receiver, run: Run) -> None:
    receiver.codes = [503]
    done = await run("--history-hours", "3", "--pushes", "3", "--counters", "2")
    acked = [line for line in done.record if line["acked"]]
    produced = [line for line in done.record if not line["acked"]]
    assert len(acked) == len(produced) == 2 * 183
    assert {line["serial"] for line in acked} == set(done.ready["counters"])
    last = {(line["serial"], line["utcFrom"]): line for line in acked}
    for push in receiver.pushes:
        for each in push["data"]["measurements"]:
            line = last[push["sensor"]["serial"], each["utcFrom"]]
            items = {item["direction"]: item["count"] for item in each["items"] or []}
            assert (line["in"], line["out"]) == (items.get("in"), items.get("out"))
    counts = [line["in"] for line in acked]
    assert None in counts
    assert 0 in counts


async def test_the_same_seed_says_the_same(receiver: Receiver, run: Run) -> None:
    for seed in ("5", "5", "6"):
        await run("--history-hours", "1", "--pushes", "1", "--seed", seed)
    assert receiver.pushes[0] == receiver.pushes[1]
    assert receiver.pushes[0] != receiver.pushes[2]


async def test_it_ends_cleanly_when_asked_to(run: Run) -> None:
    done = await run(until_pushed=3)
    assert done.summary["acknowledged"] == done.summary["produced"] >= 3


@pytest.mark.parametrize("product", ["2D", "3D"])
@pytest.mark.parametrize("indented", [True, False])
def test_the_body_is_written_as_devices_write_it(product: message.Product, indented: bool) -> None:
    look = Look(serial="9c0aa5000001", product=product, indented=indented)
    minutes = [people.Minute(FIRST.replace(hour=0, minute=59), Counts(3, 4)), people.Minute(FIRST, None)]
    text = message.body(look, minutes, FIRST.replace(hour=1, second=24))
    document = json.loads(text)
    first, second = document["data"]["measurements"]
    assert document["utcSent"] == "2026-10-25T01:00:24Z"
    assert document["localSent"] == "2026-10-25T02:00:24"
    assert (first["utcFrom"], first["utcTo"]) == ("2026-10-25T00:59:00Z", "2026-10-25T01:00:00Z")
    assert (first["localFrom"], first["localTo"]) == ("2026-10-25T02:59:00", "2026-10-25T02:00:00")
    assert [item["count"] for item in first["items"]] == [3, 4]
    assert all(("adults" in item) is (product == "3D") for item in first["items"])
    assert second["items"] is None
    assert (b'\n    "apiVersion": "0.4"' in text) is indented


def test_without_minutes_it_is_a_test_connection() -> None:
    assert "data" not in json.loads(message.body(Look(serial="9c0aa5000001"), [], FIRST))


def test_few_minutes_are_alike() -> None:
    day = [each.counts for each in people.minutes(1, "9c0aa5000001", FIRST, 1440)]
    assert 5 < day.count(None) < 60
    assert 100 < day.count(Counts(0, 0)) < 300
    alike = [counts for counts in set(day) if counts and counts != Counts(0, 0) and day.count(counts) > 1]
    assert len(alike) < 60
