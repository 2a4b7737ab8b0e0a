"""Stream entries as lines of events.json."""

from __future__ import annotations

import hypothesis.strategies as st
import orjson
import pytest
from hypothesis import given
from streams import entry, outcome, receipt

from gantry.errors import Malformed
from gantry.eventlog.line import encode
from journal.lines import Entry, lines_of

KEYS = ["at", "outcome", "id", "family", "device", "dev", "src", "what", "received", "ended", "detail"]
KEYS += ["target", "seq", "attempts", "receipt", "letter", "measure"]


def test_a_receipt_gives_a_line_per_measure() -> None:
    one, two = map(encode, lines_of(entry("receipts", receipt("a", "b", first=7, attempts=3))))
    assert list(orjson.loads(one)) == KEYS
    assert orjson.loads(two) == {
        "at": "receipts/1760000000000-0/2",
        "outcome": "published",
        "id": "b",
        "family": "EVD",
        "device": "cam",
        "dev": "r/0",
        "src": "r",
        "what": "",
        "received": "2025-10-09T08:53:20.000Z",
        "ended": "2025-10-09T08:53:22.000Z",
        "detail": "",
        "target": "evd",
        "seq": 8,
        "attempts": 3,
        "receipt": "1760000000000-0",
        "letter": None,
        "measure": {"TimeInstant": "2026-03-01T10:00:00.000Z", "count": 1},
    }


def test_seqs_of_retried_letters_need_not_follow_each_other() -> None:
    found = lines_of(entry("receipts", receipt("a", "b", **{"from": 3, "to": 9, "seqs": "3 9"})))
    assert [line.seq for line in found] == [3, 9]


def test_a_published_line_names_its_code_and_its_source() -> None:
    bodies = '{"event":"Crowd"}\n{"event":"x"}\n{"event":1}'
    given = receipt("a", "b", "c", devs="r/0\nB8A44F000000\nr/1", bodies=bodies)
    assert [(line.what, line.src) for line in lines_of(entry("receipts", given))] == [
        ("Crowd", "r"),
        ("x", "axis"),
        ("", "r"),
    ]


def test_a_measure_sent_again_ends_no_event() -> None:
    assert lines_of(entry("receipts", receipt("a", resent=1))) == []


def test_receipts_of_the_version_before_have_lines_without_a_measure() -> None:
    old = receipt("a", "b", seqs=None, devs=None, bodies=None)
    found = lines_of(entry("receipts", old))
    assert [(line.seq, line.dev, line.src, line.measure) for line in found] == [(1, "", "", None), (2, "", "", None)]


def test_receipts_of_the_version_before_with_a_retried_letter_have_lines_too() -> None:
    """The letter had a new number, so the first and the last do not tell those between."""
    gone = receipt("a", "b", "c", seqs=None, devs=None, bodies=None, **{"from": 3, "to": 9})
    assert [line.seq for line in lines_of(entry("receipts", gone))] == [3, None, 9]


@pytest.mark.parametrize("kind", ["filtered", "deduplicated", "dead", "retried", "dropped", "skipped"])
def test_an_outcome_gives_one_line(kind: str) -> None:
    told = {"detail": "stop", "what": "TrafficJunction", "letter": "5-0", "target": "crowd", "lane": "cam", "seq": 4}
    (line,) = lines_of(entry("outcomes", outcome("a", kind, **told)))
    assert (line.at, line.outcome, line.id) == ("outcomes/1760000000000-0", kind, "a")
    assert (line.detail, line.what, line.letter, line.family) == ("stop", "TrafficJunction", "5-0", "CROWD")
    assert (line.device, line.dev, line.src, line.seq) == ("cam", "r/0", "r", 4)
    assert (line.receipt, line.attempts, line.measure) == (None, None, None)


def test_a_measures_letter_is_of_its_devices_source() -> None:
    (line,) = lines_of(entry("outcomes", outcome("a", "dead", src="", dev="north/3")))
    assert line.src == "north"


def test_what_an_outcome_does_not_know_is_null() -> None:
    (line,) = lines_of(entry("outcomes", outcome("a", t_rx="")))
    assert (line.device, line.family, line.received, line.seq, line.letter) == ("r/0", None, None, None, None)


@pytest.mark.parametrize(
    ("stream", "fields"),
    [
        ("outcomes", {}),
        ("outcomes", outcome("a", "published")),
        ("outcomes", outcome("a", "forgotten")),
        ("outcomes", outcome("a", t="yesterday")),
        ("outcomes", outcome("a", t="9" * 18)),
        ("outcomes", outcome("a", t="9" * 5000)),
        ("outcomes", outcome("a", seq="-1")),
        ("outcomes", outcome("a", id=None)),
        ("receipts", {}),
        ("receipts", receipt()),
        ("receipts", receipt("a", n=2)),
        ("receipts", receipt("a", n=999_999_999)),
        ("receipts", receipt("a", "b", bodies="{}")),
        ("receipts", receipt("a", "b", bodies="{}\n[]")),
        ("receipts", receipt("a", bodies="{")),
        ("receipts", receipt("a", t_rx="x")),
        ("receipts", receipt("a", devs="r/0\nr/1")),
        ("receipts", receipt("a", "b", seqs="1")),
        ("receipts", receipt("a", lane=None)),
    ],
)
def test_what_no_service_wrote_is_malformed(stream: str, fields: dict[str, str]) -> None:
    with pytest.raises(Malformed):
        lines_of(entry(stream, fields))


names = st.sampled_from([*receipt("a"), *outcome("a")])
values = st.one_of(st.binary(max_size=20), st.sampled_from([b"1", b"0", b"filtered", b"{}", b"a b", b"a\nb", b"\xff"]))


@given(stream=st.sampled_from(["receipts", "outcomes"]), changes=st.dictionaries(names, values, max_size=4))
def test_anything_is_a_line_or_malformed(stream: str, changes: dict[str, bytes]) -> None:
    base = receipt("a") if stream == "receipts" else outcome("a")
    fields = {name.encode(): value.encode() for name, value in base.items()}
    fields |= {name.encode(): value for name, value in changes.items()}
    try:
        found = lines_of(Entry(stream, "1-0", fields))
    except Malformed:
        return
    for line in found:
        text = encode(line)
        assert text.count(b"\n") == 1
        assert orjson.loads(text)["at"] == line.at
