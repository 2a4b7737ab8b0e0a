"""The API: the answers of the system before this one to the letter, and more beside them."""

from __future__ import annotations

from starlette.routing import BaseRoute

from dashboard.api import routes as listed
from dashboard.parts import Parts


def routes(parts: Parts) -> list[BaseRoute]:
    """Everything under /api, and /healthz."""
    return listed.routes(parts)
