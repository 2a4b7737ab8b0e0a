"""One gzipped tar, written and read in one pass: files in pieces, because nobody knows beforehand how long they are.

gantry-backup.json      the head: which format, whose, when
server/snapshot.rdb.000000 …, spool/…, config/…, log/…
manifest.json           last: sizes and sums of all parts; without it the archive is not whole
"""

from __future__ import annotations

import gzip
import hashlib
import re
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Protocol

import msgspec

from gantry_cli.backup import manifest
from gantry_cli.backup.manifest import KINDS, BackupProblem, Head, Manifest, Part

PIECE = 8 << 20  # also what writing and reading take of memory, about
HEAD, LAST = "gantry-backup.json", "manifest.json"
_LEVEL = 1  # the server has compressed its snapshot already
_GZIP = 31  # what zlib calls the form of gzip
_MOST_JSON = 16 << 20  # a log may have 10,000 parts
_NAME = re.compile(rf"((?:{'|'.join(KINDS)})/(?!\.)[A-Za-z0-9._:@+-]{{1,200}})\.([0-9]{{6}})")
_DAMAGED = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError)


class Writer:
    """Writes an archive; everything raises OSError when the other end does not take it."""

    def __init__(self, out: IO[bytes], head: Head) -> None:
        self._out, self._head = out, head
        self._pack = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        self.parts: list[Part] = []
        self._member(HEAD, msgspec.json.encode(head))

    @contextmanager
    def part(self, name: str) -> Iterator[Callable[[bytes], None]]:
        """Hand its bytes to what this gives; it counts when the block ends without an error."""
        held, digest, size, number = bytearray(), hashlib.sha256(), 0, 0

        def write(piece: bytes) -> None:
            nonlocal size, number
            held.extend(piece)
            digest.update(piece)
            size += len(piece)
            if len(held) >= PIECE:
                self._member(f"{name}.{number:06}", bytes(held))
                held.clear()
                number += 1

        yield write
        if held or not number:  # the first piece is always there: it makes an earlier try at this part void
            self._member(f"{name}.{number:06}", bytes(held))
        self.parts.append(Part(name=name, size=size, sha256=digest.hexdigest()))

    def forget(self, count: int) -> None:
        """The newest parts are none: they are written anew, or left out."""
        del self.parts[len(self.parts) - count :]

    def finish(self, server: manifest.Server, schema: int, ledger: dict[str, dict[str, int]]) -> Manifest:
        """The manifest, and the end."""
        made = Manifest(head=self._head, schema=schema, server=server, parts=tuple(self.parts), ledger=ledger)
        self._member(LAST, msgspec.json.format(msgspec.json.encode(made)))
        self._write(bytes(tarfile.RECORDSIZE))
        self._out.write(self._pack.flush())
        return made

    def _member(self, name: str, content: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = len(content), 0o600, int(time.time())
        self._write(info.tobuf(tarfile.PAX_FORMAT))
        self._write(content)
        self._write(bytes(-len(content) % tarfile.BLOCKSIZE))

    def _write(self, content: bytes) -> None:
        self._out.write(self._pack.compress(content))


class Sink(Protocol):
    """Where parts go while they are read."""

    def write(self, part: str, piece: bytes, *, first: bool) -> None:
        """The next bytes of a part; with `first`, whatever came of it before is void. Raises OSError."""
        ...


def read(source: IO[bytes], sink: Sink) -> Manifest:
    """Everything to `sink`; the manifest once all of it has been found whole. Raises BackupProblem, OSError."""
    try:
        with gzip.GzipFile(fileobj=source, mode="rb") as plain, tarfile.open(fileobj=plain, mode="r|") as tar:
            found = _Reading(tar, sink).run()
            while plain.read(PIECE):  # to the checksum of the whole
                pass
            return found
    except _DAMAGED as error:
        raise BackupProblem(f"the archive is damaged or not whole: {error or type(error).__name__}") from error


class _Reading:
    def __init__(self, tar: tarfile.TarFile, sink: Sink) -> None:
        self._tar, self._sink = tar, sink
        self._sums: dict[str, tuple[int, int, hashlib._Hash]] = {}  # part → pieces, bytes, digest

    def run(self) -> Manifest:
        first = self._tar.next()
        if first is None or first.name != HEAD:
            raise BackupProblem("this is no archive of `gantry backup`")
        head = manifest.head(self._content(first, _MOST_JSON))
        while (member := self._tar.next()) is not None:
            if member.name == LAST:
                return self._compared(manifest.read(self._content(member, _MOST_JSON), head))
            self._piece(member)
        raise BackupProblem("the archive is not whole: its end is missing")

    def _piece(self, member: tarfile.TarInfo) -> None:
        found = _NAME.fullmatch(member.name)
        if not found:
            raise BackupProblem(f"the archive holds what no backup writes: {member.name[:100]!r}")
        name = found[1]
        first = int(found[2]) == 0
        pieces, size, digest = (0, 0, hashlib.sha256()) if first else self._sums.get(name, (-1, 0, hashlib.sha256()))
        if int(found[2]) != pieces:
            raise BackupProblem(f"the archive is damaged: pieces of {name} are missing or out of order")
        content = self._content(member, PIECE * 2)
        digest.update(content)
        self._sums[name] = (pieces + 1, size + len(content), digest)
        self._sink.write(name, content, first=first)

    def _content(self, member: tarfile.TarInfo, most: int) -> bytes:
        if not member.isreg() or member.size > most:
            raise BackupProblem(f"the archive holds what no backup writes: {member.name[:100]!r}")
        file = self._tar.extractfile(member)
        content = file.read() if file else b""
        if len(content) != member.size:
            raise BackupProblem("the archive is not whole: its end is missing")
        return content

    def _compared(self, found: Manifest) -> Manifest:
        for part in found.parts:
            _, size, digest = self._sums.get(part.name) or (0, 0, hashlib.sha256())
            if (size, digest.hexdigest()) != (part.size, part.sha256):
                raise BackupProblem(f"the archive is damaged: {part.name} is not what its manifest says")
            if not _NAME.fullmatch(f"{part.name}.000000"):
                raise BackupProblem(f"the archive holds what no backup writes: {part.name[:100]!r}")
        return found
