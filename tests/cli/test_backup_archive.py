"""An archive that is damaged, cut off, foreign or hostile is refused with a sentence, and leaves nothing behind."""

from __future__ import annotations

import gzip
import io
import os
import random
import stat
import tarfile
import zlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry_cli.backup import archive, images
from gantry_cli.backup.archive import HEAD, LAST, Writer
from gantry_cli.backup.manifest import CONFIG, FORMAT, SERVER, BackupProblem, Head, Manifest, Server
from gantry_cli.backup.restoring import Places, restore

RDB = b"REDIS0010" + random.Random(1).randbytes(3000) + b"\xff" + bytes(8)
PARTS = {"server/snapshot.rdb": RDB, "config/allowlist.txt": b"SN1\n"}


class Kept:
    """A sink in memory."""

    def __init__(self) -> None:
        self.parts: dict[str, bytes] = {}

    def write(self, part: str, piece: bytes, *, first: bool) -> None:
        self.parts[part] = (b"" if first else self.parts[part]) + piece


def written(parts: dict[str, bytes] | None = None, form: int = FORMAT, schema: int = 1) -> bytes:
    out = io.BytesIO()
    writer = Writer(out, Head(format=form, gantry="0.1.0", site="main", at="2026-01-01T00:00:00+00:00"))
    for name, content in (parts or PARTS).items():
        with writer.part(name) as write:
            write(content)
    writer.finish(Server(product="redis", version="7.0.15", image="REDIS0010"), schema, {"before": {}, "after": {}})
    return out.getvalue()


def tarred(members: list[tuple[str, bytes]], kind: bytes = tarfile.REGTYPE) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(content), kind if "/" in name else tarfile.REGTYPE, "/etc/passwd"
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def members(content: bytes) -> list[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
        return [(member.name, tar.extractfile(member).read()) for member in tar]


@given(st.lists(st.binary(max_size=90), max_size=12))
def test_what_is_written_is_read_again_in_pieces_of_any_size(pieces: list[bytes]) -> None:
    out, kept = io.BytesIO(), Kept()
    archive.PIECE, before = 64, archive.PIECE
    try:
        writer = Writer(out, Head(format=FORMAT, gantry="0", site="s", at="now"))
        with writer.part("spool/r.sqlite") as write:
            for piece in pieces:
                write(piece)
        made = writer.finish(Server(product="redis", version="7", image="REDIS0010"), 1, {})
        out.seek(0)
        assert archive.read(out, kept) == made
    finally:
        archive.PIECE = before
    assert kept.parts == {"spool/r.sqlite": b"".join(pieces)}


def test_a_part_that_is_begun_anew_replaces_what_came_before() -> None:
    out, kept = io.BytesIO(), Kept()
    writer = Writer(out, Head(format=FORMAT, gantry="0", site="s", at="now"))
    for content in (b"torn", b""):
        with writer.part("spool/r.sqlite") as write:
            write(content)
    writer.parts[:1] = []
    writer.finish(Server(product="redis", version="7", image="REDIS0010"), 1, {})
    out.seek(0)
    archive.read(out, kept)
    assert kept.parts == {"spool/r.sqlite": b""}


def refused(content: bytes, folder: Path, product: str = "") -> str:
    with pytest.raises(BackupProblem) as problem:
        restore(io.BytesIO(content), Places(folders={SERVER: folder}, product=product))
    assert not folder.exists(), "something was left behind"
    return str(problem.value)


def test_an_archive_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    whole = written()
    for length in range(0, len(whole), 7):
        assert "not whole" in refused(whole[:length], tmp_path / "redis")


def test_a_changed_byte_anywhere_in_its_content_is_refused(tmp_path: Path) -> None:
    plain = bytearray(gzip.decompress(written()))
    at = plain.index(RDB) + 100
    plain[at] ^= 1
    content = gzip.compress(bytes(plain))
    assert "server/snapshot.rdb is not what its manifest says" in refused(content, tmp_path / "redis")
    whole = written()
    for at in range(12, len(whole), 97):  # behind gzip's own head
        torn = bytearray(whole)
        torn[at] ^= 1
        assert is_the_same(bytes(torn), whole) or refused(bytes(torn), tmp_path / "redis")


def is_the_same(torn: bytes, whole: bytes) -> bool:
    """A bit that the packing does not use."""
    try:
        return gzip.decompress(torn) == gzip.decompress(whole)
    except (OSError, EOFError, zlib.error):
        return False


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "damaged or not whole"),
        (b"not a tar" * 500, "damaged or not whole"),
        (tarred([("readme", b"hello")]), "no archive of `gantry backup`"),
        (tarred([(HEAD, b"{}")]), "no archive of `gantry backup`"),
        (written(form=99), "format 99"),
        (tarred(members(written())[:-1]), "its end is missing"),
        (tarred([m for m in members(written()) if m[0] != "server/snapshot.rdb.000000"]), "not what its manifest says"),
        (tarred([members(written())[0], ("../evil.000000", b"x")]), "what no backup writes"),
        (tarred([members(written())[0], ("server/../../evil.000000", b"x")]), "what no backup writes"),
        (tarred([members(written())[0], ("server/.hidden.000000", b"x")]), "what no backup writes"),
        (tarred([members(written())[0], ("server/link.000000", b"")], tarfile.SYMTYPE), "what no backup writes"),
        (tarred([members(written())[0], ("server/a.000001", b"x")]), "out of order"),
        (tarred([members(written())[0], (LAST, b"{")]), "manifest cannot be read"),
        (written(schema=99), "entries of schema 99"),
        (written({"config/allowlist.txt": b""}), "no snapshot of the server"),
    ],
)
def test_what_is_no_archive_of_ours_is_refused_by_name(content: bytes, sentence: str, tmp_path: Path) -> None:
    assert sentence in refused(content, tmp_path / "redis")


def test_a_manifest_of_another_archive_is_refused(tmp_path: Path) -> None:
    first, *_, last = members(written())
    other = msgspec.json.decode(last[1], type=Manifest)
    moved = msgspec.structs.replace(other, head=msgspec.structs.replace(other.head, site="north"))
    content = tarred([first, *members(written())[1:-1], (LAST, msgspec.json.encode(moved))])
    assert "belongs to another archive" in refused(content, tmp_path / "redis")


@pytest.mark.parametrize(
    ("image", "product", "loads"),
    [
        ("REDIS0010", "redis 7.0", True),
        ("REDIS0010", "valkey 9", True),
        ("REDIS0011", "redis 7.0", False),
        ("REDIS0011", "redis 7.0.15", False),
        ("REDIS0011", "redis 7.2.4", True),
        ("REDIS0011", "valkey 8", True),
        ("REDIS0011", "redis 8.0", True),
        ("REDIS0012", "redis 8", True),
        ("REDIS0012", "redis 7.2", False),
        ("REDIS0012", "valkey 9", False),
        ("REDIS0012", "valkey 8.1", False),
        ("VALKEY080", "valkey 9", True),
        ("VALKEY080", "valkey 8", False),
        ("VALKEY080", "redis 8", False),
        ("REDIS0012", "dragonfly 1", True),  # nobody knows
        ("REDIS0012", "", True),
    ],
)
def test_which_server_loads_which_snapshot(image: str, product: str, *, loads: bool) -> None:
    assert bool(images.refusal(image, product)) is not loads


@pytest.mark.parametrize(
    ("product", "loads"),
    [("redis 9.1", True), ("redis 9", True), ("redis 9.1.4", True), ("redis 9.0", False), ("valkey 10", False)],
)
def test_a_format_that_came_later_is_read_by_who_made_it(product: str, *, loads: bool) -> None:
    assert bool(images.refusal("REDIS0099", product, "redis 9.1.0")) is not loads


def test_a_log_of_many_parts_is_read_again() -> None:
    parts = {f"log/events-20260101T000000.{n:06}Z.json.gz": b"" for n in range(10_000)}
    archive.read(io.BytesIO(written(PARTS | parts)), Kept())


def test_what_loads_the_snapshot_does_not_matter_where_it_is_not_restored(tmp_path: Path) -> None:
    restore(io.BytesIO(written()), Places(folders={}, product="redis 6.0"))
    restore(io.BytesIO(written()), Places(folders={CONFIG: tmp_path}, product="redis 6.0"))
    assert [path.name for path in tmp_path.iterdir()] == ["allowlist.txt"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_what_root_restores_belongs_to_the_folders_owner(tmp_path: Path) -> None:
    os.chown(tmp_path, 999, 998)
    restore(io.BytesIO(written()), Places(folders={SERVER: tmp_path}, product=""))
    found = list(tmp_path.rglob("*"))
    assert {(path.stat().st_uid, path.stat().st_gid) for path in found} == {(999, 998)}
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in found} == {
        "PRODUCT": 0o600,
        "appendonlydir": 0o700,
        "appendonly.aof.1.base.rdb": 0o600,
        "appendonly.aof.manifest": 0o600,
    }
    assert (tmp_path / "PRODUCT").read_text(encoding="utf-8") == "redis 7\n"


def test_a_snapshot_that_the_target_cannot_load_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    assert "cannot be loaded by redis 6.0" in refused(written(), tmp_path / "redis", "redis 6.0")
