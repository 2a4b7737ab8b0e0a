"""The demo's table and its plain line. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gantry.diagnosis import words
from gantry.diagnosis.facts import Breaker
from gantry_cli.picture import Picture


def render(picture: Picture) -> RenderableType:
    """Both ledger lines term by term, then what moves them."""
    ledger = picture.ledger
    return Group(
        Text(f"Gantry, {picture.elapsed_s:.0f} s", style="bold"),
        _line("received", ledger.received, ledger.events, ledger.events_difference),
        _line("measures", ledger.measures, ledger.outcomes, ledger.measures_difference),
        _facts(picture),
    )


def plain(picture: Picture) -> str:
    """One line, for a log."""
    ledger = picture.ledger
    events, measures = words.lines(ledger)
    breakers = " ".join(f"{breaker.target}:{breaker.state}" for breaker in picture.breakers)
    parts = [f"{picture.elapsed_s:3.0f} s", events, measures, _latency(picture), _rates(picture)]
    return " | ".join([*parts, f"breakers {breakers}", *_stopped(picture), _alive(picture)])


def _line(name: str, total: int, terms: Mapping[str, int], difference: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for column in (name, *terms, "="):
        table.add_column("" if column == "=" else column, justify="right", style="bold" if column == name else "")
    verdict = Text(words.verdict(difference), style="red" if difference else "green")
    table.add_row(str(total), *(str(value) for value in terms.values()), verdict)
    return table


def _facts(picture: Picture) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_row("latency", _latency(picture))
    table.add_row("rates", _rates(picture))
    table.add_row("breakers", Text(", ".join(map(_breaker, picture.breakers))))
    if stopped := _stopped(picture):
        table.add_row("stopped", Text("; ".join(stopped), style="yellow"))
    table.add_row("services", Text(_alive(picture), style="" if all(picture.alive.values()) else "red"))
    return table


def _latency(picture: Picture) -> str:
    way = picture.latency
    if way is None:
        return "no receipt yet"
    return f"byte to receipt p50 {way.p50:.0f} ms, p99 {way.p99:.0f} ms ({way.measures} in 10 s)"


def _rates(picture: Picture) -> str:
    return f"{picture.rates.received:.1f}/s received, {picture.rates.published:.1f}/s published"


def _breaker(breaker: Breaker) -> str:
    if breaker.state == "closed":
        return f"{breaker.target} closed"
    return f"{breaker.target} {breaker.state} ({breaker.reason}; {words.duration(breaker.ahead_s)})"


def _stopped(picture: Picture) -> list[str]:
    pauses = [f"{each.target} paused by {each.owner} ({each.reason})" for each in picture.pauses]
    return [*pauses, f"{picture.held} devices held"] if picture.held else pauses


def _alive(picture: Picture) -> str:
    dead = [name for name, lives in picture.alive.items() if not lives]
    lives = f"{len(picture.alive) - len(dead)} of {len(picture.alive)} processes alive"
    return f"{lives}; not: {', '.join(dead)}" if dead else lives
