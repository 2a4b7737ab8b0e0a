"""Every word of the pages stands in every language, with the same values in it, and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest
from jinja2 import Environment, nodes

from dashboard import texts
from processor.steps import catalogue

ROOT = Path(texts.__file__).parent.parent
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
LOADED = texts.load()
EN, ES = LOADED.of("en"), LOADED.of("es")
UNWANTED = [("NewFile", "Pulse"), ("SmartMotionHuman", "State"), ("SmartMotionHuman", "Stop")]


def names(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_every_language_has_the_same_keys() -> None:
    assert EN.texts.keys() == ES.texts.keys()


@pytest.mark.parametrize("key", sorted(EN.texts))
def test_a_text_has_the_same_values_in_every_language(key: str) -> None:
    assert names(EN.texts[key]) == names(ES.texts[key])
    assert EN.texts[key].strip() and ES.texts[key].strip()


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_have_no_words_of_their_own(path: Path) -> None:
    """What stands between tags and values is punctuation, or a name that is the same everywhere."""
    source = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", " ", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    bare = re.sub(r"<[^>]*>", " ", source, flags=re.DOTALL)
    words = set(re.findall(r"[^\W\d_]{2,}", bare))
    assert words - {"EVD", "CROWD", "ES", "EN", "ms"} == set()


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_attributes_that_people_hear_or_see_have_no_words_of_their_own(path: Path) -> None:
    source = re.sub(r"\{%.*?%\}|\{\{.*?\}\}", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    said = re.findall(r"(?:aria-label|title|placeholder|alt)=\"([^\"]*)\"", source)
    assert [each for each in said if re.search(r"[^\W\d_]{2,}", each)] == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_ask_only_for_texts_that_exist(path: Path) -> None:
    parsed = Environment(autoescape=True).parse(path.read_text(encoding="utf-8"))
    missing = [key for key, plural in asked(parsed) for name in forms(key, plural) if not EN.has(name)]
    assert missing == []


def forms(key: str, plural: bool) -> list[str]:
    return [f"{key}.one", f"{key}.other"] if plural else [key]


def asked(parsed: nodes.Template) -> list[tuple[str, bool]]:
    """t("key") and t.count("key", …) with a constant key."""
    found = []
    for call in parsed.find_all(nodes.Call):
        first = call.args[0] if call.args else None
        if not isinstance(first, nodes.Const) or not isinstance(first.value, str):
            continue
        if isinstance(call.node, nodes.Name) and call.node.name == "t":
            found.append((first.value, False))
        elif isinstance(call.node, nodes.Getattr) and call.node.attr == "count":
            found.append((first.value, True))
    return found


@pytest.mark.parametrize(
    ("number", "english", "spanish"),
    [
        (1234, "1,234", "1.234"),
        (1234567, "1,234,567", "1.234.567"),
        (-5, "\N{MINUS SIGN}5", "\N{MINUS SIGN}5"),
        (0, "0", "0"),
    ],
)
def test_numbers_are_grouped_as_the_language_does(number: int, english: str, spanish: str) -> None:
    assert (EN.number(number), ES.number(number)) == (english, spanish)


def test_fractions_have_the_languages_point() -> None:
    assert (EN.number(1234.56, 1), ES.number(1234.56, 1)) == ("1,234.6", "1.234,6")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (99, "99 s"),
        (100, "1 min"),
        (5999, "99 min"),
        (6000, "1 h 40 min"),
        (7200, "2 h"),
        (86400 * 3, "3 d"),
    ],
)
def test_durations_have_two_units_at_most(seconds: int, said: str) -> None:
    assert EN.duration(seconds).replace("\N{NO-BREAK SPACE}", " ") == said


@pytest.mark.parametrize(
    ("header", "lang"),
    [
        ("", "en"),
        ("es-ES,es;q=0.9,en;q=0.8", "es"),
        ("fr, en;q=0.3, es;q=0.7", "es"),
        ("de", "en"),
        ("es;q=nonsense", "en"),
        ("en;q=0, es;q=0", "en"),
        ("," * 5000, "en"),
    ],
)
def test_the_language_is_the_readers_first_choice_of_ours(header: str, lang: str) -> None:
    assert texts.negotiate(header) == lang


def test_values_are_not_read_as_formats() -> None:
    assert EN("breaker.probing", lane="{0.__class__}") == "probing with {0.__class__}"


@pytest.mark.parametrize("words", [EN, ES], ids=["en", "es"])
@pytest.mark.parametrize("reason", ["allowlist", *sorted({catalogue.unwanted(*each) for each in UNWANTED})])
def test_why_an_event_was_filtered_is_said_in_words_after_the_word_of_the_log(words: texts.Words, reason: str) -> None:
    assert re.match(rf"{reason}: \w", words.word("filtered", reason))
