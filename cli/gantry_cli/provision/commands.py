"""`gantry provision`: wiring only."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, NoReturn

import typer

from gantry import topology
from gantry.errors import SettingsError
from gantry.runtime import EX_CONFIG
from gantry.settings import load
from gantry_cli.arguments import TargetOption, Which
from gantry_cli.asking import Json, asker
from gantry_cli.output import Output
from gantry_cli.provision import naming, run, verify
from gantry_cli.provision.config import Config
from gantry_cli.provision.run import Asked, Session

app = typer.Typer(
    no_args_is_help=True,
    help="What the platform's groups must be for our measures: compare, set right, and check that nothing is lost.",
)

EvdType = Annotated[
    str | None, typer.Option(help="Type of the entities of a group that is made.", show_default="TrafficFlowObserved")
]
CrowdType = Annotated[
    str | None, typer.Option(help="Type of the entities of a group that is made.", show_default="CrowdFlowObserved")
]


@app.command()
def plan(
    ctx: typer.Context,
    target: TargetOption = None,
    evd_type: EvdType = None,
    crowd_type: CrowdType = None,
    as_json: Json = False,
) -> None:
    """What would be made and changed. Exit 0: nothing, 1: something, 2: the platform cannot be asked."""
    _do(ctx, lambda session: run.plan(session, _asked(target, evd_type, crowd_type, as_json=as_json)))


@app.command()
def apply(
    ctx: typer.Context,
    target: TargetOption = None,
    evd_type: EvdType = None,
    crowd_type: CrowdType = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Do what the plan says; attributes of others stay, nothing is deleted. Exit 0: it is as it must be."""
    confirm = _confirm(yes=yes)
    _do(ctx, lambda session: run.apply(session, _asked(target, evd_type, crowd_type), confirm))


@app.command(name="verify")
def _verify(
    ctx: typer.Context,
    target: TargetOption = None,
    device: Annotated[str, typer.Option(help="Read this device's entity back.", show_default="delivered last")] = "",
    send: Annotated[
        str, typer.Option(help="Send one test measure as this device, and read it back.", metavar="DEVICE")
    ] = "",
    as_json: Json = False,
) -> None:
    """Is anything lost behind a receipt? Reads only, without --send. Exit 0: no, 1: yes, 2: cannot be asked."""
    if device and send:
        raise typer.BadParameter("--device and --send exclude each other")
    if send and not naming.is_safe(send):
        raise typer.BadParameter("no id that a broker takes", param_hint="--send")
    look = verify.Look(device, send)
    _do(ctx, lambda session: verify.run(session, _asked(target, None, None, as_json=as_json), look))


def _asked(target: Which | None, evd_type: str | None, crowd_type: str | None, *, as_json: bool = False) -> Asked:
    return Asked(
        targets=target.names if target else topology.TARGETS, types=run.types_of(evd_type, crowd_type), as_json=as_json
    )


def _confirm(*, yes: bool) -> Callable[[str], bool] | None:
    if yes:
        return lambda _: True
    return typer.confirm if sys.stdin.isatty() else None


def _do(ctx: typer.Context, work: Callable[[Session], Awaitable[int]]) -> NoReturn:
    out = Output()
    try:
        config = load(Config, asker(ctx).environ())
        raise typer.Exit(asyncio.run(run.within(config, out, work)))
    except SettingsError as error:
        for problem in error.problems:
            out.error(problem)
        raise typer.Exit(EX_CONFIG) from None
