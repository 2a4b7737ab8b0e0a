from __future__ import annotations

import io

import pytest
from rich.console import Console

from gantry import ledger
from gantry.diagnosis.facts import Breaker
from gantry.streams.books import Audit
from gantry.streams.controls import Pause
from gantry_cli import demo, table
from gantry_cli.picture import NEWEST, Latencies, Latency, Pace, Picture, Rates


def a_ledger(received=10, published=6, waiting=1, accepted=7):
    counters = {"received": received, "filtered": 2, "accepted": accepted, "measures": 7, "published": published}
    return ledger.read(counters, in_raw=1, waiting=waiting)


def a_picture(books=None, **changed):
    breakers = (
        Breaker(target="evd", state="closed", reason="", ahead_s=0),
        Breaker(target="crowd", state="open", reason="503 [x]", ahead_s=12.0),
    )
    given = {"elapsed_s": 12.3, "ledger": books or a_ledger(), "latency": Latency(3, 40, 6), "rates": Rates(5, 4.5)}
    return Picture(**{**given, "breakers": breakers, "alive": {"processor": True, "publisher": False}, **changed})


def shown(picture) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(table.render(picture))
    return console.file.getvalue()


def test_the_table_has_every_term_and_its_verdict():
    text = shown(a_picture())
    for term in (*ledger.EVENT_TERMS, *ledger.MEASURE_TERMS, "received", "measures"):
        assert term in text
    assert text.count("balanced") == 2
    assert "p50 3 ms, p99 40 ms (6 in 10 s)" in text
    assert "crowd open (503 [x]; 12 s)" in text
    assert "1 of 2 processes alive; not: publisher" in text


def test_what_people_stopped_stands_in_both():
    pause = Pause(target="evd", until_ms=0, since_ms=1, owner="anna", reason="[road] works")
    picture = a_picture(pauses=(pause,), held=2)
    for said in (shown(picture), table.plain(picture)):
        assert "evd paused by anna ([road] works)" in said and "2 devices held" in said
    assert "held" not in table.plain(a_picture()) and "stopped" not in shown(a_picture())


def test_the_table_says_by_how_much_a_line_is_off():
    text = shown(a_picture(a_ledger(received=13, waiting=3)))
    assert "off by +3" in text and "off by -2" in text and "balanced" not in text


def test_the_plain_line_is_one_line_with_the_same_figures():
    line = table.plain(a_picture(latency=None))
    assert "\n" not in line
    assert "received 10 = in_raw 1 + deduplicated 0 + filtered 2" in line and "no receipt yet" in line
    assert "evd:closed crowd:open" in line


@pytest.mark.parametrize(
    ("ways_ms", "p50", "p99"),
    [([7], 7, 7), (list(range(1, 101)), 50, 99), ([1] * 99 + [900], 1, 1), ([1] * 98 + [900] * 2, 1, 900)],
)
def test_percentiles_are_by_nearest_rank(ways_ms, p50, p99):
    latencies = Latencies()
    latencies.add(10_000_000, [10_000_000 - way * 1000 for way in ways_ms])
    assert latencies.now() == Latency(p50, p99, len(ways_ms))


def test_only_the_newest_measures_count():
    latencies = Latencies()
    assert latencies.now() is None
    latencies.add(5_000_000, [0] * 10)
    latencies.add(5_000_000, [4_999_000] * NEWEST)
    assert latencies.now() == Latency(1, 1, NEWEST)


def test_a_backlog_of_a_while_ago_does_not_count():
    latencies = Latencies()
    latencies.add(60_000_000, [0] * 10)
    latencies.add(71_000_000, [70_997_000])
    assert latencies.now() == Latency(3, 3, 1)


def test_rates_look_back_a_few_seconds():
    pace = Pace()
    assert pace.now(100, a_ledger(received=0, published=0)) == Rates(0, 0)
    for second in range(1, 11):
        rates = pace.now(100 + second, a_ledger(received=5 * second, published=3 * second))
        assert rates == Rates(5, 3)
    for second in range(11, 17):
        rates = pace.now(100 + second, a_ledger(received=50, published=30))
    assert rates == Rates(0, 0)


@pytest.mark.parametrize(
    ("after", "before", "reason"),
    [
        pytest.param(a_ledger(), a_ledger(published=5), "", id="published"),
        pytest.param(a_ledger(), a_ledger(), "nothing was published", id="only-by-an-earlier-run"),
        pytest.param(a_ledger(waiting=2), a_ledger(published=0), "the audit does not balance", id="unbalanced"),
    ],
)
def test_the_demo_is_a_success_only_when_it_published_and_balances(after, before, reason):
    found = [] if after.balanced else [ledger.Difference("measures", 7, 8)]
    assert demo.failure(Audit(after, {}, found), before) == reason
