"""`gantry up`: the server and every service, each as its own process."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from gantry.clock import SystemClock
from gantry.embedded import Embedded, EmbeddedError
from gantry.errors import SettingsError
from gantry.runtime import EX_CONFIG, stop_on_signals
from gantry_cli import plan, running
from gantry_cli.child import Program
from gantry_cli.marker import refusal
from gantry_cli.output import Output
from gantry_cli.ports import Ports
from gantry_cli.supervisor import Supervisor

FOLDER = Path("var/redis")
EX_FAILED = 1


def run(environ: Mapping[str, str], out: Output, *, publishers: int) -> int:
    """Run until SIGINT or SIGTERM; 78 when settings are missing or wrong, 1 when something cannot be started."""
    try:
        choice = plan.choose(environ)
    except SettingsError as error:
        for problem in error.problems:
            out.error(problem)
        return EX_CONFIG
    for service in choice.left_out:
        out.lines([f"{service.name} is left out: none of {', '.join(service.marks)} is set"])
    with running.here() as refused:
        if refused:
            out.error(refused)
            return EX_FAILED
        return _run_here(choice, environ, out, publishers)


def _run_here(choice: plan.Choice, environ: Mapping[str, str], out: Output, publishers: int) -> int:
    server = None
    if not (environ.get("REDIS_URL") or environ.get("REDIS_URL_FILE")):
        server = start_server(out, demo=False)
        if server is None:
            return EX_FAILED
        environ = {**environ, "REDIS_URL": server.url}
    programs = plan.programs(choice, environ, Ports().free, publishers=publishers)
    return asyncio.run(
        _serve(programs, server, out, [f"dashboard: {plan.dashboard_url(environ)}", *endpoints(programs)])
    )


def start_server(out: Output, *, demo: bool) -> Embedded | None:
    """The embedded server in this folder; None when it cannot be had, and said why. Call it in the main thread."""
    if reason := refusal(FOLDER, demo=demo):
        out.error(reason)
        return None
    server = Embedded(FOLDER)
    try:
        server.start()
    except (EmbeddedError, OSError) as error:
        out.error(f"the server cannot be started: {error}")
        return None
    out.lines([f"server: redis-cli -s {server.socket}"])
    return server


async def _serve(programs: Sequence[Program], server: Embedded | None, out: Output, hints: Sequence[str]) -> int:
    stop = stop_on_signals()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, stop.set)  # the terminal was closed
    supervisor = Supervisor(say=lambda sentence: out.lines([f"gantry: {sentence}"]), clock=SystemClock(), server=server)
    try:
        supervisor.start(programs)
        out.lines(hints)
        out.lines(["Ctrl-C stops everything, in flow order"])
        await supervisor.run(stop)
        out.lines(["stopping: what is in hand is finished first"])
    except OSError as error:
        out.error(f"cannot start: {error}")
        return EX_FAILED
    finally:
        await supervisor.stop_all()
    return 0


def endpoints(programs: Sequence[Program]) -> list[str]:
    """Where each process can be asked how it is."""
    return [
        f"metrics of {each.name}: http://127.0.0.1:{each.metrics_port}/metrics"
        for each in programs
        if each.metrics_port
    ]
