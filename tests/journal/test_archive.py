"""Packing and removing older parts."""

from __future__ import annotations

import errno
import gzip
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import logs
import pytest
from logs import T0_MS, a_line, text_of

from gantry.eventlog import EventLog, names
from journal import archive

NOW = datetime.fromtimestamp(T0_MS / 1000, UTC) + timedelta(days=1)


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_parts_are_packed_once(tmp_path: Path) -> None:
    logs.write_plain(tmp_path, a_line(1), at=2)
    logs.write_plain(tmp_path, a_line(3), at=4)
    assert len(archive.pack_all(tmp_path)) == 2
    assert listed(tmp_path) == [f"{logs.stem_of(n)}.json.gz" for n in (2, 4)]
    assert gzip.decompress(names.packed(tmp_path, logs.stem_of(2)).read_bytes()) == text_of(a_line(1))
    assert archive.pack_all(tmp_path) == []


@pytest.mark.parametrize("crash", ["while packing", "before the name", "before the removal"])
def test_what_a_crash_left_half_done_is_finished(tmp_path: Path, crash: str) -> None:
    logs.write_plain(tmp_path, a_line(1), at=2)
    whole = gzip.compress(text_of(a_line(1)))
    left = {"while packing": whole[:20], "before the name": whole}
    if crash in left:
        (tmp_path / f"{logs.stem_of(2)}.json.gz.tmp").write_bytes(left[crash])
    else:
        names.packed(tmp_path, logs.stem_of(2)).write_bytes(whole)
    assert [line.id for line in EventLog(tmp_path).page().lines] == ["e1"]
    archive.pack_all(tmp_path)
    assert listed(tmp_path) == [f"{logs.stem_of(2)}.json.gz"]
    assert [line.id for line in EventLog(tmp_path).page().lines] == ["e1"]


@pytest.mark.parametrize(("where", "step"), [(os, "fsync"), (Path, "rename")])
def test_a_part_that_cannot_be_packed_stays_and_takes_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: object, step: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    logs.write_plain(tmp_path, a_line(1), at=2)
    monkeypatch.setattr(where, step, full)
    with pytest.raises(OSError, match="No space"):
        archive.pack_all(tmp_path)
    assert listed(tmp_path) == [f"{logs.stem_of(2)}.json"]


def test_parts_are_kept_within_count_and_age(tmp_path: Path) -> None:
    for number in range(5):
        logs.write_packed(tmp_path, a_line(number), at=number)
    logs.write_plain(tmp_path, a_line(5), at=5)
    logs.write_current(tmp_path, a_line(6))
    (tmp_path / "notes.txt").write_text("of a person")
    archive.remove_old(tmp_path, keep=4, days=91, now=NOW)
    kept = [f"{logs.stem_of(n)}.json.gz" for n in (2, 3, 4)]
    assert listed(tmp_path) == sorted([*kept, f"{logs.stem_of(5)}.json", names.CURRENT, "notes.txt"])
    removed = archive.remove_old(tmp_path, keep=4, days=1, now=NOW + timedelta(seconds=3.5))
    assert sorted(removed) == [logs.stem_of(2), logs.stem_of(3)]
    assert archive.remove_old(tmp_path / "nowhere", keep=4, days=1, now=NOW) == []
