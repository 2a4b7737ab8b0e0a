"""One device, one serial, however its interfaces spell it. Pure."""

from __future__ import annotations

import re

_MAC = re.compile(r"[0-9a-f]{12}")
_SEPARATORS = re.compile(r"[:. -]")


def canonical(serial: str) -> str:
    """A MAC address in any spelling as 12 lower-case hex digits, as counters push it; anything else unchanged.

    Axis devices spell theirs "9c0aa5000001", "9C0AA5000001" and "9C:0A:A5:00:00:01" on different interfaces.
    """
    plain = _SEPARATORS.sub("", serial).lower()
    return plain if _MAC.fullmatch(plain) else serial


def is_mac(serial: str) -> bool:
    """Whether a canonical serial is a MAC address, as that of every Axis device should be."""
    return _MAC.fullmatch(serial) is not None
