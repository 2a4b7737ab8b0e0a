"""`gantry up --demo`: every service, with twins of the devices and of the agent, and the ledger live."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson
from pydantic import SecretStr
from rich.live import Live

from gantry.clock import SystemClock
from gantry.embedded import Embedded
from gantry.errors import GantryError
from gantry.ledger import Ledger
from gantry.runtime import EX_CONFIG, pause, stop_on_signals
from gantry.settings import Settings
from gantry.streams import groups
from gantry.streams.books import Audit
from gantry_cli import audit, plan, running, table, up, world
from gantry_cli.child import Program
from gantry_cli.connection import NoAnswer, Site, opened
from gantry_cli.output import Output
from gantry_cli.picture import Picture
from gantry_cli.ports import Ports
from gantry_cli.supervisor import Supervisor
from gantry_cli.watch import Watch
from gantry_cli.world import World, near

ROOT = Path("var")
READY_S = 20.0
DRAIN_S = 20.0
LIVE_S, PLAIN_S = 1.0, 3.0  # between two looks: on a terminal, and in a log
EX_FAILED = 1


class DemoFailed(GantryError):
    """The demo cannot go on; the message says why and where to look."""


@dataclass(frozen=True, slots=True)
class _Stage:
    """Everything that plays."""

    world: World
    supervisor: Supervisor
    watch: Watch
    site: Site
    out: Output


def run(outside: Mapping[str, str], here: Mapping[str, str], out: Output, *, publishers: int) -> int:
    """Run until Ctrl-C or DEMO_SECONDS; 0 only when measures were published and the audit balances.

    `outside`: the environment. `here`: the same with .env, which the demo ignores and later commands do not.
    """
    seconds = _seconds(outside)
    if seconds is None:
        out.error("DEMO_SECONDS is not a positive number of seconds")
        return EX_CONFIG
    with running.here() as refused:
        if refused:
            out.error(refused)
            return EX_FAILED
        return _run_here(outside, here, out, seconds, publishers=publishers)


def _run_here(
    outside: Mapping[str, str], here: Mapping[str, str], out: Output, seconds: float, *, publishers: int
) -> int:
    server = up.start_server(out, demo=True)
    if server is None:
        return EX_FAILED
    try:
        ports = Ports()
        scene = world.make(ROOT, ports, now=datetime.now(UTC))
        environ = {**scene.settings(outside), "REDIS_URL": server.url}
        logs = scene.folders.logs
        services = plan.programs(plan.choose(environ), environ, ports.free, publishers=publishers, logs=logs)
    except (GantryError, OSError) as error:
        out.error(f"the demo cannot be prepared: {error}")
        server.stop()
        return EX_FAILED
    hints = _where_to_look(scene, services, server, _asking(here))
    return asyncio.run(_play(scene, services, server, out, seconds, hints))


def _seconds(environ: Mapping[str, str]) -> float | None:
    """DEMO_SECONDS; infinite when it is not set, None when it is wrong."""
    try:
        seconds = float(environ.get("DEMO_SECONDS") or "inf")
    except ValueError:
        return None
    return seconds if seconds > 0 else None


async def _play(
    scene: World, services: list[Program], server: Embedded, out: Output, seconds: float, hints: list[str]
) -> int:
    stop = stop_on_signals()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, stop.set)  # the terminal was closed
    supervisor = Supervisor(say=lambda sentence: out.lines([f"gantry: {sentence}"]), clock=SystemClock(), server=server)
    try:
        async with opened(Settings(redis_url=SecretStr(server.url))) as site:
            stage = _Stage(scene, supervisor, Watch(site, supervisor.alive), site, out)
            await groups.prepare(site.client, site.keys)
            before = (await stage.watch.look()).ledger  # an earlier run's measures prove nothing
            async with _tended(supervisor):
                await _raise_curtain(stage, services)
                out.lines(hints)
                await _show(stage, stop, seconds)
                return await _close(stage, before)
    except (GantryError, OSError) as error:
        out.error(str(error))
        return EX_FAILED
    finally:
        await supervisor.stop_all()
        out.lines(["all stopped"])


@contextlib.asynccontextmanager
async def _tended(supervisor: Supervisor) -> AsyncIterator[None]:
    """What dies is started again, until the block ends."""
    end = asyncio.Event()
    tending = asyncio.create_task(supervisor.run(end))
    try:
        yield
    finally:
        end.set()
        await tending


async def _raise_curtain(stage: _Stage, services: list[Program]) -> None:
    environ = services[0].environ
    agent, recorder = stage.world.agent(environ), stage.world.recorder(environ)
    stage.supervisor.start([agent, recorder])
    for twin in (agent, recorder):
        await _listening(twin)
    stage.supervisor.start([*services, stage.world.counter(environ)])


async def _listening(twin: Program) -> None:
    """Wait until a twin says that it listens. Raises DemoFailed."""
    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        if twin.log and _says_listening(twin.log):
            return
        await asyncio.sleep(0.05)
    raise DemoFailed(f"{twin.name} does not listen after {READY_S:.0f} s; see {twin.log}")


def _says_listening(log: Path) -> bool:
    for line in log.read_bytes().splitlines() if log.exists() else []:
        with contextlib.suppress(orjson.JSONDecodeError):
            said = orjson.loads(line)
            if isinstance(said, dict) and "listening" in said:
                return True
    return False


async def _show(stage: _Stage, stop: asyncio.Event, seconds: float) -> None:
    """The table every second on a terminal, else a line every few, until `stop` or the time is over."""
    console, end = stage.out.console, time.monotonic() + seconds
    live = console.is_terminal
    with Live(console=console, auto_refresh=False, transient=True) if live else contextlib.nullcontext() as screen:
        while not stop.is_set() and time.monotonic() < end:
            await pause(stop, min(LIVE_S if live else PLAIN_S, max(0.0, end - time.monotonic())))
            try:
                picture = await stage.watch.look()
            except NoAnswer as error:
                stage.out.lines([f"gantry: {error}"])
                continue
            if screen:
                screen.update(table.render(picture), refresh=True)
            else:
                stage.out.lines([table.plain(picture)])


async def _close(stage: _Stage, before: Ledger) -> int:
    """Stop what produces, let everything flow out, and settle the accounts."""
    stage.out.lines(["stopping the recorder and the counters; what is under way is delivered"])
    producers = [name for name in (world.RECORDER_NAME, world.COUNTER_NAME) if name in stage.supervisor.children]
    await stage.supervisor.stop(producers)
    picture = await _drained(stage)
    if picture is None:
        raise DemoFailed(f"the server did not answer for {DRAIN_S:.0f} s; see {ROOT}/redis/server.log")
    books = await stage.site.books.audit()
    stage.out.show(table.render(picture))
    stage.out.lines(audit.text(books))
    reason = failure(books, before)
    if reason:
        stage.out.error(f"{reason}; see {near(stage.world.folders.logs)}")
        return EX_FAILED
    return 0


async def _drained(stage: _Stage) -> Picture | None:
    """Wait until nothing is under way any more, within bounds; the last look, None when there was none."""
    end, picture, left = time.monotonic() + DRAIN_S, None, 0
    while time.monotonic() < end:
        with contextlib.suppress(NoAnswer):  # it is being started again
            picture = await stage.watch.look()
            left = picture.ledger.events["in_raw"] + picture.ledger.outcomes["waiting"]
            if not left:
                return picture
        await asyncio.sleep(0.2)
    stage.out.lines([f"gantry: {left} still under way after {DRAIN_S:.0f} s; they stay in the server"])
    return picture


def failure(books: Audit, before: Ledger) -> str:
    """Why the demo was no success; empty when it was."""
    if not books.balanced:
        return "the audit does not balance"
    if books.ledger.outcomes["published"] <= before.outcomes["published"]:
        return "nothing was published"
    return ""


def _where_to_look(scene: World, services: list[Program], server: Embedded, asking: str) -> list[str]:
    runtime = near(scene.folders.runtime)
    return [
        f"dashboard: {plan.dashboard_url(services[0].environ)}",
        f"to act there, log in as {scene.operator}",
        *up.endpoints(services),
        f"what the agent was given: {scene.agent_url}/twin/measures",
        f"ask: {asking} status | streams | audit",
        f"ask the server: redis-cli -s {near(server.socket)}",
        f"logs: {near(scene.folders.logs)}/   secrets of this run: {near(scene.folders.secrets)}/",
        f"the ledger counts from the first demo in this folder; rm -r var/redis {runtime} begins anew",
        "Ctrl-C stops everything, in flow order",
    ]


def _asking(here: Mapping[str, str]) -> str:
    """The command that asks the demo, whatever server and site the settings here name."""
    off = [f"{name}= " for name in ("REDIS_URL", "REDIS_URL_FILE", "GANTRY_SITE") if here.get(name)]
    return "".join(off) + near(Path(plan.script("gantry")[-1]))
