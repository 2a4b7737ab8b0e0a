"""events.json on disk: torn ends, repetitions, rotation, what other hands do."""

from __future__ import annotations

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from logs import a_line, text_of

from gantry.eventlog import names
from journal.logfile import LogFile, Unwritable

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def log(tmp_path: Path) -> LogFile:
    return LogFile(tmp_path / "runtime", sync=True)


def text(log: LogFile) -> bytes:
    return (log._folder / names.CURRENT).read_bytes()


def entries(*numbers: int) -> set[str]:
    return {a_line(number).at for number in numbers}


def test_the_folder_and_the_file_are_made(log: LogFile) -> None:
    assert log.mend(set(), NOW).cut == 0
    log.append(text_of(a_line(1)))
    log.append(text_of(a_line(2), a_line(3)))
    assert text(log) == text_of(a_line(1), a_line(2), a_line(3))
    assert log.size == len(text(log))
    log.close()


@pytest.mark.parametrize("torn", [b"{", b'{"at":"outcomes/17', text_of(a_line(3))[:-1], b"\0" * 5000, b"\0\0\n\0"])
def test_a_torn_end_is_cut_off(log: LogFile, torn: bytes) -> None:
    log.mend(set(), NOW)
    log.append(text_of(a_line(1), a_line(2)) + torn)
    mended = log.mend(entries(2, 3), NOW)
    assert text(log) == text_of(a_line(1), a_line(2))
    assert (mended.cut, mended.written) == (len(torn), entries(2))
    log.append(text_of(a_line(3)))
    assert text(log) == text_of(a_line(1), a_line(2), a_line(3))
    log.close()


def test_what_was_written_after_a_torn_line_goes_with_it_and_is_written_again(log: LogFile) -> None:
    log.mend(set(), NOW)
    log.append(text_of(a_line(1), a_line(2)) + b"\0\0\0\n" + text_of(a_line(3)))
    mended = log.mend(entries(2, 3), NOW)
    assert (text(log), mended.written) == (text_of(a_line(1), a_line(2)), entries(2))
    log.close()


def test_only_the_end_that_is_pending_is_looked_at(log: LogFile) -> None:
    log.mend(set(), NOW)
    log.append(text_of(*map(a_line, range(10))))
    assert log.mend(entries(0, 8, 9, 10), NOW).written == entries(8, 9), "line 7 was acknowledged, so 0 was too"
    log.close()


def test_a_rotated_part_is_looked_at_only_when_the_whole_file_is_pending(log: LogFile) -> None:
    log.mend(set(), NOW)
    log.append(text_of(a_line(1), a_line(2)))
    part = log.rotate(NOW)
    assert names.plain(log._folder, part).read_bytes() == text_of(a_line(1), a_line(2))
    assert log.size == 0
    assert log.mend(entries(2), NOW).written == entries(2), "an acknowledgement that the server forgot"
    log.append(text_of(a_line(3)))
    assert log.mend(entries(2, 3), NOW).written == entries(2, 3)
    assert log.mend(entries(2), NOW).written == set()
    log.close()


def test_two_rotations_at_one_time_give_two_parts(log: LogFile) -> None:
    log.mend(set(), NOW)
    log.append(text_of(a_line(1)))
    first = log.rotate(NOW)
    log.append(text_of(a_line(2)))
    assert log.rotate(NOW) > first
    log.close()


@pytest.mark.parametrize("foreign", [b'{"event":"TrafficJunction"}\n', b"plain words", b'{"at":"x"}\n' * 3])
def test_a_log_that_another_program_began_is_put_away_whole(log: LogFile, foreign: bytes) -> None:
    log._folder.mkdir()
    (log._folder / names.CURRENT).write_bytes(foreign)
    mended = log.mend(set(), NOW)
    assert names.plain(log._folder, mended.foreign).read_bytes() == foreign
    assert text(log) == b""
    log.close()


@pytest.mark.parametrize("cut", range(0, len(text_of(a_line(1))), 7))
def test_our_own_first_line_torn_is_cut_off_not_put_away(log: LogFile, cut: int) -> None:
    log._folder.mkdir()
    (log._folder / names.CURRENT).write_bytes(text_of(a_line(1))[:cut])
    mended = log.mend(set(), NOW)
    assert (mended.foreign, mended.cut, text(log)) == ("", cut, b"")
    log.close()


def test_a_file_that_somebody_moved_takes_no_more_lines(log: LogFile, tmp_path: Path) -> None:
    log.mend(set(), NOW)
    (log._folder / names.CURRENT).rename(tmp_path / "elsewhere")
    with pytest.raises(Unwritable, match="another hand"):
        log.append(text_of(a_line(1)))
    (log._folder / names.CURRENT).write_bytes(b"")
    with pytest.raises(Unwritable, match="another hand"):
        log.rotate(NOW)
    log.mend(set(), NOW)
    log.append(text_of(a_line(1)))
    assert text(log) == text_of(a_line(1))
    log.close()


@pytest.mark.parametrize("step", ["write", "fsync"])
def test_a_batch_that_the_disk_does_not_take_leaves_nothing(
    log: LogFile, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    log.mend(set(), NOW)
    log.append(text_of(a_line(1)))
    write = os.write

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def half(file: int, data: memoryview) -> int:
        if len(data) < 200:
            full()
        return write(file, data[: len(data) // 2])

    with monkeypatch.context() as patch:
        patch.setattr(os, step, full if step == "fsync" else half)
        with pytest.raises(Unwritable, match="No space left on device"):
            log.append(text_of(a_line(2), a_line(3)))
    assert text(log) == text_of(a_line(1))
    log.append(text_of(a_line(2)))
    assert text(log) == text_of(a_line(1), a_line(2))
    log.close()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unwritable, match="Not a directory"):
        LogFile(tmp_path / "file" / "runtime", sync=True).mend(set(), NOW)


def test_without_fsync_none_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_: int) -> None:
        raise AssertionError("fsync")

    monkeypatch.setattr(os, "fsync", never)
    log = LogFile(tmp_path, sync=False)
    log.mend(set(), NOW)
    log.append(text_of(a_line(1)))
    log.rotate(NOW)
    log.close()
