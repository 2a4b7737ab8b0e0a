"""What the pages, the API, the login and the actions are built of; `__main__` fills it once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dashboard.config import Config
from dashboard.live import Live
from dashboard.reading import Reading
from dashboard.texts import Texts
from gantry.clock import Clock
from gantry.eventlog import EventLog
from gantry.streams.books import Books
from gantry.streams.client import Client
from gantry.streams.controls import Controls
from gantry.streams.letters import Letters
from gantry.streams.scripts import Once
from gantry.topology import Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """One of each."""

    config: Config
    client: Client
    calls: Once
    keys: Topology
    clock: Clock
    books: Books
    controls: Controls
    letters: Letters
    log: EventLog
    reading: Reading
    live: Live
    texts: Texts
    access: Any  # access.gate.Access
