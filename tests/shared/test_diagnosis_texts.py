from __future__ import annotations

import re

import pytest

from gantry.diagnosis import causes, sentences, texts
from gantry.diagnosis.facts import Breaker, HeldLane
from gantry.diagnosis.phrases import Figure, Heard, Moment, Phrase, Some, Span, Word, counted
from gantry.streams import durability

NAMES = re.compile(r"\{(\w+)\}")


def test_both_languages_say_the_same_with_the_same_values():
    english, spanish = texts.of("en").texts, texts.of("es").texts
    assert list(english) == list(spanish)
    assert {k: sorted(NAMES.findall(t)) for k, t in english.items()} == {
        k: sorted(NAMES.findall(t)) for k, t in spanish.items()
    }


def test_no_text_is_empty_or_ends_like_a_sentence_or_hides_a_brace():
    for lang in texts.LANGUAGES:
        for key, text in texts.of(lang).texts.items():
            assert text.strip() and not text.endswith("."), (lang, key)
            assert not set(NAMES.sub("", text)) & set("{}"), (lang, key)


def test_commands_and_settings_stay_as_they_are():
    english, spanish = texts.of("en").texts, texts.of("es").texts
    fixed = re.compile(r"`[^`]+`|\b[A-Z]+(?:_[A-Z]+)+\b")
    for key, text in english.items():
        assert sorted(fixed.findall(text)) == sorted(fixed.findall(spanish[key])), key


def test_a_language_that_we_do_not_speak_is_english():
    assert texts.of("fr") is texts.of("en") and texts.say(Span(9000), "fr") == "2.5 h"


@pytest.mark.parametrize(
    ("value", "english", "spanish"),
    [
        (Span(9000), "2.5 h", "2,5 h"),
        (Span(42), "42 s", "42 s"),
        (Figure(12.34, 1), "12.3", "12,3"),
        (Moment(1_768_444_260_000), "2026-01-15 02:31 UTC", "2026-01-15 02:31 UTC"),
        (Moment(0), "?", "?"),
        (Moment(10**18), "?", "?"),
        (Some(("a", "b", "c", "d", "e")), "a, b, c and 2 more", "a, b, c y 2 más"),
        (Some(("a", "b")), "a, b", "a, b"),
        (Word("breaker_state", "half"), "half open", "semiabierto"),
        (Word("breaker_state", "molten"), "molten", "molten"),
        (counted("lane.measures", 1), "1 measure waits", "1 medida en espera"),
        (counted("lane.measures", 0), "0 measures wait", "0 medidas en espera"),
        (Heard("no such sentence"), "no such sentence", "no such sentence"),
    ],
)
def test_values_in_both_languages(value, english, spanish):
    assert (texts.say(value), texts.say(value, "es")) == (english, spanish)


def test_an_open_breaker_in_both_languages():
    breaker = Breaker(target="evd", state="open", reason="connect", ahead_s=12.0)
    phrase = sentences.breaker(breaker)
    assert texts.say(phrase) == "the breaker of evd is open (connect: no connection to the agent), next probe in 12 s"
    assert texts.say(phrase, "es") == (
        "el cortacircuitos de evd está abierto (connect: no hay conexión con el agente), próxima prueba dentro de 12 s"
    )


def test_a_hold_by_a_person_in_spanish_keeps_the_persons_words():
    held = HeldLane(
        target="evd",
        lane="cam",
        by="operator",
        owner="anna@north",
        since_ms=1_768_444_260_000,
        reason="obras {lane}",
        waiting=2,
        next_s=None,
        under_way=False,
    )
    said = texts.say(sentences.blame(held, 1_768_444_260_000 + 9_000_000), "es")
    assert said == "por anna@north desde 2026-01-15 02:31 UTC (hace 2,5 h): obras {lane}"
    assert texts.say(sentences.standing(held), "es") == "después de `gantry release cam`"


@pytest.mark.parametrize(
    ("english", "spanish"),
    [
        ("maxmemory is not set, so back-pressure cannot work", "maxmemory no está definido, así que la contrapresión"),
        (
            "Redis would lose what it acknowledges: appendonly is no, wanted yes; appendfsync is no, wanted x",
            "Redis perdería datos que confirma: appendonly es no, se requiere yes; appendfsync es no, se requiere x",
        ),
        (
            "not attached to 10.0.0.12: no answer within 30.0 s",
            "sin conexión con 10.0.0.12: sin respuesta en 30.0 s",
        ),
        ("timeout: no answer within 30.0 s", "tiempo agotado: sin respuesta en 30.0 s"),
        (
            "nothing is written or acknowledged: /data cannot be written: No space left on device",
            "no se escribe ni se confirma nada: no se puede escribir en /data: No space left on device",
        ),
        ("operator: anna@north: roadworks", "operador: anna@north: roadworks"),
        ("Redis does not answer: ;; a\nb", "Redis no responde: ;; a\nb"),
    ],
)
def test_what_processes_say_is_translated_where_it_is_known(english, spanish):
    assert texts.say(Heard(english)) == english
    assert texts.say(Heard(english), "es").startswith(spanish)


async def test_every_weakness_of_a_server_has_its_translation(client):
    await client.config_set("appendfsync", "everysec")
    try:
        weak = await durability.weaknesses(client)
    finally:
        await client.config_set("appendfsync", "always")
    assert weak and all(texts.say(Heard(each), "es") != each for each in weak)


@pytest.mark.parametrize("reason", [*causes.KNOWN, "operator: anna: works"])
def test_every_cause_has_a_meaning_and_a_step_in_both_languages(reason):
    for lang in texts.LANGUAGES:
        assert texts.say(causes.meaning(reason), lang) != reason or lang == "en"
        assert texts.say(causes.step(reason, "crowd"), lang)


def test_no_remedy_or_meaning_is_left_over():
    said = {causes.meaning(reason).values["means"].key for reason in causes.KNOWN}
    said |= {causes.step(reason, "evd").key for reason in (*causes.KNOWN, "?")}
    assert said == {key for key in texts.of("en").texts if key.startswith(("means.", "remedy."))}


def test_a_phrase_that_nobody_wrote_is_an_error():
    with pytest.raises(KeyError):
        texts.say(Phrase("cause.none"))
