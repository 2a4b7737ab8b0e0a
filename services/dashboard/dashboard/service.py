"""The dashboard's loops: the page's server, the one poller behind all live streams, and what access needs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from starlette.applications import Starlette

from dashboard.config import Config
from gantry import web
from gantry.runtime import Worker, run_workers

GRACE_S = 12.0  # uvicorn gives requests under way ten


async def run(app: Starlette, beside: Sequence[Worker], config: Config, stop: asyncio.Event) -> None:
    """Serve until `stop`, with the loops that work beside. Raises CannotListen."""
    page = partial(_serve, app, config)
    await run_workers([page, *beside], stop, grace_s=GRACE_S)


async def _serve(app: Starlette, config: Config, stop: asyncio.Event) -> None:
    await web.serve(app, host=config.dashboard_host, port=config.dashboard_port, stop=stop)
