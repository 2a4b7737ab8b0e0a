"""events.json: one line for the end of every event, its file names, and bounded reading.

The journal writes; the dashboard reads the same folder, from another process or container. Every call of the reader
blocks: give it a thread.
"""

from __future__ import annotations

from gantry.eventlog.line import Line
from gantry.eventlog.reading import EventLog, Page
from gantry.eventlog.wanted import Wanted

__all__ = ["EventLog", "Line", "Page", "Wanted"]
