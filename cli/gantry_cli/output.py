"""Where commands write: tables and lines on stdout, complaints on stderr, never styled data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

WIDE = 160  # columns when nobody's terminal sets them


def _console(*, stderr: bool = False) -> Console:
    plain = Console(stderr=stderr)
    return plain if plain.is_terminal else Console(stderr=stderr, width=WIDE)


@dataclass(frozen=True, slots=True)
class Output:
    """What a command says. Texts come from devices and servers, so none is read as markup."""

    console: Console = field(default_factory=_console)
    errors: Console = field(default_factory=lambda: _console(stderr=True))

    def lines(self, rows: Iterable[str], style: str = "") -> None:
        """Lines as they are, never cut; `style` shows on a terminal only."""
        for row in rows:
            self.console.print(Text(row, style=style), soft_wrap=True)

    def show(self, *renderables: RenderableType) -> None:
        """Tables."""
        for renderable in renderables:
            self.console.print(renderable)

    def json(self, value: Any) -> None:
        """One JSON document."""
        self.console.file.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")

    def error(self, sentence: str) -> None:
        """One line on stderr."""
        self.errors.print(Text(f"gantry: {sentence}"), soft_wrap=True)


def table(title: str, *columns: str) -> Table:
    """A table; a column whose name begins with # holds figures."""
    made = Table(title=Text(title) if title else None, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        made.add_column(column.lstrip("#"), justify="right" if column.startswith("#") else "left", overflow="fold")
    return made


def add_row(to: Table, cells: Sequence[str]) -> None:
    """One row, none of it markup."""
    to.add_row(*map(Text, cells))
