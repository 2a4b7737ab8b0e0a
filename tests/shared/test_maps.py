from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from gantry import maps, serials
from gantry.errors import SettingsError

SERIAL = "9C0AA51PAZ00001"


def write(folder: Path, **files: str | bytes) -> Path:
    names = {"allowlist": maps.ALLOWLIST, "serials": maps.SERIALS, "names": maps.NAMES}
    for name, content in files.items():
        (folder / names[name]).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def test_absent_files_are_empty_ones(tmp_path: Path) -> None:
    found = maps.load(tmp_path / "nowhere")
    assert found == maps.Maps()
    assert found.allows("anything")
    assert maps.load(write(tmp_path, allowlist="", serials="", names="{}")) == found


def test_the_three_files(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        allowlist=f"\ufeff# ours\r\n{SERIAL} # gate\r\n\r\n9C:0A:A5:00:00:01\r\n",
        serials=json.dumps({"gate-cam 1": SERIAL, "ivss/3": "CAM3"}),
        names=json.dumps({SERIAL: " North gate ", "9C0AA5000001": "Door"}),
    )
    found = maps.load(folder)
    assert found.allows(SERIAL.lower()) and found.allows("x", "9c0aa5000001") and not found.allows("CAM3")
    assert found.serials == {"gate-cam 1": SERIAL, "ivss/3": "CAM3"}
    assert (found.name_of(SERIAL), found.name_of("9c0aa5000001"), found.name_of("CAM3")) == ("North gate", "Door", "")


def test_a_list_of_nothing_but_comments_allows_all(tmp_path: Path) -> None:
    assert maps.load(write(tmp_path, allowlist="# none yet\n")).allows("any")


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("allowlist", f"# a\n{SERIAL},CAM3\n", "line 2: one serial a line"),
        ("allowlist", f"{SERIAL} CAM3", "line 1: one serial a line"),
        ("allowlist", b"CAM1\nCAM2\n\xff\n", "line 3: not UTF-8"),
        ("allowlist", "A" * 201, "line 1: a text must be 1 to 200"),
        ("serials", '{"a": "b",\n"c": }', "line 2: not JSON"),
        ("serials", '["a"]', "line 1: not a JSON object"),
        ("serials", '{\n"a": "b",\n"c": 7\n}', "line 3: the value of 'c' is not a text"),
        ("serials", '{"a": {"b": "c"}}', "line 1: the value of 'a' is not a text"),
        ("serials", '{"a": ""}', "line 1: a text must be"),
        ("serials", '{"a": "b\\nc"}', "line 1: a text must be"),
        ("serials", '{"a": "b", "a": "c"}', "'a' stands there twice"),
        ("serials", "[" * 100_000, "line 1: nested too deeply"),
        ("serials", '{"a": ' + "1" * 5000 + "}", "a number in it is too long"),
        ("names", b"\xff", "line 1: not UTF-8"),
        ("names", "NaN", "line 1: not a JSON object"),
    ],
)
def test_a_bad_file_is_refused_whole_with_line_and_reason(
    tmp_path: Path, file: str, content: str | bytes, reason: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        maps.load(write(tmp_path, **{file: content}))
    [problem] = caught.value.problems
    assert problem.startswith("CONFIG_DIR: ") and reason in problem


def test_every_bad_file_is_named(tmp_path: Path) -> None:
    (tmp_path / maps.NAMES).mkdir()
    with pytest.raises(SettingsError) as caught:
        maps.load(write(tmp_path, allowlist="a b", serials="{"))
    assert [
        name in problem for name, problem in zip(("allowlist", "machine", "camera"), caught.value.problems, strict=True)
    ]


def test_files_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maps, "MAX_ENTRIES", 2)
    with pytest.raises(SettingsError, match="more than 2 entries"):
        maps.load(write(tmp_path, allowlist="a\nb\nc\n"))
    monkeypatch.setattr(maps, "MAX_BYTES", 4)
    with pytest.raises(SettingsError, match="larger than 4 bytes"):
        maps.load(write(tmp_path, allowlist="a\nb\nc\n"))


@pytest.mark.parametrize(
    ("given", "canonical"),
    [("9C:0A:A5:00:00:01", "9c0aa5000001"), ("9c-0a-a5-00-00-01", "9c0aa5000001"), (SERIAL, SERIAL), ("a:b", "a:b")],
)
def test_a_mac_address_has_one_spelling(given: str, canonical: str) -> None:
    assert serials.canonical(given) == canonical


def test_the_largest_files_are_read_quickly(tmp_path: Path) -> None:
    folder = write(tmp_path, serials=json.dumps({f"machine {n}": f"CAM{n}" for n in range(maps.MAX_ENTRIES)}, indent=1))
    started = time.monotonic()
    assert len(maps.load(folder).serials) == maps.MAX_ENTRIES
    assert time.monotonic() - started < 10
