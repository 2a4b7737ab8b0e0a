"""A spool is copied while its ingest writes: the copy opens, and has every entry that waited all the time."""

from __future__ import annotations

import contextlib
import io
import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gantry.event import RawEntry
from gantry_cli.backup import archive, folders
from gantry_cli.backup.archive import Writer
from gantry_cli.backup.manifest import CONFIG, FORMAT, LOG, SPOOL, BackupProblem, Head, Server
from gantry_cli.backup.placing import Staging
from ingest_dahua.spool import Spool

HEAD = Head(format=FORMAT, gantry="0", site="s", at="now")
SERVER = Server(product="redis", version="7", image="REDIS0010")
ROUNDS = 12


def an_entry(number: int) -> RawEntry:
    return RawEntry(id=f"e{number}", src="r", dev="r/0", seq=number, t_dev="", t_rx=1, body=b"x" * 3000)


@contextlib.contextmanager
def busy(spool: Spool) -> Iterator[None]:
    """Appends and deletes as fast as it can, so that the log is begun anew again and again."""
    stop, failed = threading.Event(), []

    def work() -> None:
        try:
            for _ in itertools.count():
                if stop.is_set():
                    return
                entries = [an_entry(number) for number in spool.numbers(40)]
                spool.append(entries)
                spool.delete(entries)
        except Exception as error:  # noqa: BLE001 - told to the test's own thread
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert failed == []


def restored(content: bytes, kind: str, folder: Path) -> None:
    with Staging({kind: folder}) as staging:
        staging.put(archive.read(io.BytesIO(content), staging), "")


def test_a_spool_that_is_written_meanwhile_is_copied_whole(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "live", "camera:1", max_bytes=1 << 30)
    waiting = [an_entry(number) for number in spool.numbers(30)]
    spool.append(waiting)
    with busy(spool):
        for number in range(ROUNDS):
            out = io.BytesIO()
            writer = Writer(out, HEAD)
            assert folders.add_spools(writer, tmp_path / "live") == 1
            writer.finish(SERVER, 1, {})
            restored(out.getvalue(), SPOOL, tmp_path / f"copy-{number}")
    spool.close()
    for number in range(ROUNDS):
        copy = Spool(tmp_path / f"copy-{number}", "camera:1", max_bytes=1 << 30)
        assert copy.id == spool.id
        assert copy.oldest(30, 1 << 30) == waiting
        copy.close()


class Interrupted(Writer):
    """While the first database is copied, its log is written back and begun anew."""

    def __init__(self, out: io.BytesIO, spool: Spool) -> None:
        super().__init__(out, HEAD)
        self.spool, self.begun = spool, 0

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[Callable[[bytes], None]]:
        self.begun += 1
        with super().part(name) as write:
            yield write
        if self.begun == 1:
            for _ in range(60):
                entries = [an_entry(number) for number in self.spool.numbers(40)]
                self.spool.append(entries)
                self.spool.delete(entries[:-1])


def test_a_log_that_is_begun_anew_meanwhile_makes_the_copy_begin_anew(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "live", "r", max_bytes=1 << 30)
    out = io.BytesIO()
    writer = Interrupted(out, spool)
    folders.add_spools(writer, tmp_path / "live")
    writer.finish(SERVER, 1, {})
    waiting = spool.oldest(1000, 1 << 30)
    spool.close()
    assert writer.begun == 4
    restored(out.getvalue(), SPOOL, tmp_path / "copy")
    copy = Spool(tmp_path / "copy", "r", max_bytes=1 << 30)
    assert copy.oldest(1000, 1 << 30) == waiting
    copy.close()


class Closed(Interrupted):
    """After the first try its ingest goes, and its log with it."""

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[Callable[[bytes], None]]:
        self.begun += 1
        with Writer.part(self, name) as write:
            yield write
        if self.begun == 2:
            self.spool.delete(self.spool.oldest(1000, 1 << 30))
            self.spool.append([an_entry(number) for number in self.spool.numbers(5)])
            self.spool.close()


def test_a_log_that_is_gone_in_the_second_try_is_not_that_of_the_first(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "live", "r", max_bytes=1 << 30)
    spool.append([an_entry(number) for number in spool.numbers(50)])
    out = io.BytesIO()
    writer = Closed(out, spool)
    folders.add_spools(writer, tmp_path / "live")
    writer.finish(SERVER, 1, {})
    assert writer.begun == 3
    restored(out.getvalue(), SPOOL, tmp_path / "copy")
    copy = Spool(tmp_path / "copy", "r", max_bytes=1 << 30)
    assert [entry.seq for entry in copy.oldest(1000, 1 << 30)] == list(range(51, 56))
    copy.close()


def test_the_numbers_of_a_restored_spool_go_on_behind_those_that_were_given(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "live", "r", max_bytes=1 << 30)
    last = spool.numbers(5)[-1]
    out = io.BytesIO()
    writer = Writer(out, HEAD)
    folders.add_spools(writer, tmp_path / "live")
    writer.finish(SERVER, 1, {})
    spool.close()
    restored(out.getvalue(), SPOOL, tmp_path / "copy")
    copy = Spool(tmp_path / "copy", "r", max_bytes=1 << 30)
    assert copy.numbers(1)[0] > last
    copy.close()


def test_a_damaged_spool_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    live = tmp_path / "live"
    spool = Spool(live, "r", max_bytes=1 << 30)
    spool.append([an_entry(number) for number in spool.numbers(200)])
    spool.close()
    path = live / "r.sqlite"
    content = bytearray(path.read_bytes())
    content[4096:12288] = bytes(8192)
    path.write_bytes(content)
    out = io.BytesIO()
    writer = Writer(out, HEAD)
    folders.add_spools(writer, live)
    writer.finish(SERVER, 1, {})
    with pytest.raises(BackupProblem, match=r"r\.sqlite in the archive is damaged"):
        restored(out.getvalue(), SPOOL, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_of_the_configuration_only_the_four_known_files_are_taken(tmp_path: Path) -> None:
    live = tmp_path / "live"
    live.mkdir()
    for name in ("allowlist.txt", "devices.toml", "ca.key", ".env"):
        (live / name).write_text(name, encoding="utf-8")
    out = io.BytesIO()
    writer = Writer(out, HEAD)
    assert folders.add_configuration(writer, live) == 2
    writer.finish(SERVER, 1, {})
    restored(out.getvalue(), CONFIG, tmp_path / "copy")
    assert {path.name for path in (tmp_path / "copy").iterdir()} == {"allowlist.txt", "devices.toml"}
    restored(out.getvalue(), CONFIG, tmp_path / "copy")  # the same files are no obstacle
    (tmp_path / "copy" / "allowlist.txt").write_text("other", encoding="utf-8")
    with pytest.raises(BackupProblem, match=r"allowlist\.txt differs"):
        restored(out.getvalue(), CONFIG, tmp_path / "copy")


def test_of_the_log_only_whole_lines_are_taken(tmp_path: Path) -> None:
    live = tmp_path / "live"
    live.mkdir()
    (live / "events.json").write_text('{"a":1}\n{"b":2}\n{"tor', encoding="utf-8")
    (live / "events-20260101T000000.000000Z.json.gz").write_bytes(b"packed")
    out = io.BytesIO()
    writer = Writer(out, HEAD)
    assert folders.add_log(writer, live) == 2
    writer.finish(SERVER, 1, {})
    restored(out.getvalue(), LOG, tmp_path / "copy")
    assert (tmp_path / "copy" / "events.json").read_text(encoding="utf-8") == '{"a":1}\n{"b":2}\n'
    with pytest.raises(BackupProblem, match="leave out --log"):
        folders.add_log(Writer(io.BytesIO(), HEAD), tmp_path)
