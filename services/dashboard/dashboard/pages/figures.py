"""What pages compute of the figures they show. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dashboard.reading.shapes import Timeline
from dashboard.reading.states import LedgerLines, Problem
from dashboard.texts import Words

WIDTH = 1000.0
_LEAST = 4.0  # of WIDTH: a term that is there is seen
RANGES: Mapping[str, tuple[dict[str, int], int]] = {  # what is asked of the timeline, and how many buckets make a bar
    "10m": ({"minutes": 10}, 1),
    "1h": ({"minutes": 60}, 1),
    "24h": ({"minutes": 1440}, 15),
    "7d": ({"hours": 168}, 2),
    "90d": ({"hours": 2160}, 24),
}
_LINKS = {  # a problem's code, else what it links to, and the page that shows it
    "devices-unknown": "/devices?state=held",
    "devices-held": "/devices?state=held",
    "devices-still": "/devices?sort=waiting",
    "over-limit": "/devices?state=over_limit",
    "backlog-long": "/devices?sort=backlog",
    "recorder-unreachable": "/#sources",
    "recorder-unattached": "/#sources",
    "letters": "/letters",
    "streams": "/streams",
    "devices": "/devices",
    "configuration": "/configuration",
    "breaker": "/#breakers",
}


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a bar."""

    term: str
    x: str
    width: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of the chart and row of its table."""

    at: int  # s since the epoch
    evd: int
    crowd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The event rates of one range."""

    range: str
    step_s: int
    rows: Sequence[Bar]

    @property
    def evd(self) -> int:
        return sum(row.evd for row in self.rows)

    @property
    def crowd(self) -> int:
        return sum(row.crowd for row in self.rows)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to the first page's question."""

    kind: str  # ok, note, bad: also the icon
    title: str
    more: str

    @property
    def sign(self) -> str:
        return self.kind


def shares(terms: Mapping[str, int]) -> list[Share]:
    """Where each term of a ledger line begins on a bar of WIDTH, and how wide it is."""
    total = sum(max(0, value) for value in terms.values())
    widths = [max(_LEAST, WIDTH * value / total) if value > 0 else 0.0 for value in terms.values()]
    squeeze = WIDTH / sum(widths) if total else 0.0
    found, x = [], 0.0
    for term, width in zip(terms, widths, strict=True):
        found.append(Share(term, f"{x:.1f}", f"{width * squeeze:.1f}"))
        x += width * squeeze
    return found


def differences(ledger: LedgerLines | None) -> tuple[int, int]:
    """How far the two lines are off; (0, 0) when they balance."""
    if ledger is None:
        return 0, 0
    return ledger.received - sum(ledger.events.values()), ledger.measures - sum(ledger.outcomes.values())


def letters_of(ledger: LedgerLines | None) -> int:
    """Dead letters that wait for a person."""
    return ledger.events.get("dead_in", 0) + ledger.outcomes.get("dead_out", 0) if ledger else 0


def chart(name: str, timeline: Timeline) -> Chart:
    """The timeline in as many bars as fit; hours are made into days as UTC counts them."""
    step = timeline.bucket_sec * RANGES[name][1]
    sums: dict[int, list[int]] = {}
    for at, evd, crowd in zip(timeline.timestamps, timeline.evd, timeline.crowd, strict=True):
        row = sums.setdefault(at // step * step, [0, 0])
        row[0] += evd
        row[1] += crowd
    return Chart(range=name, step_s=step, rows=[Bar(at, *row) for at, row in sorted(sums.items())])


def ordered(problems: Sequence[Problem]) -> list[Problem]:
    """What is wrong before what was wanted so."""
    return sorted(problems, key=lambda problem: not problem.wrong)


def verdict(t: Words, problems: Sequence[Problem]) -> Verdict:
    """ALL RIGHT, so with notes, or how many problems."""
    wrong = sum(problem.wrong for problem in problems)
    notes = len(problems) - wrong
    more = t.count("verdict.notes", notes) if notes else ""
    if wrong:
        return Verdict("bad", t.count("verdict.problems", wrong), f"{t('verdict.see')} {more}".strip())
    if notes:
        return Verdict("note", t("verdict.noted"), more)
    return Verdict("ok", t("verdict.right"), t("verdict.nothing"))


def link_of(problem: Problem) -> str:
    """The page that shows what a problem is about; empty when none does."""
    return _LINKS.get(problem.code, _LINKS.get(problem.link, ""))
