"""`gantry hold` and `gantry release`: stop one device, and let it go."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.table import Table

from gantry import topology
from gantry.diagnosis import facts, sentences
from gantry.diagnosis.facts import HeldLane
from gantry.diagnosis.texts import say
from gantry.errors import Malformed
from gantry.streams.controls import By, Changed, Note
from gantry_cli import arguments
from gantry_cli.arguments import Owner, Reason, TargetOption
from gantry_cli.asking import Json, Reply, asker
from gantry_cli.connection import Site
from gantry_cli.output import add_row, table
from gantry_cli.recording import SOMEBODY, record

LISTED = 200  # rows of the table
NEAREST = 3  # names that are suggested for one that is not known

app = typer.Typer()

Device = Annotated[
    str | None,
    typer.Argument(parser=arguments.word, metavar="DEVICE", help="Its id at the platform.", show_default=False),
]
Force = Annotated[bool, typer.Option("--force", help="With --target: also a device that was never seen.")]
AllPlatform = Annotated[bool, typer.Option("--all-platform", help="All that the platform did not know.")]


@app.command(name="hold")
def _hold(  # noqa: PLR0913 - one per option
    ctx: typer.Context,
    device: Device = None,
    *,
    targets: TargetOption = None,
    reason: Reason = "",
    owner: Owner = "",
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Attempt nothing of one device, keep everything. Without a device: what is held."""
    if device is None:
        asker(ctx).act(listing, as_json=as_json)
    said = (owner or asker(ctx).owner(), arguments.why(reason))
    if force and not targets:
        raise typer.BadParameter("--force needs --target: a device that was never seen has no target yet")
    where = targets.names if targets else topology.TARGETS
    asker(ctx).act(lambda site: hold(site, device, where, said, force=force), as_json=as_json)


@app.command(name="release")
def _release(
    ctx: typer.Context,
    device: Device = None,
    *,
    targets: TargetOption = None,
    all_platform: AllPlatform = False,
    as_json: Json = False,
) -> None:
    """Let a held device go: what waits is due now."""
    if all_platform == (device is not None):
        raise typer.BadParameter("name one DEVICE, or say --all-platform")
    where = targets.names if targets else topology.TARGETS
    if device is None:
        asker(ctx).act(lambda site: release_platform(site, where, who=asker(ctx).owner()), as_json=as_json)
    asker(ctx).act(lambda site: release(site, device, where, who=asker(ctx).owner()), as_json=as_json)


async def listing(site: Site) -> Reply:
    """All that is held."""
    held = await _all(site)
    rows: list[str | RenderableType] = [_table(held[:LISTED], await facts.now_ms(site.client))]
    if len(held) > LISTED:
        rows.append(f"and {len(held) - LISTED} more; --json has them all")
    return Reply(_report(held), rows if held else ["nothing is held"])


async def hold(site: Site, device: str, targets: Sequence[str], said: tuple[str, str], *, force: bool = False) -> Reply:
    """Hold it at those of `targets` that know it (with `force`, at all); `said`: owner, reason. Raises Malformed."""
    note = Note(*said)
    known = targets if force else [each for each in targets if await site.controls.knows(each, device)]
    if not known:
        raise Malformed(await _unknown(site, device, targets))
    rows = []
    for target in known:
        rows += _held(target, device, await site.controls.hold(target, device, note))
        rows += await record(site, note.owner, "hold", f"{device} of {target}: {note.reason}")
    return Reply(_report(await _all(site)), rows)


async def release(site: Site, device: str, targets: Sequence[str], *, who: str = SOMEBODY) -> Reply:
    """Let it go at `targets`. Raises Malformed when nobody knows it."""
    changed = {target: await site.controls.release(target, device) for target in targets}
    found = {target: each for target, each in changed.items() if each.found}
    if not found and not any([await site.controls.knows(target, device) for target in targets]):
        raise Malformed(await _unknown(site, device, targets))
    rows = [f"{device} of {target} goes on: {say(sentences.measures(each.waiting))}" for target, each in found.items()]
    untold = list[str]()
    for target in found:
        untold += await record(site, who, "release", f"{device} of {target}")
    return Reply(_report(await _all(site)), [*rows, *untold] or [f"{device} was not held at {' or '.join(targets)}"])


async def release_platform(site: Site, targets: Sequence[str], *, who: str = SOMEBODY) -> Reply:
    """Let go all that the platform did not know: each is tried at once, and held again if it still does not."""
    count = 0
    for held in await _all(site):
        if held.by == By.PLATFORM and held.target in targets:
            count += (await site.controls.release(held.target, held.lane, only=By.PLATFORM)).found
    scope = f"all that the platform holds of {' and '.join(targets)}"
    untold = await record(site, who, "release", scope, count=count)
    return Reply(_report(await _all(site)), [f"{count} device{'s are' if count != 1 else ' is'} tried now", *untold])


def _held(target: str, device: str, changed: Changed) -> list[str]:
    before = ", instead of the hold before" if changed.found else ""
    waiting = say(sentences.measures(changed.waiting))
    rows = [f"{device} of {target} is held until `gantry release {device}`{before}: {waiting}"]
    return [*rows, "  a request is under way; it is still settled"] if changed.under_way else rows


async def _unknown(site: Site, device: str, targets: Sequence[str]) -> str:
    """Why it is refused, with names that may have been meant."""
    near: list[str] = []
    for target in topology.TARGETS:
        known = await site.controls.known(target)
        like = [name for name in known if device.lower() in name.lower()]
        like += difflib.get_close_matches(device, known, n=NEAREST)
        near += [f"{name} ({target})" for name in dict.fromkeys([device] * (device in known) + like)][:NEAREST]
    meant = f"known and like it: {', '.join(near)}" if near else "no device has a name like it"
    return f"no measure of {device!r} has ever come for {' or '.join(targets)}; {meant}"


async def _all(site: Site) -> tuple[HeldLane, ...]:
    return await facts.held_lanes(site.client, site.keys, site.controls)


def _report(held: Sequence[HeldLane]) -> dict[str, object]:
    return {"holds": [asdict(each) for each in held]}


def _table(held: Sequence[HeldLane], now: int) -> Table:
    made = table("held devices", "target", "device", "by", "since", "#waiting", "goes on", "reason")
    for each in held:
        by = each.owner if each.by == By.OPERATOR and each.owner else each.by
        since = say(sentences.since(each.since_ms, now))
        add_row(
            made, [each.target, each.lane, by, since, str(each.waiting), say(sentences.standing(each)), each.reason]
        )
    return made
