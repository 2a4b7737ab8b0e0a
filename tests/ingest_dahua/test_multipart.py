"""Framing: the same parts from any chunking, and every reported quirk of real firmware."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest
from dahua_bytes import HEARTBEAT, body, cut, fed, part
from hypothesis import given
from hypothesis import strategies as st

from ingest_dahua.multipart import HEADER_CAP, PART_CAP, Framing

SIZES = [1, 2, 3, 7, 64, 1024, 0]
START, STOP = body(), body(action="Stop")
BEAT = b"Heartbeat"
NO_DATA = b"Code=VideoMotion;action=Start;index=0"
PULSE = b"Code=TimeChange;action=Pulse;index=0;data=null\n"
BROKEN = b'Code=CrossLineDetection;action=Start;index=1;data={"Name" : "x'
GBK = body(data={"Name": "@"}).replace(b"@", "车牌誠".encode("gb18030"))
FACE = body("FaceDetection", data={"Faces": [{"Note": "x" * 40, "N": n} for n in range(70)]})
STYLES = {
    "length right": part(START),
    "no blank behind the colon": part(START).replace(b"Length: ", b"Length:"),
    "length counts the next line break": part(START, length=len(START) + 2),
}
QUIRKS: dict[str, tuple[bytes, list[bytes], int]] = {  # stream, bodies, mismatches
    "plain": (HEARTBEAT + part(START) + part(STOP) + HEARTBEAT, [BEAT, START, STOP, BEAT], 0),
    "line break before the first boundary": (b"\r\n" + part(START), [START], 0),
    "no blank behind the colon": (STYLES["no blank behind the colon"] + HEARTBEAT, [START, BEAT], 0),
    "no length": (
        part(START).replace(b"Content-Length: %d\r\n" % len(START), b"") + HEARTBEAT,
        [START.rstrip(), BEAT],
        0,
    ),
    "no length, no data": (
        b"--myboundary\r\nContent-Type: text/plain\r\n\r\n" + NO_DATA + b"\r\n" + HEARTBEAT,
        [NO_DATA, BEAT],
        0,
    ),
    "no blank line": (part(START, blank=b"") + part(NO_DATA, blank=b"") + HEARTBEAT, [START, NO_DATA, BEAT], 0),
    "no blank line before a heartbeat": (part(BEAT, blank=b"") + HEARTBEAT, [BEAT, BEAT], 0),
    "one line break too many": (part(b"\r\n" + START, length=len(START)) + HEARTBEAT, [START, BEAT], 0),
    "blank in the boundary": (part(START, head=b"-- myboundary\r\n") + HEARTBEAT, [START, BEAT], 0),
    "stray status line": (
        HEARTBEAT + b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Type: multipart/x-mixed-replace\r\n\r\n" + part(START),
        [BEAT, START],
        0,
    ),
    "stray status line inside a part": (
        b"--myboundary\r\nHTTP/1.0 200 OK\r\n" + part(START, head=b"") + HEARTBEAT,
        [START, BEAT],
        0,
    ),
    "length 100 too much": (part(START, length=len(START) + 100) + HEARTBEAT, [START.rstrip(), BEAT], 1),
    "length 8 too much": (part(START, length=len(START) + 8) + HEARTBEAT, [START.rstrip(), BEAT], 1),
    "length counts the line breaks": (part(START, length=len(START) + 4) + HEARTBEAT, [START + b"\r\n\r\n", BEAT], 0),
    "length 10 too little": (part(START, length=len(START) - 10) + HEARTBEAT, [START.rstrip(), BEAT], 1),
    "length beyond belief": (part(START, length=10**11) + HEARTBEAT, [START.rstrip(), BEAT], 0),
    "length too little for an event without data": (
        part(NO_DATA, length=len(NO_DATA) - 2) + HEARTBEAT,
        [NO_DATA[:-2], BEAT],
        1,
    ),
    "text behind the part": (part(START) + b"and more\r\nof it\r\n" + HEARTBEAT, [START, BEAT], 1),
    "only line feeds": ((part(START) + HEARTBEAT + part(STOP)).replace(b"\r\n", b"\n"), [START, BEAT, STOP], 0),
    "nothing between parts": (part(BEAT).rstrip() + part(START) + part(STOP)[:-4], [BEAT, START, STOP], 0),
    "closing boundary": (part(START) + b"--myboundary--\r\n", [START], 0),
    "parts behind the closing boundary": (part(START) + b"--myboundary--\r\n" + HEARTBEAT, [START, BEAT], 0),
    "closing boundary without line end": (part(START, length=len(START) + 50) + b"--myboundary--", [START.rstrip()], 1),
    "a second event without headers": (part(START) + STOP + HEARTBEAT, [START, STOP.rstrip(), BEAT], 0),
    "empty part": (b"--myboundary\r\nContent-Length: 0\r\n\r\n" + HEARTBEAT, [BEAT], 0),
    "no body before the next boundary": (part(b"", length=30) + part(START), [START], 1),
    "data null": (part(PULSE) + HEARTBEAT, [PULSE, BEAT], 0),
    "broken JSON of the right length": (part(BROKEN) + HEARTBEAT, [BROKEN, BEAT], 1),
    "GBK": (part(GBK) + HEARTBEAT, [GBK, BEAT], 0),
    "NUL tail": (part(START + b"\0") + HEARTBEAT, [START + b"\0", BEAT], 0),
    "5 kB": (part(FACE) + HEARTBEAT, [FACE, BEAT], 0),
    "cut in the middle": (part(START)[:-60] + b"\r\n" + HEARTBEAT, [START[:-56], BEAT], 1),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", QUIRKS)
def test_quirk_in_any_chunking(name: str, size: int) -> None:
    stream, bodies, mismatches = QUIRKS[name]
    got, framing = fed(cut(stream, size))
    assert (got, framing.mismatches) == (bodies, mismatches)


@pytest.mark.parametrize("size", SIZES)
def test_a_truncated_last_part_is_never_emitted(size: int) -> None:
    for kept, truncated in ((20, 0), (80, 1), (len(part(START)) - 30, 1)):
        got, framing = fed(cut(HEARTBEAT + part(START)[:kept], size))
        assert (got, framing.truncated) == ([BEAT], truncated)


@pytest.mark.parametrize("size", SIZES)
def test_an_event_that_is_whole_at_the_end_comes_out_although_its_length_counts_too_much(size: int) -> None:
    got, framing = fed(cut(part(START, length=len(START) + 100), size))
    assert (got, framing.mismatches) == ([START.rstrip()], 1)


@pytest.mark.parametrize("boundary", ["other", "--other"])
def test_another_boundary(boundary: str) -> None:
    stream = part(START, head=b"--other\r\n") + part(BEAT, head=b"--other\r\n")
    assert fed([stream], boundary=boundary)[0] == [START, BEAT]


@pytest.mark.parametrize("style", STYLES)
def test_an_event_comes_out_before_its_next_boundary(style: str) -> None:
    for stream in (STYLES[style], part(START, blank=b""), part(START).replace(b"Content-Length", b"X")):
        end = stream.rindex(b"}") + 2
        extra = 2 if "next line break" in style and b"X:" not in stream else 0
        got, _ = fed(cut(stream[: end + extra], 1), end=False)
        assert [text.rstrip() for text in got] == [START.rstrip()]


@pytest.mark.parametrize("size", [64, 1024, 0])
def test_a_part_beyond_the_cap_is_counted_and_passed_by(size: int) -> None:
    big = body(data={"Note": "x" * 2 * PART_CAP})
    got, framing = fed(cut(part(big) + part(START), size))
    assert (got, framing.oversized) == ([START], 1)


def test_a_header_without_end_is_passed_by() -> None:
    got, framing = fed([b"--myboundary\r\nX: " + b"x" * HEADER_CAP * 3 + b"\r\n\r\n" + part(START)])
    assert (got, framing.oversized) == ([START], 1)


def test_an_image_is_a_part_of_its_type() -> None:
    picture = b"\xff\xd8 ;data={ \xff\xd9"
    stream = part(picture).replace(b"text/plain", b"image/jpeg")
    assert [(got.body, got.content_type) for got in Framing().feed(stream)] == [(picture, "image/jpeg")]


FRAGMENTS = st.one_of(
    st.sampled_from([stream for stream, _, _ in QUIRKS.values()]),
    st.sampled_from(
        [b"--myboundary", b"-- myboundary\n", b"Content-Length: 40\r\n", b"\r\n", b"Code=", b'"', b"{", b"-"]
    ),
    st.binary(max_size=40),
)
STREAMS = st.lists(FRAGMENTS, max_size=8).map(b"".join)


@given(STREAMS, st.lists(st.integers(0, 6000), max_size=12))
def test_any_split_equals_the_whole(stream: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(stream), *(place for place in cuts if place < len(stream))})
    chunks = [stream[a:b] for a, b in itertools.pairwise(places)]
    by_chunks, one = fed(chunks)
    at_once, two = fed([stream])
    by_bytes, three = fed(cut(stream, 1))
    assert by_chunks == at_once == by_bytes
    counts = [(each.mismatches, each.oversized, each.truncated) for each in (one, two, three)]
    assert counts[0] == counts[1] == counts[2]


@given(STREAMS)
def test_no_part_is_emitted_twice_or_invented(stream: bytes) -> None:
    got, _ = fed([stream])
    at = 0
    for text in got:
        at = stream.index(text, at) + len(text)


@pytest.mark.parametrize(
    "unit",
    [
        b"--myboundary\r\n",
        b"--myboundary\r\n\r\nCode=A;data={\n-",
        b"Code=",
        b"\n-",
        b"{",
        b'--myboundary\r\n\r\n{"',
        b"- ",
    ],
    ids=["boundaries", "broken bodies", "codes", "dashes", "braces", "open strings", "almost"],
)
def test_time_grows_no_faster_than_the_stream(unit: bytes) -> None:
    head = b"--myboundary\r\nContent-Length: 1000000\r\n\r\nCode=A;action=Start;index=0;data={"
    once, many = (_seconds(head + unit * (size // len(unit))) for size in (30_000, 240_000))
    assert many < 60 * once + 0.5


def _seconds(stream: bytes) -> float:
    start = time.perf_counter()
    fed(cut(stream, 1))
    fed([stream])
    return time.perf_counter() - start


def test_the_captured_streams(captures: Path) -> None:
    stream = (captures / "dahua" / "attach-ipc-wizmind-2026.raw").read_bytes()
    results = [fed(cut(stream, size)) for size in SIZES]
    assert all(got == results[0][0] for got, _ in results)
    bodies, framing = results[0]
    counts = [sum(word in text for text in bodies) for word in (b"action=Start", b"action=Stop", BEAT)]
    assert counts == [12, 11, 50]
    assert (len(bodies), framing.mismatches) == (73, 0)


def test_captured_events_come_out_before_the_next_boundary(captures: Path) -> None:
    stream = (captures / "dahua" / "attach-ipc-wizmind-2026.raw").read_bytes()
    framing, events = Framing(), 0
    for piece in stream.split(b"--myboundary")[1:]:
        whole = b"--myboundary" + piece.rstrip(b"\r\n") + b"\n" * (b"data=" in piece)
        got = framing.feed(whole)
        framing.feed(piece[len(whole) - len(b"--myboundary") :])
        events += b"Code=" in piece and [part.body for part in got] == [whole.partition(b"\r\n\r\n")[2]]
    assert events == 23


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("attach-ipc-2019-heartbeat.raw", [BEAT]),
        ("attach-ipc-2019-timechange.raw", [b"Code=TimeChange", b"Code=NTPAdjustTime"]),
    ],
)
def test_streams_of_2019(captures: Path, name: str, codes: list[bytes]) -> None:
    stream = (captures / "dahua" / name).read_bytes()
    for size in SIZES:
        got, framing = fed(cut(stream, size))
        assert [text[: len(code)] for text, code in zip(got, codes, strict=True)] == codes
        assert framing.mismatches == 0
