"""Free ports of this machine."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

_NEXT = 20  # ports above the wanted one that are tried before any other


@dataclass(frozen=True, slots=True)
class Ports:
    """Gives out each port once."""

    host: str = ""  # every address, as the services listen
    _given: set[int] = field(default_factory=set)

    def free(self, wanted: int) -> int:
        """The wanted port, else the next free one above it, else any."""
        for port in (*range(wanted, min(wanted + _NEXT, 65536)), 0):
            found = self._bind(port)
            if found and found not in self._given:
                self._given.add(found)
                return found
        raise OSError("this machine has no free port")

    def _bind(self, port: int) -> int:
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((self.host, port))
            except OSError:
                return 0
            return int(trial.getsockname()[1])
