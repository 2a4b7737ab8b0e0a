"""`gantry dead`: letters wait here for a person, who looks at them, retries them or drops them."""

from __future__ import annotations

import inspect
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from gantry import topology
from gantry.event import LetterClass
from gantry.streams.letters import is_entry_id, is_owner
from gantry_cli import arguments, dead_act, dead_show
from gantry_cli.arguments import Owner
from gantry_cli.asking import Json, asker
from gantry_cli.dead_act import Task
from gantry_cli.dead_choice import Choice, Filters, Moment, moment
from gantry_cli.dead_show import View

app = typer.Typer(
    no_args_is_help=True,
    help="Dead letters: what could not be understood or delivered, kept until a person decides. "
    "Exit codes: 0 done, 1 nothing matched or not all of it was done, 2 not possible.",
)

RATE, FASTEST = 10.0, 1000.0  # letters a second


def _target(word: str) -> str:
    if word not in topology.TARGETS:
        raise typer.BadParameter(f"{word!r} is no target: say {' or '.join(topology.TARGETS)}")
    return word


def _entry(word: str) -> str:
    if not is_entry_id(word):
        raise typer.BadParameter(f"{word!r} is no letter's id, such as 1760000000000-0")
    return word


Ids = Annotated[
    list[str] | None, typer.Argument(metavar="ID", help="Letters, or events by their id.", show_default=False)
]
Everything = Annotated[bool, typer.Option("--all", help="Every letter.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

_WHEN = "2h (ago), or 2026-05-28T03:00 (UTC, unless it says another)."


def _options(  # noqa: PLR0913, PLR0917 - one per option
    kind: Annotated[LetterClass | None, typer.Option("--class", help="Broken, not understood, or refused.")] = None,
    target: Annotated[str | None, typer.Option(parser=_target, metavar="evd|crowd", help="Measures for it.")] = None,
    device: Annotated[
        str | None, typer.Option(parser=arguments.word, metavar="NAME", help="Lane or device; * stands for anything.")
    ] = None,
    reason: Annotated[
        str | None, typer.Option(parser=arguments.word, metavar="PART", help="Part of the reason.")
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(parser=arguments.word, metavar="PART", help="Part of the content or of the platform's answer."),
    ] = None,
    since: Annotated[Moment | None, typer.Option(parser=moment, metavar="TIME", help=f"Dead since {_WHEN}")] = None,
    until: Annotated[Moment | None, typer.Option(parser=moment, metavar="TIME", help="Dead until then.")] = None,
) -> Filters:
    given = {"kind": kind, "target": target, "device": device, "reason": reason, "text": text}
    words = {name: str(word) for name, word in given.items() if word}
    return Filters(**words, since=since, until=until)


def _filtered(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options above in place of its argument `filters`."""
    own = inspect.signature(command, eval_str=True).parameters
    shared = inspect.signature(_options, eval_str=True).parameters

    def run(**given: Any) -> None:
        filters = _options(**{name: given.pop(name) for name in shared})
        command(**given, filters=filters)

    both = [*(p for name, p in own.items() if name != "filters"), *shared.values()]
    keywords = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in both]
    run.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined] # what typer reads
    run.__annotations__ = {p.name: p.annotation for p in both}
    run.__doc__ = command.__doc__
    return run


@app.command(name="list")
@_filtered
def _list(  # noqa: PLR0913 - one per option
    ctx: typer.Context,
    *,
    filters: Filters,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Letters at most.")] = 50,
    oldest: Annotated[bool, typer.Option("--oldest", help="Oldest first.")] = False,
    behind: Annotated[
        str | None, typer.Option("--from", parser=_entry, metavar="ID", help="Go on behind this letter.")
    ] = None,
    summary: Annotated[bool, typer.Option("--summary", help="How many of which kind.")] = False,
    as_json: Json = False,
) -> None:
    """Letters, the newest first."""
    choice, view = Choice(filters=filters), View(limit=limit, oldest=oldest, behind=behind or "")
    if summary:
        asker(ctx).ask(lambda config, out: dead_show.summary(config, out, choice, as_json=as_json))
    asker(ctx).ask(lambda config, out: dead_show.listed(config, out, choice, view, as_json=as_json))


@app.command(name="show")
def _show(ctx: typer.Context, ids: Annotated[list[str], typer.Argument(metavar="ID")], as_json: Json = False) -> None:
    """Everything about a letter: content, reason, the platform's answer."""
    choice = Choice(ids=tuple(ids))
    asker(ctx).ask(lambda config, out: dead_show.shown(config, out, choice, as_json=as_json))


@app.command(name="retry")
@_filtered
def _retry(  # noqa: PLR0913 - one per option
    ctx: typer.Context,
    *,
    filters: Filters,
    ids: Ids = None,
    everything: Everything = False,
    rate: Annotated[float, typer.Option(min=0.1, max=FASTEST, help="Letters a second.")] = RATE,
    owner: Owner = "",
    yes: Yes = False,
) -> None:
    """Try letters again: events go back to the processor, measures behind their lane."""
    choice = Choice(ids=tuple(ids or ()), filters=filters, everything=everything)
    _act(ctx, "retry", choice, owner=owner, yes=yes, per_s=rate)


@app.command(name="drop")
@_filtered
def _drop(
    ctx: typer.Context,
    *,
    filters: Filters,
    ids: Ids = None,
    everything: Everything = False,
    owner: Owner = "",
    yes: Yes = False,
) -> None:
    """Delete letters for good; the ledger keeps them as dropped."""
    choice = Choice(ids=tuple(ids or ()), filters=filters, everything=everything)
    _act(ctx, "drop", choice, owner=owner, yes=yes)


@app.command(name="export")
@_filtered
def _export(
    ctx: typer.Context,
    *,
    filters: Filters,
    ids: Ids = None,
    to: Annotated[Path | None, typer.Option(metavar="FILE", help="Instead of stdout; readable by you alone.")] = None,
) -> None:
    """Letters as NDJSON, one a line, the oldest first."""
    choice = Choice(ids=tuple(ids or ()), filters=filters)
    asker(ctx).ask(lambda config, out: dead_show.export(config, out, choice, to=to))


def _act(
    ctx: typer.Context, verb: Literal["retry", "drop"], choice: Choice, *, owner: str, yes: bool, per_s: float = 0.0
) -> None:
    if not choice.made:
        raise typer.BadParameter("say which letters: ids, filters, or --all")
    name = owner or asker(ctx).owner().partition("@")[0]
    if not is_owner(name):
        raise typer.BadParameter(f"{name!r} cannot stand in the ledger: a word of letters, digits and . @ + - _")
    task = Task(verb=verb, choice=choice, owner=name, confirm=_consent(yes=yes), per_s=per_s)
    asker(ctx).ask(lambda config, out: dead_act.run(config, out, task))


def _consent(*, yes: bool) -> Callable[[str], bool] | None:
    if yes:
        return lambda _: True
    return _ask if sys.stdin.isatty() else None


def _ask(question: str) -> bool:
    """Ask a person; Ctrl-C is a no. The event loop's own handler would wait for the answer."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return typer.confirm(question, default=False)
    except typer.Abort:
        return False
    finally:
        signal.signal(signal.SIGINT, before)
