from __future__ import annotations

import dashboard_scene as scene
import pytest

from builders import T0, Stage
from dashboard.parts import Parts
from dashboard.reading import searching
from dashboard.texts import LANGUAGES, load
from gantry.streams.scripts import text

STATES = {
    "published": "published",
    "dead": "dead",
    "waiting": "waiting",
    "filtered": "filtered",
    "deduplicated": "deduplicated",
    "quarantine": "dead",
    "in_raw": "in_raw",
    "crowd": "waiting",
}


@pytest.mark.parametrize("logged", [True, False], ids=["from log and streams", "from streams alone"])
async def test_every_event_has_its_story(parts: Parts, stage: Stage, logged: bool):
    said = await scene.everything(stage)
    if logged:
        await scene.write_log(stage, parts.config.runtime_dir)
    for name, state in STATES.items():
        story = await parts.reading.story(said[name])
        assert story.found and story.state == state, name
        assert story.unknown == ([] if logged else ["no_event_log"])
        assert story.received_ms and story.steps[0].what == "received"
        assert len(story.lines) == (state in ("published", "filtered", "deduplicated", "dead"))


async def test_the_story_goes_on_when_only_the_log_remembers(parts: Parts, stage: Stage):
    said = await scene.everything(stage)
    await scene.write_log(stage, parts.config.runtime_dir)
    await stage.client.delete(stage.keys.receipts, stage.keys.outcomes)
    story = await parts.reading.story(said["published"])
    assert [step.what for step in story.steps] == ["received", "published"]


async def test_each_decision_has_its_time_since_the_receipt(parts: Parts, stage: Stage):
    said = await scene.everything(stage)
    story = await parts.reading.story(said["dead"])
    received, dead = story.steps
    assert (received.at_ms, dead.what, dead.detail) == (T0 // 1000, "dead", "BAD_TIMESTAMP")
    assert dead.since_ms == dead.at_ms - received.at_ms and (dead.target, dead.lane) == ("evd", scene.LANE)


async def test_a_measure_that_waits_has_its_place(parts: Parts, stage: Stage):
    said = await scene.everything(stage)
    (step,) = [step for step in (await parts.reading.story(said["waiting"])).steps if step.what == "waiting"]
    assert (step.target, step.lane, step.seq, step.detail) == ("evd", scene.LANE, 3, "1")


async def test_a_duplicate_names_its_original(parts: Parts, stage: Stage):
    said = await scene.everything(stage)
    step = (await parts.reading.story(said["deduplicated"])).steps[-1]
    assert (step.what, step.detail) == ("deduplicated", said["original"])


async def test_a_letter_that_was_retried_is_told_to_the_end(parts: Parts, stage: Stage):
    said = await scene.everything(stage)
    (letter,) = (await parts.reading.story(said["dead"])).letters
    await parts.letters.retry([letter], "ana")
    await stage.lanes.pull()
    story = await parts.reading.story(said["dead"])
    assert [step.what for step in story.steps] == ["received", "dead", "retried", "waiting"]
    assert (story.state, story.letters, story.steps[2].detail) == ("waiting", [], "ana")


async def test_an_id_that_is_nowhere_says_where_was_looked(parts: Parts, stage: Stage):
    await scene.everything(stage)
    (unknown,) = scene.ids(1)
    story = await parts.reading.story(unknown)
    assert (story.found, story.state, story.unknown) == (False, "unknown", ["no_event_log"])


async def test_a_newest_sent_again_is_a_step_and_no_end(parts: Parts, stage: Stage):
    said = await scene.everything(stage)
    ((_, fields),) = await stage.client.xrange(stage.keys.receipts)
    again = await stage.client.xadd(stage.keys.receipts, {**fields, b"resent": b"1"})
    story = await parts.reading.story(said["published"])
    assert [step.what for step in story.steps] == ["received", "published", "resent"]
    assert story.steps[-1].entry == f"receipts/{text(again)}/1" and len(story.lines) == 1


async def test_while_events_remembers_it_the_acceptance_has_its_time(parts: Parts, stage: Stage):
    (event_id,) = scene.ids(1)
    await stage.lead()
    await scene.accept(stage, event_id, scene.OTHER, dev="ivss/4")
    story = await parts.reading.story(event_id)
    assert ([step.what for step in story.steps], story.state) == (["received", "accepted"], "waiting")
    await stage.lanes.pull()
    story = await parts.reading.story(event_id)
    assert {step.what for step in story.steps} == {"received", "accepted", "waiting"}
    await scene.send(stage, scene.OTHER)
    story = await parts.reading.story(event_id)
    assert {step.what for step in story.steps} == {"received", "accepted", "published"} and story.state == "published"


async def test_the_devices_own_time_and_code_are_told_as_long_as_anything_knows_them(parts: Parts, stage: Stage):
    said = await scene.everything(stage)
    quarantined, published = [await parts.reading.story(said[name]) for name in ("quarantine", "published")]
    assert (quarantined.device_time, quarantined.src) == ("2025-10-09 08:53:20", "r")
    assert (published.device_time, published.what) == ("2025-10-09T08:53:20.000Z", "TrafficJunction")


async def test_what_the_streams_have_forgotten_is_said_where_the_log_does_not_know_it_either(
    parts: Parts, stage: Stage
):
    said = await scene.everything(stage)
    for key in (stage.keys.receipts, stage.keys.outcomes):
        await stage.client.xtrim(key, maxlen=0)
    story = await parts.reading.story(said["published"])
    assert (story.found, story.unknown) == (False, ["no_event_log", "older_than_streams"])


@pytest.mark.parametrize(("bound", "code"), [("MOST_ENTRIES", "streams_bounded"), ("MOST_ITEMS", "lanes_bounded")])
async def test_a_search_that_ends_early_says_so(
    parts: Parts, stage: Stage, monkeypatch: pytest.MonkeyPatch, bound: str, code: str
):
    await stage.fill_lane(3)
    await stage.entries(3)
    monkeypatch.setattr(searching, bound, 1)
    monkeypatch.setattr(searching, "PAGE", 1)
    (unknown,) = scene.ids(1)
    assert code in (await parts.reading.story(unknown)).unknown


def test_every_thing_unknown_has_its_sentence():
    for language in LANGUAGES:
        words = load().of(language)
        for code in (*(f"{what}_bounded" for what in ("streams", "lanes", "letters", "log")), "log_damaged"):
            assert words.has(f"unknown.{code}")
