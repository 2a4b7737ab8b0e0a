"""What has just ended: new entries of `receipts` and `outcomes`, by a plain XREAD that takes them from nobody."""

from __future__ import annotations

from typing import Any

from dashboard.reading import ends
from dashboard.reading.sources import lossy
from gantry.eventlog import Line
from gantry.streams.client import Client
from gantry.topology import Topology

PAGE, MOST_PAGES = 500, 10  # entries a round trip, and round trips at once; what is beyond is only counted


class Tail:
    """Goes on from where it stood."""

    def __init__(self, client: Client, keys: Topology) -> None:
        self._client = client
        self._names = {keys.receipts: ends.RECEIPTS, keys.outcomes: ends.OUTCOMES}
        self._behind: dict[str, str] = {}

    async def to_end(self) -> None:
        """What has ended before is not news."""
        for key in self._names:
            newest: Any = await self._client.xrevrange(key, count=1)
            self._behind[key] = lossy(newest[0][0]) if newest else "0-0"

    async def read(self, most: int) -> tuple[list[Line], int]:
        """The newest lines, at most so many, oldest first; and how many more there were."""
        lines: list[Line] = []
        more = 0
        for _ in range(MOST_PAGES):
            found, full = await self._page()
            together = sorted([*lines, *found], key=lambda line: line.ended or "")
            lines, more = together[-most:], more + max(0, len(together) - most)
            if not full:
                return lines, more
        await self.to_end()
        return lines, more

    async def _page(self) -> tuple[list[Line], bool]:
        """Lines of one read, and whether there may be more."""
        lines: list[Line] = []
        full = False
        behind: dict[Any, Any] = {**self._behind}
        reply: Any = await self._client.xread(behind, count=PAGE)
        for key, rows in reply or ():
            name = lossy(key)
            self._behind[name] = lossy(rows[-1][0])
            full |= len(rows) == PAGE
            for entry, fields in rows:
                lines += ends.of_entry(self._names[name], lossy(entry), fields)
        return lines, full
