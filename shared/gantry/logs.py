"""structlog, configured once per process: JSON lines on stdout, or colours on a terminal."""

from __future__ import annotations

import logging
import sys
from typing import Any

import orjson
import structlog

# Libraries that log every request (httpx with the whole URL, in which a key may stand) or speak to a terminal.
_CHATTY = ("aiohttp", "asyncio", "httpcore", "httpx", "uvicorn")


def configure(service: str, *, instance: str, level: str, form: str = "") -> None:
    """Send every log line, our libraries' too, through structlog. `form`: json, console, or empty to choose."""
    console = form == "console" or (not form and sys.stdout.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer(serializer=_json)
    )
    last = [renderer] if console else [structlog.processors.format_exc_info, renderer]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[remove, *last]))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(service=service, instance=instance)


def _json(record: dict[str, Any], **_: object) -> str:
    return orjson.dumps(record, default=repr).decode()
