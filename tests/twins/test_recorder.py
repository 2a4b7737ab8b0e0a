"""The recorder's twin behaves as recorders do."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator

import httpx
import pytest

from twins.recorder.digest import Door, Login
from twins.recorder.invention import CODES, TIMED, Event, Invention

Start = Callable[..., str]
PATH = "/cgi-bin/eventManager.cgi?action=attach&codes=[All]&heartbeat=1"


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def one(*arguments: str) -> str:
        command = [sys.executable, "-m", "twins.recorder", *arguments]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        out = started[-1].stdout
        assert out
        return str(json.loads(out.readline())["listening"])

    yield one
    for process in started:
        process.terminate()
        _, complaints = process.communicate(timeout=10)
        assert (process.returncode, complaints) == (0, "")


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    auth = httpx.DigestAuth("gantry", "invented-1")
    with httpx.Client(auth=auth, trust_env=False, timeout=10) as client:
        yield client


def read(http: httpx.Client, url: str, enough: Callable[[bytes], bool]) -> bytes:
    got = b""
    with http.stream("GET", url) as response:
        assert response.status_code == 200
        for chunk in response.iter_raw():
            got += chunk
            if enough(got):
                break
    return got


def state(http: httpx.Client, base: str) -> dict[str, object]:
    return dict(http.get(base + "/twin/state", auth=None).json())


def test_it_streams_what_it_lists(start: Start, http: httpx.Client) -> None:
    base = start("--generate", "--rate", "2000", "--events", "500")
    got = read(http, base + PATH, lambda stream: stream.count(b"Code=") >= 500)
    sent = http.get(base + "/twin/sent", auth=None).json()
    assert [row["n"] for row in sent] == list(range(1, 501))
    heads = [part.partition(b";data=")[0].decode() for part in got.split(b"\r\n\r\n") if part.startswith(b"Code=")]
    assert heads == [f"Code={row['code']};action={row['action']};index={row['channel']}" for row in sent]
    assert {row["code"] for row in sent} == set(CODES)
    assert http.get(base + "/twin/sent?from=499", auth=None).json() == sent[498:]
    (connection,) = state(http, base)["connections"]  # type: ignore[misc] # a list
    assert (connection["events"], connection["sent_bytes"] >= len(got)) == (500, True)


def test_lengths_are_right(start: Start, http: httpx.Client) -> None:
    got = read(http, start("--generate", "--rate", "500", "--events", "50") + PATH, lambda s: s.count(b"Code=") >= 50)
    for part in got.split(b"--myboundary\r\n")[1:-1]:
        head, _, rest = part.partition(b"\r\n\r\n")
        length = int(head.rpartition(b"Content-Length: ")[2])
        assert rest[length:].strip() == b""
        assert rest[:length].strip() == rest.strip()


def test_nothing_is_generated_unseen_nor_while_paused(start: Start, http: httpx.Client) -> None:
    base = start("--generate", "--rate", "1000", "--heartbeat", "0.05")
    http.post(base + "/twin/pause", auth=None)
    got = read(http, base + PATH, lambda stream: stream.count(b"Heartbeat") >= 4)
    assert b"Code=" not in got
    http.post(base + "/twin/resume", auth=None)
    assert state(http, base)["generated"] == 0
    read(http, base + PATH, lambda stream: stream.count(b"Code=") >= 10)


def test_it_keeps_a_high_rate(start: Start, http: httpx.Client) -> None:
    base = start("--generate", "--rate", "1500", "--events", "4500")
    begun = time.monotonic()
    read(http, base + PATH, lambda stream: stream.count(b"Code=") >= 4500)
    assert time.monotonic() - begun < 6, "4500 events at 1500 a second"


def test_drop_cuts_the_connection(start: Start, http: httpx.Client) -> None:
    base = start("--heartbeat", "0.05")

    def until_it_ends() -> None:
        with http.stream("GET", base + PATH) as response:
            for _ in response.iter_raw():
                httpx.post(base + "/twin/drop", trust_env=False)

    with contextlib.suppress(httpx.ReadError):  # a reset connection or an ended one, both are cut
        until_it_ends()
    assert state(http, base)["attached"] == 0


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/cgi-bin/other.cgi", 404),
        ("/cgi-bin/eventManager.cgi?action=else", 400),
        ("/cgi-bin/eventManager.cgi?action=attach&heartbeat=61", 400),
        ("/twin/else", 404),
    ],
)
def test_what_it_refuses(start: Start, http: httpx.Client, target: str, status: int) -> None:
    assert http.get(start() + target).status_code == status


def test_only_the_codes_asked_for(start: Start, http: httpx.Client) -> None:
    base = start("--generate", "--rate", "1000")
    path = PATH.replace("All", "TrafficJunction,CrossLineDetection")
    got = read(http, base + path, lambda stream: stream.count(b"Code=") >= 50)
    assert b"SmartMotion" not in got


NOW = 1_790_000_000_000


def invented(count: int, *, codes: tuple[str, ...] = CODES, seed: int = 3) -> list[Event]:
    invention = Invention(random.Random(seed), 3, codes)
    return [event for n in range(count) if (event := invention.next(NOW + n // 5, codes))]


def test_a_seed_repeats_itself() -> None:
    assert invented(300) == invented(300)
    assert invented(300) != invented(300, seed=4)


def test_channel_and_time_name_an_event() -> None:
    events = [event for event in invented(2000, codes=TIMED) if event.action != "Stop"]
    assert len({(event.channel, event.time_ms) for event in events}) == len(events)
    for channel in range(3):
        times = [event.time_ms or 0 for event in events if event.channel == channel]
        assert times == sorted(times)


def test_a_stop_repeats_its_start_once_and_later() -> None:
    events = invented(1000, codes=("CrossLineDetection",))
    starts = {event.event_id: event for event in events if event.action == "Start"}
    stops = [event for event in events if event.action == "Stop"]
    assert len(stops) > 480
    assert max(Counter(stop.event_id for stop in stops).values()) == 1
    for stop in stops:
        start = starts[stop.event_id]
        assert stop.text == start.text.replace(b"action=Start", b"action=Stop")
        assert events.index(stop) > events.index(start)


def test_every_text_is_json_and_only_timed_codes_carry_times() -> None:
    for event in invented(400):
        data = json.loads(event.text.partition(b";data=")[2])
        assert ("UTC" in data) == (event.code in TIMED)
        if event.time_ms is not None:
            assert data["UTC"] * 1000 + data["UTCMS"] == data["RealUTC"] * 1000 + data["UTCMS"] == event.time_ms


def header(door: Door, *, count: str = "00000001", uri: str = "/e?c=[All]", password: str = "p") -> str:
    challenge = door.challenges()[0]
    request = httpx.Request("GET", "http://h" + uri)
    flow = httpx.DigestAuth("u", password).auth_flow(request)
    next(flow)
    answered = flow.send(httpx.Response(401, headers={"www-authenticate": challenge}, request=request))
    return answered.headers["authorization"].replace("nc=00000001", f"nc={count}") if count else ""


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_digest(algorithm: str) -> None:
    door = Door("u", "p", (algorithm,), random.Random(1))
    good = header(door)
    assert door.check(good, "GET", "/e?c=[All]") is Login.OK
    assert door.check(good, "GET", "/e?c=[All]") is Login.STALE, "the same header again"
    assert door.check(header(door), "GET", "/e?c=%5BAll%5D") is Login.OTHER_URI
    assert door.check(header(door), "POST", "/e?c=[All]") is Login.WRONG
    assert door.check(header(door, password="q"), "GET", "/e?c=[All]") is Login.WRONG
    assert door.check(header(door, count="00000002"), "GET", "/e?c=[All]") is Login.WRONG
    assert door.check("", "GET", "/") is Login.MISSING
    assert door.check("Basic dTpw", "GET", "/") is Login.WRONG


def test_a_nonce_for_one_request(start: Start, http: httpx.Client) -> None:
    base = start("--new-nonce-per-request")
    for _ in range(2):
        read(http, base + PATH, lambda stream: b"Heartbeat" in stream)
    assert state(http, base)["logins"] == {"ok": 2, "failed": 0, "challenged": 1}
