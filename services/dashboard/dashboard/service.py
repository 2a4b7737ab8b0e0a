"""The dashboard's loops: the page's server, and the one poller behind all live streams."""

from __future__ import annotations

import asyncio
from functools import partial

from starlette.applications import Starlette

from dashboard.config import Config
from dashboard.live import Live
from gantry import web
from gantry.runtime import run_workers

GRACE_S = 12.0  # uvicorn gives requests under way ten


async def run(app: Starlette, live: Live, config: Config, stop: asyncio.Event) -> None:
    """Serve until `stop`. Raises CannotListen."""
    page = partial(_serve, app, config)
    await run_workers([page, live.run], stop, grace_s=GRACE_S)


async def _serve(app: Starlette, config: Config, stop: asyncio.Event) -> None:
    await web.serve(app, host=config.dashboard_host, port=config.dashboard_port, stop=stop)
