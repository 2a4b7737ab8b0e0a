"""The words of the pages, in each language: `<language>.toml`, and any `<part>.<language>.toml` beside it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

LANGUAGES = ("en", "es")
DEFAULT = "en"
_GROUPING = {"en": (",", "."), "es": (".", ",")}
_SIZES = ("B", "kB", "MB", "GB", "TB")
_THIN = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class Words:
    """One language. Call it with a key: `t("devices.title")`; values fill the text's `{names}`."""

    lang: str
    texts: Mapping[str, str] = field(repr=False)

    def __call__(self, key: str, **values: object) -> str:
        """The text; whole numbers among the values are grouped as the language does. Raises KeyError."""
        text = self.texts[key]
        return text.format_map({name: self._said(value) for name, value in values.items()}) if values else text

    def count(self, key: str, number: int, **values: object) -> str:
        """`<key>.one` or `<key>.other`, with `{n}`. Raises KeyError."""
        return self(f"{key}.{'one' if number == 1 else 'other'}", n=number, **values)

    def has(self, key: str) -> bool:
        return key in self.texts

    def word(self, family: str, name: str) -> str:
        """`<family>.<name>`; a name that nobody foresaw stands for itself."""
        return self.texts.get(f"{family}.{name}", name)

    def number(self, value: float, digits: int = 0) -> str:
        """1,234.5 in English, 1.234,5 in Spanish."""
        thousands, point = _GROUPING[self.lang]
        said = f"{value:,.{digits}f}".replace(",", "\0").replace(".", point).replace("\0", thousands)
        return said.replace("-", "\N{MINUS SIGN}")

    def duration(self, seconds: float) -> str:
        """The two largest units at most: 34 s, 5 min, 2 h 5 min, 3 d 4 h."""
        whole = max(0, round(seconds))
        if whole < 100:  # noqa: PLR2004 - "95 s" reads better than "1 min"
            return f"{whole}{_THIN}s"
        minutes, hours, days = whole // 60, whole // 3600, whole // 86400
        if minutes < 100:  # noqa: PLR2004 - the same
            return f"{minutes}{_THIN}min"
        if days < 2:  # noqa: PLR2004 - the same
            return _pair(hours, "h", minutes % 60, "min")
        return _pair(days, "d", hours % 24, "h")

    def size(self, count: int) -> str:
        """Bytes: 12.3 MB."""
        value, unit = float(count), 0
        while value >= 1000 and unit < len(_SIZES) - 1:  # noqa: PLR2004 - decimal units
            value, unit = value / 1000, unit + 1
        return f"{self.number(value, 1 if unit else 0)}{_THIN}{_SIZES[unit]}"

    def ago(self, seconds: float) -> str:
        return self("time.ago", time=self.duration(seconds))

    def _said(self, value: object) -> str:
        return self.number(value) if isinstance(value, int) and not isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True)
class Texts:
    """Every language."""

    languages: Mapping[str, Words]

    def of(self, lang: str) -> Words:
        """The words of a language; the default's for one that we do not speak."""
        return self.languages.get(lang) or self.languages[DEFAULT]


def load() -> Texts:
    """All languages from the package. Raises tomllib.TOMLDecodeError."""
    return Texts({lang: Words(lang, _of(lang)) for lang in LANGUAGES})


def negotiate(accepted: str) -> str:
    """The language of ours that an Accept-Language header prefers."""
    best, best_weight = DEFAULT, 0.0
    for part in accepted[:500].split(","):
        tag, _, weight = part.partition(";")
        lang = tag.strip().lower().partition("-")[0]
        value = _weight(weight)
        if lang in LANGUAGES and value > best_weight:
            best, best_weight = lang, value
    return best


def _weight(text: str) -> float:
    name, _, value = text.partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def _of(lang: str) -> dict[str, str]:
    found: dict[str, str] = {}
    folder = resources.files(__package__)
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        if file.name == f"{lang}.toml" or file.name.endswith(f".{lang}.toml"):
            found.update(_flat(tomllib.loads(file.read_text(encoding="utf-8"))))
    return found


def _flat(table: Mapping[str, Any], before: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in table.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{before}{name}."))
        else:
            flat[f"{before}{name}"] = str(value)
    return flat


def _pair(large: int, one: str, small: int, other: str) -> str:
    return f"{large}{_THIN}{one}" + (f" {small}{_THIN}{other}" if small else "")
