"""The state of a site as `/api/status`, `/api/last/…` and the status files tell it: one document, made in one place.

`gather` asks the server, `document` and `last_document` are pure.
"""

from __future__ import annotations

from gantry.status.document import document, file_document, last_document
from gantry.status.facts import FAMILIES, Facts, Speaker, gather, read_last

__all__ = ["FAMILIES", "Facts", "Speaker", "document", "file_document", "gather", "last_document", "read_last"]
