"""`gantry breaker`: what the breakers say, closing them, and opening one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from gantry.diagnosis import facts, sentences
from gantry.diagnosis.facts import Breaker
from gantry.diagnosis.texts import say
from gantry.streams.controls import LONGEST_OPEN_S, Note
from gantry_cli import arguments
from gantry_cli.arguments import Owner, Reason, Targets
from gantry_cli.asking import Json, Reply, asker
from gantry_cli.connection import Site
from gantry_cli.output import add_row, table
from gantry_cli.recording import SOMEBODY, record

app = typer.Typer(no_args_is_help=True, help="The breaker of each target: status, reset, open.")

For = Annotated[
    int | None,
    typer.Option(
        "--for",
        parser=arguments.bare_seconds,
        metavar="SECONDS",
        help=f"At most {LONGEST_OPEN_S}, which is the default.",
    ),
]


@app.command(name="status")
def _status(ctx: typer.Context, as_json: Json = False) -> None:
    """State, cause, and when the next probe goes."""
    asker(ctx).act(status, as_json=as_json)


@app.command(name="reset")
def _reset(ctx: typer.Context, targets: Targets, as_json: Json = False) -> None:
    """Close it now; its trips stay counted."""
    asker(ctx).act(lambda site: reset(site, targets.names, who=asker(ctx).owner()), as_json=as_json)


@app.command(name="open")
def _open(
    ctx: typer.Context,
    targets: Targets,
    *,
    reason: Reason = "",
    owner: Owner = "",
    for_s: For = None,
    as_json: Json = False,
) -> None:
    """Attempt nothing for a while; then one probe decides."""
    said = (owner or asker(ctx).owner(), arguments.why(reason))
    asker(ctx).act(lambda site: open_(site, targets.names, said, for_s=for_s or LONGEST_OPEN_S), as_json=as_json)


async def status(site: Site) -> Reply:
    """Every breaker."""
    now = await facts.now_ms(site.client)
    found = await facts.breakers(site.controls, now)
    rows = [say(sentences.pause(each, now)) for each in await site.controls.pauses(now)]
    return Reply(_report(found), [_table(found, now), *rows])


async def reset(site: Site, targets: Sequence[str], *, who: str = SOMEBODY) -> Reply:
    """Close them, and say what else stops their targets."""
    rows = []
    for target in targets:
        before = await site.controls.reset_breaker(target)
        was = "was closed before" if before == "closed" else f"is closed; it was {before}"
        rows += [f"the breaker of {target} {was}"]
        rows += await record(site, who, "breaker.reset", target, result=f"was {before}")
    now = await facts.now_ms(site.client)
    rows += [
        f"but {say(sentences.pause(each, now))}" for each in await site.controls.pauses(now) if each.target in targets
    ]
    rows.append("devices that had failed come back within their own back-off, a minute at the most")
    return Reply(_report(await facts.breakers(site.controls, now)), rows)


async def open_(site: Site, targets: Sequence[str], said: tuple[str, str], *, for_s: int) -> Reply:
    """Open them; `said`: owner and reason. Raises Malformed."""
    note, untold = Note(*said), list[str]()
    for target in targets:
        await site.controls.open_breaker(target, note, for_s=for_s)
        untold += await record(site, note.owner, "breaker.open", f"{target}, for {for_s} s: {note.reason}")
    found = await facts.breakers(site.controls, await facts.now_ms(site.client))
    rows = [say(sentences.breaker(each)) for each in found if each.target in targets]
    rows.append("if that probe is taken, it closes by itself; to stop for longer, use `gantry pause`")
    return Reply(_report(found), [*rows, *untold])


def _report(found: Sequence[Breaker]) -> dict[str, object]:
    return {"breakers": [asdict(each) for each in found]}


def _table(found: Sequence[Breaker], now: int) -> Table:
    """One column a target: there are few, and a cause is long."""
    made = table("breakers", "", *(each.target for each in found))
    told = [_told(each, now) for each in found]
    for name in told[0] if told else ():
        add_row(made, [name, *(each[name] for each in told)])
    return made


def _told(each: Breaker, now: int) -> dict[str, str]:
    return {
        "state": each.state,
        "since": say(sentences.since(each.since_ms, now)) if each.since_ms else "the beginning",
        "next": say(sentences.upcoming(each) if each.state != "closed" else sentences.quiet(each)),
        "failures": str(each.failures),
        "trips": str(each.trips),
        "failed last": each.last,
        "cause": say(sentences.cause(each)),
    }
