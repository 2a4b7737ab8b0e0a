"""Running and stopping, the same for every service: settings → logs → loops → SIGTERM → drain → exit code.

Exit codes: 0 stopped as asked, 1 crashed (a supervisor starts it again), 78 stopped while settings were wrong.

SIGHUP means: come back with what the files say now. Settings and files are looked at first; if one is wrong, that is
said and the process goes on as it was. Else it drains and ends with 0, and its supervisor starts it anew.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import structlog
from redis.exceptions import RedisError

from gantry import devices, logs, maps, settings, web
from gantry import health as healthy
from gantry.clock import SystemClock
from gantry.errors import CannotListen, SettingsError
from gantry.settings import Settings
from gantry.streams.scripts import refusal

log = structlog.get_logger()

Worker = Callable[[asyncio.Event], Coroutine[Any, Any, None]]
S = TypeVar("S", bound=Settings)

GRACE_S = 20.0
EX_USAGE, EX_CONFIG = 64, 78  # sysexits.h
CHECK = "--check"


def main(
    service: str,
    kind: type[S],
    serve: Callable[[S, asyncio.Event], Coroutine[Any, Any, None]],
    environ: Mapping[str, str],
) -> int:
    """Run a service to its end; returns the exit code. With `--check` only say what is wrong: 0 nothing, else 78."""
    if arguments := sys.argv[1:]:
        return _checked(service, kind, environ) if arguments == [CHECK] else _misused(service)
    try:
        config = settings.load(kind, environ)
    except SettingsError as error:
        return asyncio.run(_wait_unready(service, kind, error, environ))
    logs.configure(service, instance=config.instance, level=config.log_level, form=config.log_format)
    return asyncio.run(_until_signalled(config, serve, partial(problems_of, kind, environ)))


def problems_of(kind: type[Settings], environ: Mapping[str, str]) -> list[str]:
    """What is wrong with a service's settings and the files of CONFIG_DIR, whoever reads those: one sentence each."""
    try:
        folder = settings.load(kind, environ).config_dir
    except SettingsError as error:
        return error.problems
    return bad_files(folder)


def bad_files(folder: Path) -> list[str]:
    """What is wrong with the files of CONFIG_DIR: one sentence each."""
    problems: list[str] = []
    for load_files in (maps.load, devices.load):
        try:
            load_files(folder)
        except SettingsError as error:
            problems += error.problems
    return problems


def _checked(service: str, kind: type[Settings], environ: Mapping[str, str]) -> int:
    problems = problems_of(kind, environ)
    for problem in problems:
        sys.stderr.write(f"{service}: {problem}\n")
    return EX_CONFIG if problems else 0


def _misused(service: str) -> int:
    sys.stderr.write(f"usage: {service} [{CHECK}]; everything else is a setting in the environment\n")
    return EX_USAGE


async def _until_signalled(
    config: S, serve: Callable[[S, asyncio.Event], Coroutine[Any, Any, None]], problems: Callable[[], list[str]]
) -> int:
    stop = stop_on_signals()
    _on_hangup(partial(_come_back, stop, problems))
    log.info("started", configuration=config.digest(), metrics_port=config.metrics_port)
    try:
        await serve(config, stop)
    except SettingsError as error:  # a file in CONFIG_DIR, read by the composition root before its loops begin
        return await _unready(error, config.metrics_port, stop)
    except Exception as error:  # the process's last boundary: say why it dies, and die
        if isinstance(cause := _first(error), CannotListen):
            log.error("cannot_listen", reason=str(cause))  # noqa: TRY400 - a sentence says it all
        elif isinstance(cause, RedisError) and (reason := refusal(cause)):
            log.error("server_refuses", reason=reason)  # noqa: TRY400 - as above
        else:
            log.exception("crashed")
        return 1
    log.info("stopped")
    return 0


def _on_hangup(react: Callable[[], None]) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, react)


def _come_back(stop: asyncio.Event, problems: Callable[[], list[str]]) -> None:
    if found := problems():
        log.error("reload_refused", problems=found, next="mend it and ask again; what was in force still is")
        return
    log.info("reloading", next="what is in hand is finished, then this process ends, to be started anew")
    stop.set()


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
    health, mended = healthy.Health(SystemClock()), asyncio.Event()
    health.lacks("settings", str(error))

    def come_back() -> None:  # without a look: it was not served before, and its environment may have been mended
        log.info("reloading", next="this process ends, to be started anew")
        mended.set()
        stop.set()

    _on_hangup(come_back)
    await serve_health(health, port)(stop)
    return 0 if mended.is_set() else EX_CONFIG


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
