"""Whether the interface that leads to the recorders is up, as Linux tells under /sys."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path("/sys/class/net")
_IFF_UP = 0x1  # switched on; `flags` here lacks IFF_RUNNING, which the kernel derives from the operational state
_RUNNING = ("up", "unknown")  # links that cannot tell, ppp and WireGuard among them, stay at `unknown` (RFC 2863)


@dataclass(frozen=True, slots=True)
class Vpn:
    """One interface of this process's network; docker-compose.yml mounts the host's virtual ones there."""

    iface: str
    folder: Path = FOLDER

    def up(self) -> bool:
        """Switched on and running; an interface that is not there is down."""
        try:
            flags = int((self.folder / self.iface / "flags").read_text(encoding="ascii"), 16)
            state = (self.folder / self.iface / "operstate").read_text(encoding="ascii").strip()
        except (OSError, ValueError):  # gone, also between the two; ValueError: what is no number is no flag
            return False
        return bool(flags & _IFF_UP) and state in _RUNNING
