"""`gantry pause` and `gantry resume`: stop a whole target, and let it go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from gantry.diagnosis import facts, sentences
from gantry.diagnosis.texts import say
from gantry.streams.controls import Note, Pause
from gantry_cli import arguments
from gantry_cli.arguments import OptionalTargets, Owner, Reason, Targets
from gantry_cli.asking import Json, Reply, asker
from gantry_cli.connection import Site
from gantry_cli.recording import SOMEBODY, record

app = typer.Typer()

For = Annotated[
    int | None,
    typer.Option("--for", parser=arguments.seconds, metavar="15m", help="Go on by itself after 90s, 15m, 2h, 1d."),
]


@app.command(name="pause")
def _pause(
    ctx: typer.Context,
    targets: OptionalTargets = None,
    *,
    reason: Reason = "",
    owner: Owner = "",
    for_s: For = None,
    as_json: Json = False,
) -> None:
    """Attempt nothing of a target, keep everything. Without a target: what is paused."""
    names = targets.names if targets else ()
    said = (owner or asker(ctx).owner(), arguments.why(reason) if names else "")
    asker(ctx).act(lambda site: pause(site, names, said, for_s=for_s or 0), as_json=as_json)


@app.command(name="resume")
def _resume(ctx: typer.Context, targets: Targets, as_json: Json = False) -> None:
    """Let a paused target go on."""
    who = asker(ctx).owner()
    asker(ctx).act(lambda site: resume(site, targets.names, who=who), as_json=as_json)


async def pause(site: Site, targets: Sequence[str], said: tuple[str, str], *, for_s: int = 0) -> Reply:
    """Pause all of `targets`, or only list; `said`: owner and reason. Raises Malformed."""
    note = Note(*said) if targets else None
    before, untold = [], list[str]()
    for target in targets:
        if note:
            before.append(await site.controls.pause(target, note, for_s=for_s))
            length = f"for {for_s} s" if for_s else "until resumed"
            untold += await record(site, note.owner, "pause", f"{target}, {length}: {note.reason}")
    now = await facts.now_ms(site.client)
    found = await site.controls.pauses(now)
    if not targets:
        return Reply(_report(found), [say(sentences.pause(each, now)) for each in found] or ["nothing is paused"])
    rows = [say(sentences.pause(each, now)) for each in found if each.target in targets]
    rows += [f"  instead of the pause of {each.target} {say(sentences.blame(each, now))}" for each in before if each]
    return Reply(_report(found), [*rows, "requests under way are still settled; all else is kept, in order", *untold])


async def resume(site: Site, targets: Sequence[str], *, who: str = SOMEBODY) -> Reply:
    """End their pauses, and say what else stops them."""
    ended, untold = dict[str, Pause | None](), list[str]()
    for target in targets:
        ended[target] = await site.controls.resume(target)
        untold += await record(site, who, "resume", target, result="done" if ended[target] else "was not paused")
    now = await facts.now_ms(site.client)
    rows = [
        f"{target} goes on; it was paused {say(sentences.blame(each, now))}" if each else f"{target} was not paused"
        for target, each in ended.items()
    ]
    still = [each for each in await facts.breakers(site.controls, now) if each.target in targets]
    rows += [
        f"but {say(sentences.breaker(each))}: see `gantry breaker status`" for each in still if each.state != "closed"
    ]
    return Reply(_report(await site.controls.pauses(now)), [*rows, *untold])


def _report(found: Sequence[Pause]) -> dict[str, object]:
    return {"pauses": [asdict(each) for each in found]}
