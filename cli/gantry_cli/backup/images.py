"""Snapshots of servers: which server reads which. Pure.

The first nine bytes of a snapshot name its format; a server refuses a newer one than its own. Tried with Redis 7.0.15,
8.0.2 and Valkey 9.1.2; the others from the sources of these servers (RDB_VERSION in rdb.h).
"""

from __future__ import annotations

import re

from gantry_cli.backup.manifest import BackupProblem

MAGIC_BYTES = 9
TAIL_BYTES = 9  # the end mark and a checksum of eight bytes
_END = 0xFF
_MAGIC = re.compile(rb"(REDIS)([0-9]{4})|(VALKEY)([0-9]{3})")
_PRODUCT = re.compile(r"(redis|valkey)[ -]?v?([0-9]+)(?:\.([0-9]+))?(?:\.[0-9]+)*")
_REDIS_COMMON = 11  # the last format that both products share
_REDIS = {(6, 0): 9, (7, 0): 10, (7, 2): 11, (7, 4): 12, (8, 0): 12}  # from this version on, the format it writes
_VALKEY = {(7, 2): 11, (9, 0): 80}


def magic(first: bytes) -> str:
    """E.g. REDIS0010 or VALKEY080. Raises BackupProblem for what is no snapshot."""
    if not _MAGIC.fullmatch(first[:MAGIC_BYTES]):
        raise BackupProblem("what the server sent is no snapshot")
    return first[:MAGIC_BYTES].decode()


def complete(tail: bytes) -> bool:
    """Whether a snapshot ends as it should."""
    return len(tail) >= TAIL_BYTES and tail[-TAIL_BYTES] == _END


def refusal(image: str, product: str, maker: str = "") -> str:
    """Why that product (e.g. "valkey 9", "redis 7.0") cannot load the snapshot; empty if it can, or if nobody knows.

    `maker`: who took it. That one reads it, and newer ones of its kind, also in a format that came after this table.
    """
    found, server = _MAGIC.fullmatch(image.encode()), _PRODUCT.fullmatch(product.strip().lower())
    if not found or not server or _as_new(server, _PRODUCT.fullmatch(maker)):
        return ""
    name, number = server[1], int(found[2] or found[4])
    highest = _highest(name, (int(server[2]), int(server[3] or 0)))
    foreign = number > _REDIS_COMMON and (found[3] is not None) != (name == "valkey")
    if highest is None or (number <= highest and not foreign):
        return ""
    return (
        f"a snapshot of format {image} cannot be loaded by {product}: restore it into the product and version that "
        "made it, or a newer one of the same product"
    )


def _as_new(server: re.Match[str], maker: re.Match[str] | None) -> bool:
    if maker is None or maker[1] != server[1]:
        return False
    if server[3] is None:
        return int(server[2]) >= int(maker[2])
    return (int(server[2]), int(server[3])) >= (int(maker[2]), int(maker[3] or 0))


def major(product: str) -> str:
    """A product as the embedded server marks its folder, e.g. "redis 8"."""
    server = _PRODUCT.match(product.strip().lower())
    return f"{server[1]} {server[2]}" if server else product


def _highest(name: str, version: tuple[int, int]) -> int | None:
    """The newest format that this version reads; None for one older than the table."""
    table = _VALKEY if name == "valkey" else _REDIS
    known = [form for since, form in table.items() if since <= version]
    return max(known, default=None)
