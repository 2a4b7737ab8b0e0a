"""Phrases in a language: the catalogues `en.toml` and `es.toml`, which have the same keys and the same {names}."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from typing import Any

from gantry.diagnosis import words
from gantry.diagnosis.phrases import Figure, Heard, Moment, Phrase, Problem, Some, Span, Value, Word

LANGUAGES = ("en", "es")
DEFAULT = "en"  # what processes speak
_POINT = {"en": ".", "es": ","}
_NAME = re.compile(r"\{(\w+)\}")
_HEARD = "heard."
_DEEP = 4  # sentences within a sentence that was heard


@dataclass(frozen=True, slots=True)
class Told:
    """A problem for a person: sentences without a full stop."""

    cause: str
    step: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """One language."""

    lang: str
    texts: Mapping[str, str]

    @property
    def point(self) -> str:
        return _POINT[self.lang]

    def say(self, value: Value) -> str:
        """Raises KeyError for a phrase that the catalogue does not have."""
        match value:
            case str() | int():
                return str(value)
            case Phrase(key, values):
                return self.texts[key].format_map({name: self.say(each) for name, each in values.items()})
            case Word(family, word):
                return self.texts.get(f"{family}.{word}", word)
            case Heard(text):
                return text if self.lang == DEFAULT else self._translated(text)
            case Some(items, shown):
                return self._listed([self.say(each) for each in items[:shown]], len(items) - shown)
        return self._measured(value)

    def _measured(self, value: Span | Moment | Figure) -> str:
        match value:
            case Span(seconds):
                return words.duration(seconds, self.point)
            case Moment(at_ms):
                return _moment(at_ms)
            case Figure(number, digits):
                return f"{number:.{digits}f}".replace(".", self.point)

    def _listed(self, said: list[str], more: int) -> str:
        listed = ", ".join(said)
        return f"{listed}{self.texts['list.more'].format(count=more)}" if more > 0 else listed

    def _translated(self, text: str, deep: int = _DEEP) -> str:
        """Sentence by sentence; what is within one is a sentence, too, if it is known."""
        return "; ".join(self._sentence(each, deep) for each in text.split("; "))

    def _sentence(self, text: str, deep: int) -> str:
        for key, pattern in _patterns() if deep else ():
            if found := pattern.fullmatch(text):
                values = {name: self._translated(each, deep - 1) for name, each in found.groupdict().items()}
                return self.texts[key].format_map(values)
        return text


def of(lang: str) -> Catalogue:
    """The catalogue of a language; the default's for one that we do not speak."""
    return _loaded(lang if lang in LANGUAGES else DEFAULT)


@functools.cache
def _loaded(lang: str) -> Catalogue:
    text = resources.files(__package__).joinpath(f"{lang}.toml").read_text(encoding="utf-8")
    return Catalogue(lang, _flat(tomllib.loads(text)))


def say(value: Value, lang: str = DEFAULT) -> str:
    """In words."""
    return of(lang).say(value)


def render(problem: Problem, lang: str = DEFAULT) -> Told:
    """The problem in words: what it is, and what to do next."""
    parts = (Phrase(f"{part}.{problem.code}", problem.values) for part in ("cause", "step"))
    return Told(*(say(part, lang) for part in parts))


@functools.cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """What processes say, by key; the more specific first, as the catalogue has them."""
    heard = {key: text for key, text in of(DEFAULT).texts.items() if key.startswith(_HEARD)}
    return tuple((key, re.compile(_pattern(text), re.DOTALL)) for key, text in heard.items())


def _pattern(text: str) -> str:
    fixed = _NAME.split(text)  # text, name, text, …
    return "".join(f"(?P<{part}>.+)" if i % 2 else re.escape(part) for i, part in enumerate(fixed))


def _moment(at_ms: int) -> str:
    """E.g. "2026-01-15 02:31 UTC"; "?" when nobody wrote it down, or wrote nonsense."""
    try:
        return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC" if at_ms else "?"
    except (ValueError, OverflowError, OSError):
        return "?"


def _flat(table: Mapping[str, Any], before: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in table.items():
        flat |= _flat(value, f"{before}{name}.") if isinstance(value, Mapping) else {f"{before}{name}": str(value)}
    return flat
