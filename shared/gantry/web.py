"""uvicorn inside our own loop: our signals, our logs, our stop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import uvicorn

from gantry.errors import CannotListen


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # runtime.py alone handles signals


async def serve(app: Any, *, host: str, port: int, stop: asyncio.Event, **options: Any) -> None:
    """Serve an ASGI app until `stop`, then finish what is in hand. Raises CannotListen."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        **{"http": "httptools", "ws": "none", "timeout_graceful_shutdown": 10, **options},
    )
    server = _Server(config)
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(_serve(server, host, port))
        stopping = group.create_task(stop.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        stopping.cancel()


async def _serve(server: uvicorn.Server, host: str, port: int) -> None:
    try:
        await server.serve()
    except SystemExit as error:  # what uvicorn does when it cannot listen
        raise CannotListen(f"cannot listen on {host}:{port}: another process has it, or it is forbidden") from error
