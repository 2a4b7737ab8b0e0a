from __future__ import annotations

import json
import stat

import pytest
import typer

from builders import T0
from dead_letters import ANSWER, CUT, MEASURE, event_id, put, put_event
from gantry.settings import Settings
from gantry.streams import letters
from gantry_cli import dead_show
from gantry_cli.dead_choice import Choice, Filters, moment
from gantry_cli.dead_show import View
from gantry_cli.dead_survey import MOST_KINDS, Survey
from gantry_cli.dead_words import plain

ALL = Choice()


@pytest.fixture
async def three(stage):
    return [await put(stage, 1), await put_event(stage, 2), await put_event(stage, 3, reason="cut", body=CUT)]


def rows(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines() if line[:1].isdigit()]


# listing


async def test_a_list_has_the_newest_first_and_says_of_how_many(three, config, said):
    assert await dead_show.listed(config, said, ALL, View(), as_json=False) == 0
    [newest, middle, oldest] = [line for line in said.text.splitlines() if line.startswith("17")]
    assert oldest.split()[0] == three[0] and newest.split()[0] == three[2]
    assert oldest.split()[3:] == ["out", "evd", "cam", "3", "BAD_TIMESTAMP", *ANSWER.split()]
    assert middle.split()[3:] == ["quarantine", "ivss/3", "unknown_code:X"]
    assert newest.rstrip().endswith("cut [final]") and "[final]: cannot be retried" in said.text
    assert "3 letters, newest first, of 3 in dead: all there are" in said.text


async def test_a_list_goes_on_behind_a_letter_either_way(three, config, said, monkeypatch):
    monkeypatch.setattr(letters, "PAGE", 1)
    assert await dead_show.listed(config, said, ALL, View(limit=2), as_json=True) == 0
    assert [each["letter"] for each in said.document["letters"]] == [three[2], three[1]]
    behind = said.document["from"]
    said.console.file.truncate(0)
    assert await dead_show.listed(config, said, ALL, View(limit=2, behind=behind), as_json=False) == 0
    assert said.text.count(three[0]) == 1 and three[1] not in said.text and "there are more" not in said.text
    assert await dead_show.listed(config, said, ALL, View(limit=2, oldest=True), as_json=False) == 0
    assert f"there are more: --from {three[1]}" in said.text


@pytest.mark.usefixtures("three")
async def test_a_filter_is_named_beside_the_figure(config, said):
    choice = Choice(filters=Filters(kind="out", target="evd", device="c*", reason="bad", text="invalid"))
    assert await dead_show.listed(config, said, choice, View(), as_json=False) == 0
    phrase = "class out, target evd, device c*, reason with 'bad', content or answer with 'invalid'"
    assert f"1 letter, newest first, of 3 in dead: {phrase}" in said.text
    assert await dead_show.listed(config, said, Choice(filters=Filters(device="d*")), View(), as_json=False) == 1
    assert "no letter: device d* (of 3 in dead)" in said.text


async def test_letters_of_a_time(three, config, said):
    since, until = moment("2025-10-09T08:53:22"), moment("2025-10-09 08:53:22 UTC")
    choice = Choice(filters=Filters(since=since, until=until))
    assert await dead_show.listed(config, said, choice, View(), as_json=True) == 0
    assert [each["letter"] for each in said.document["letters"]] == [three[1]]
    said.console.file.truncate(0)
    assert await dead_show.listed(config, said, Choice(filters=Filters(since=moment("1m"))), View(), as_json=False) == 1
    assert "no letter: dead since 1m ago" in said.text


@pytest.mark.usefixtures("stage")
async def test_an_empty_list_is_good_news(config, said):
    assert await dead_show.listed(config, said, ALL, View(), as_json=False) == 1
    assert said.text == "no letters: nothing is dead\n"


async def test_a_narrow_terminal_cuts_no_id(three, config, said):
    said.console.width = 70
    await dead_show.listed(config, said, ALL, View(), as_json=False)
    assert rows(said.text)[:3] == three[::-1] and ANSWER[:8] not in said.text


async def test_a_summary_counts_kinds(stage, config, said):
    for number in range(1, 4):
        await put(stage, number)
    await put_event(stage, 5)
    assert await dead_show.summary(config, said, ALL, as_json=True) == 0
    first, second = said.document["kinds"]
    assert (first["count"], first["class"], first["target"], first["reason"]) == (3, "out", "evd", "BAD_TIMESTAMP")
    assert (first["oldest"], first["newest"]) == ("2025-10-09T08:53:21.000Z", "2025-10-09T08:53:23.000Z")
    assert second["class"] == "quarantine" and said.document["count"] == 4
    assert await dead_show.summary(config, said, Choice(filters=Filters(kind="in")), as_json=False) == 1
    assert said.text.endswith("0 letters of 4 in dead: class in\n")


def test_a_survey_is_bounded_whatever_devices_say():
    found = Survey()
    base = {"entry_id": "5-0", "kind": "in", "event_id": "", "src": "", "dev": "", "target": "", "lane": "", "seq": ""}
    for number in range(MOST_KINDS + 50):
        found.add(letters.Letter(**base, t_dev="", t_rx=0, attempts=0, reason=f"r{number}", answer="", body=b"{}"))
    assert len(found.kinds) == MOST_KINDS + 1 and found.kinds[("", "", "other reasons")].count == 50


# showing


async def test_a_letter_is_shown_whole(three, config, said):
    assert await dead_show.shown(config, said, Choice(ids=(three[0],)), as_json=False) == 0
    for part in (
        "a measure that the platform refused",
        "BAD_TIMESTAMP",
        ANSWER,
        "2025-10-09 08:53:21 UTC (",
        "cam at evd",
    ):
        assert part in said.text
    assert f"gantry dead retry {three[0]}" in said.text and '\n  "count": 1\n' in said.text


async def test_an_event_is_shown_with_its_head_and_whether_it_can_go_back(three, config, said):
    assert await dead_show.shown(config, said, Choice(ids=(three[1], three[2])), as_json=False) == 0
    whole, cut = said.text.split("letter    ")[1:]
    assert "\nCode=X;action=Start;index=3;data=\n{\n" in whole and "ivss/3 of ivss" in whole
    assert "retry     never: of its content only the length was kept" in cut and CUT.decode() in cut


async def test_an_event_id_finds_its_letters(stage, three, config, said):
    second = await put(stage, 9, id=event_id(1), lane="cam-2")
    assert await dead_show.shown(config, said, Choice(ids=(event_id(1),)), as_json=True) == 0
    assert [each["letter"] for each in said.document] == [three[0], second]


@pytest.mark.usefixtures("three")
async def test_a_letter_that_is_gone_is_one_line(config, said):
    assert await dead_show.shown(config, said, Choice(ids=("77-0",)), as_json=False) == 1
    assert said.complaints.count("\n") == 1 and "no letter 77-0" in said.complaints


async def test_letters_play_no_tricks_on_the_terminal(stage, config, said):
    letter = await put(stage, 1, reason="[red]\x1b[2J", answer="\x07", body=b"\x1b]0;x\x9b", lane="\x85")
    await dead_show.listed(config, said, ALL, View(), as_json=False)
    await dead_show.shown(config, said, Choice(ids=(letter,)), as_json=False)
    assert "[red]·[2J" in said.text
    assert all(each.isprintable() for each in said.text.replace("\n", ""))


def test_plain_text_stays():
    assert plain("Señal ✓") == "Señal ✓"


# exporting


async def test_an_export_is_one_json_line_a_letter_oldest_first(three, config, said):
    assert await dead_show.export(config, said, ALL, to=None) == 0
    lines = [json.loads(line) for line in said.text.splitlines()]
    assert [line["letter"] for line in lines] == three
    assert lines[0]["body"] == json.loads(MEASURE) and lines[2]["body"] == CUT.decode()
    assert (lines[0]["class"], lines[0]["seq"], lines[0]["answer"], lines[1]["seq"]) == ("out", 1, ANSWER, None)
    assert (lines[0]["t_rx"], lines[0]["died"]) == (T0, "2025-10-09T08:53:21.000Z")
    assert said.complaints == "gantry: exported 3 letters: all there are\n"


@pytest.mark.usefixtures("three")
async def test_a_file_is_for_its_owner_and_replaced_at_once(config, said, tmp_path):
    file = tmp_path / "letters.ndjson"
    file.write_text("old")
    assert await dead_show.export(config, said, Choice(filters=Filters(kind="out")), to=file) == 0
    assert len(file.read_text().splitlines()) == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [*tmp_path.iterdir()] == [file] and said.text == ""


@pytest.mark.usefixtures("three")
async def test_nothing_to_export_leaves_a_file_as_it_was(config, nowhere, said, tmp_path):
    file = tmp_path / "letters.ndjson"
    file.write_text("old")
    assert await dead_show.export(config, said, Choice(filters=Filters(kind="in", device="x")), to=file) == 1
    assert await dead_show.export(nowhere, said, ALL, to=file) == 2
    assert await dead_show.export(config, said, ALL, to=tmp_path / "no" / "x") == 2
    assert file.read_text() == "old" and [*tmp_path.iterdir()] == [file]
    assert "no letter to export: class in, device x" in said.complaints and "cannot be written" in said.complaints


# what people type


@pytest.mark.parametrize(
    ("word", "at_ms"),
    [
        ("2h", 10_000_000 - 7_200_000),
        ("5d", 0),
        ("1970-01-01T01:00Z", 3_600_000),
        ("1970-01-01T01:00+01:00", 0),
        ("1970-01-02", 86_400_000),
    ],
)
def test_moments(word, at_ms):
    assert moment(word).ms(10_000_000) == at_ms


@pytest.mark.parametrize("word", ["", "soon", "-1h", "2", "1969-12-31", "2199-01-01", "25:00"])
def test_what_is_no_moment(word):
    with pytest.raises(typer.BadParameter):
        moment(word)


@pytest.mark.parametrize(
    "given",
    [
        {"ids": ("1-1",), "everything": True},
        {"ids": ("1-1",), "filters": Filters(kind="in")},
        {"everything": True, "filters": Filters(kind="in")},
        {"ids": ("1-",)},
        {"ids": ("../x",)},
        {"ids": ("",)},
    ],
)
def test_what_cannot_be_meant_is_refused(given):
    with pytest.raises(typer.BadParameter):
        Choice(**given)


def test_ids_are_taken_once_and_oldest_first():
    choice = Choice(ids=("10-2", "9-9", "10-10", "10-2", event_id(7)))
    assert choice.entry_ids == ["9-9", "10-2", "10-10"] and choice.event_ids == {event_id(7)}


@pytest.mark.parametrize("ask", [dead_show.listed, dead_show.summary, dead_show.shown])
async def test_no_server_or_no_streams_is_one_plain_line(ask, nowhere, redis_url, said):
    more = [View()] if ask is dead_show.listed else []
    for config in (nowhere, Settings(redis_url=redis_url)):
        assert await ask(config, said, Choice(ids=("1-1",)), *more, as_json=False) == 2
    assert said.complaints.count("\n") == 2 and said.text == ""
