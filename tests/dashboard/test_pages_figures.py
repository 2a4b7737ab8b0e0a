"""What pages compute of the figures that they show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.pages import figures, moments, rendering
from dashboard.reading.shapes import Timeline
from dashboard.reading.states import LedgerLines, Problem
from dashboard.texts import load

EN, ES = load().of("en"), load().of("es")
NOW_MS = 1_780_000_000_000


def a_problem(*, wrong: bool, code: str = "x", link: str = "") -> Problem:
    return Problem(code=code, cause="c", next="n", link=link, wrong=wrong)


def a_timeline(step: int, count: int) -> Timeline:
    starts = [1_780_000_000 // step * step + n * step for n in range(count)]
    ones, nothing = [1] * count, [0] * count
    return Timeline(
        timestamps=starts,
        evd=ones,
        crowd=[2] * count,
        received=nothing,
        published=nothing,
        deduplicated=nothing,
        filtered=nothing,
        dead=nothing,
        minutes=count * step // 60,
        bucket_sec=step,
    )


@given(st.lists(st.integers(min_value=0, max_value=10**12), min_size=1, max_size=6))
def test_a_ledgers_bar_is_full_and_shows_every_term_that_is_there(values: list[int]) -> None:
    parts = figures.shares({f"t{n}": value for n, value in enumerate(values)})
    assert len(parts) == len(values)
    widths = [float(part.width) for part in parts]
    assert sum(widths) == pytest.approx(figures.WIDTH if any(values) else 0, abs=1)
    assert all((width > 3) == (value > 0) for width, value in zip(widths, values, strict=True))


@pytest.mark.parametrize("name", figures.RANGES)
def test_no_measure_is_lost_between_the_timeline_and_its_bars(name: str) -> None:
    asked, _ = figures.RANGES[name]
    step, count = (3600, asked["hours"]) if "hours" in asked else (60, asked["minutes"])
    chart = figures.chart(name, a_timeline(step, count))
    assert (chart.evd, chart.crowd) == (count, 2 * count)
    assert len(chart.rows) <= 100 and all(row.at % chart.step_s == 0 for row in chart.rows)


def test_a_ledger_that_is_off_says_by_how_much() -> None:
    lines = LedgerLines(
        received=5, events={"in_raw": 3}, measures=2, outcomes={"waiting": 4}, beside={}, balanced=False
    )
    assert figures.differences(lines) == (2, -2)
    assert figures.differences(None) == (0, 0)


@pytest.mark.parametrize(
    ("problems", "kind", "title"),
    [
        ([], "ok", "ALL RIGHT"),
        ([False], "note", "ALL RIGHT, with notes"),
        ([True], "bad", "1 PROBLEM"),
        ([True, False, True], "bad", "2 PROBLEMS"),
    ],
)
def test_the_verdict_counts_what_is_wrong_and_no_more(problems: list[bool], kind: str, title: str) -> None:
    verdict = figures.verdict(EN, [a_problem(wrong=wrong) for wrong in problems])
    assert (verdict.kind, verdict.title) == (kind, title)


def test_what_is_wrong_stands_first() -> None:
    listed = figures.ordered([a_problem(wrong=False), a_problem(wrong=True)])
    assert [each.wrong for each in listed] == [True, False]


@pytest.mark.parametrize(
    ("code", "link", "page"),
    [("over-limit", "devices", "/devices?state=over_limit"), ("x", "letters", "/letters"), ("x", "", "")],
)
def test_a_problem_leads_to_the_page_that_shows_it(code: str, link: str, page: str) -> None:
    assert figures.link_of(a_problem(wrong=True, code=code, link=link)) == page


@pytest.mark.parametrize("ms", [10**18, -(10**18), 253_402_300_800_000])
def test_a_devices_impossible_clock_breaks_no_page(ms: int) -> None:
    m = moments.Moments(EN, NOW_MS)
    assert str(ms) in m.at(ms) and str(ms) in m.ago(ms) and m.exact(ms)


def test_times_are_utc_until_a_script_knows_better() -> None:
    m = moments.Moments(ES, NOW_MS)
    assert m.at(NOW_MS - 1000) == (
        '<time datetime="2026-05-28T20:26:39.000Z" title="2026-05-28 20:26:39 UTC" data-way="full">20:26:39</time>'
    )
    assert "hace 1" in m.ago(NOW_MS - 1000) and "nunca" in m.ago(0)
    assert "&lt;b&gt;" in m.iso("<b>")


def test_a_diagnosis_becomes_a_sentence_with_its_commands_as_code() -> None:
    assert rendering.sentence("see `gantry <x>`, then wait") == "See <code>gantry &lt;x&gt;</code>, then wait."


def test_any_name_makes_an_address_of_its_own() -> None:
    assert rendering.device_address("evd", "a/b?c#d ñ") == "/devices/evd/a%2Fb%3Fc%23d%20%C3%B1"
