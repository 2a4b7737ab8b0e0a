"""What is to be said, before it is said in a language: keys of the catalogue and the values in them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

SHOWN = 3  # items of a list in a sentence


@dataclass(frozen=True, slots=True)
class Phrase:
    """A text of the catalogue with its `{values}`."""

    key: str
    values: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Word:
    """One of a family of words; a word that no catalogue knows stands for itself."""

    family: str
    word: str


@dataclass(frozen=True, slots=True)
class Heard:
    """What a process said in English: in another language where its sentence is known, else as it was said."""

    text: str


@dataclass(frozen=True, slots=True)
class Span:
    """A duration in seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant, ms since the epoch; 0 when nobody wrote it down."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with so many decimals."""

    value: float
    digits: int = 0


@dataclass(frozen=True, slots=True)
class Some:
    """A list, of which a sentence shows the first few."""

    items: tuple[Value, ...]
    shown: int = SHOWN


Value: TypeAlias = "str | int | Phrase | Word | Heard | Span | Moment | Figure | Some"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that a person should know: `cause.<code>` and `step.<code>` of the catalogues with these values."""

    code: str
    values: Mapping[str, Value] = field(default_factory=dict)
    wrong: bool = True  # False: somebody wants it so, or it waits for a decision; nothing is broken
    link: str = ""  # where a dashboard shows more: letters, streams, devices, configuration, breaker


def counted(key: str, count: int, **values: Value) -> Phrase:
    """`<key>.one` or `<key>.many`, with `{count}`."""
    return Phrase(f"{key}.{'one' if count == 1 else 'many'}", {"count": count, **values})
