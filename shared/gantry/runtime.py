"""Running and stopping, the same for every service: settings → logs → loops → SIGTERM → drain → exit code.

Exit codes: 0 stopped as asked, 1 crashed (a supervisor starts it again), 78 stopped while settings were wrong.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import structlog

from gantry import health as healthy
from gantry import logs, settings, web
from gantry.clock import SystemClock
from gantry.errors import CannotListen, SettingsError
from gantry.settings import Settings

log = structlog.get_logger()

Worker = Callable[[asyncio.Event], Coroutine[Any, Any, None]]
S = TypeVar("S", bound=Settings)

GRACE_S = 20.0
EX_CONFIG = 78  # sysexits.h


def main(
    service: str,
    kind: type[S],
    serve: Callable[[S, asyncio.Event], Coroutine[Any, Any, None]],
    environ: Mapping[str, str],
) -> int:
    """Run a service to its end; returns the exit code."""
    try:
        config = settings.load(kind, environ)
    except SettingsError as error:
        return asyncio.run(_wait_unready(service, kind, error, environ))
    logs.configure(service, instance=config.instance, level=config.log_level, form=config.log_format)
    return asyncio.run(_until_signalled(config, serve))


async def _until_signalled(config: S, serve: Callable[[S, asyncio.Event], Coroutine[Any, Any, None]]) -> int:
    stop = stop_on_signals()
    log.info("started", configuration=config.digest(), metrics_port=config.metrics_port)
    try:
        await serve(config, stop)
    except SettingsError as error:  # a file in CONFIG_DIR, read by the composition root before its loops begin
        return await _unready(error, config.metrics_port, stop)
    except Exception as error:  # the process's last boundary: say why it dies, and die
        if isinstance(cause := _first(error), CannotListen):
            log.error("cannot_listen", reason=str(cause))  # noqa: TRY400 - a sentence says it all
        else:
            log.exception("crashed")
        return 1
    log.info("stopped")
    return 0


def _first(error: BaseException) -> BaseException:
    """What started it, inside the groups that collect what loops raise."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _wait_unready(service: str, kind: type[Settings], error: SettingsError, environ: Mapping[str, str]) -> int:
    """A service without its settings says which, in one line, and waits unready until it is stopped."""
    logs.configure(service, instance=environ.get("INSTANCE", service), level="info")
    port = environ.get("METRICS_PORT", "")
    default = int(kind.model_fields["metrics_port"].default)
    return await _unready(error, int(port) if port.isdecimal() else default, stop_on_signals())


async def _unready(error: SettingsError, port: int, stop: asyncio.Event) -> int:
    log.error("settings_wrong", problems=error.problems)
    health = healthy.Health(SystemClock())
    health.lacks("settings", str(error))
    await serve_health(health, port)(stop)
    return EX_CONFIG


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def run_workers(workers: Sequence[Worker], stop: asyncio.Event, *, grace_s: float = GRACE_S) -> None:
    """Run loops together until `stop`; those that have not finished `grace_s` later are cancelled.

    What a cancelled loop had in hand stays pending or leased in Redis, and somebody takes it up again.
    A loop that ends early is a bug, and so is one that raises: it stops the others, at once.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_stopping_all(worker, stop)) for worker in workers]
        waiting = group.create_task(stop.wait())
        await asyncio.wait({waiting, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            stop.set()
            log.error("loop_ended_early")
        _, late = await asyncio.wait(tasks, timeout=grace_s)
        for task in late:
            task.cancel()


async def _stopping_all(worker: Worker, stop: asyncio.Event) -> None:
    """A cancellation can be lost inside a call to Redis; the stop signal cannot, so a failure sets that too."""
    try:
        await worker(stop)
    except BaseException:
        stop.set()
        raise


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait until `stop`, at most `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


def serve_health(health: healthy.Health, port: int) -> Worker:
    """The loop that serves /metrics, /healthz and /readyz."""

    async def serve(stop: asyncio.Event) -> None:
        await web.serve(healthy.pages(health), host="0.0.0.0", port=port, stop=stop)  # noqa: S104 - scraped from outside the container

    return serve
