"""Letters as a person and as a program read them. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from rich.table import Table

from gantry.codec import Letter
from gantry.diagnosis import words
from gantry.event import LetterClass
from gantry_cli import output
from gantry_cli.dead_survey import Survey

_WIDE = 120  # columns of a terminal that has room for answers
_WHAT = {
    LetterClass.IN: "an event that is broken",
    LetterClass.QUARANTINE: "an event that is not understood (yet)",
    LetterClass.OUT: "a measure that the platform refused",
}
_DATA = re.compile(r";data=(?=[\[{])")


def document(letter: Letter) -> dict[str, Any]:
    """Everything, for a program; content that is JSON stands as such."""
    return {
        "letter": letter.entry_id,
        "class": letter.kind,
        "event": letter.event_id,
        "src": letter.src,
        "dev": letter.dev,
        "target": letter.target,
        "lane": letter.lane,
        "seq": int(letter.seq) if letter.seq.isdecimal() else None,
        "t_dev": letter.t_dev,
        "t_rx": letter.t_rx,
        "received": _utc(letter.t_rx // 1000),
        "died": _utc(letter.died_ms),
        "attempts": letter.attempts,
        "reason": letter.reason,
        "answer": letter.answer,
        "final": letter.final,
        "body": _content(letter.body),
    }


def summary(found: Survey) -> list[dict[str, Any]]:
    """The kinds of letters, for a program."""
    return [
        {
            "class": kind,
            "target": target,
            "reason": reason,
            "count": span.count,
            "oldest": _utc(span.oldest_ms),
            "newest": _utc(span.newest_ms),
        }
        for (kind, target, reason), span in found.kinds.items()
    ]


def table(letters: Sequence[Letter], now_ms: int, width: int) -> Table:
    """One row a letter; the platform's answers where `width` leaves room for them."""
    names = ["letter", "age", "class", "target", "device", "#tries", "reason"]
    wide = width >= _WIDE and any(letter.answer for letter in letters)
    shown = output.table("", *names, *(["answer"] if wide else []))
    shown.columns[0].no_wrap = True  # to be copied
    if wide:
        shown.expand = True
        last = shown.columns[-1]
        last.ratio, last.no_wrap, last.overflow = 1, True, "ellipsis"  # `show` has all of it
    for letter in letters:
        reason = f"{letter.reason} [final]" if letter.final else letter.reason
        cells = [letter.entry_id, _age(letter.died_ms, now_ms), letter.kind, letter.target, letter.lane or letter.dev]
        cells += [str(letter.attempts) if letter.of_measure else "", reason, letter.answer]
        _row(shown, cells[: len(shown.columns)])
    return shown


def kinds(found: Survey, now_ms: int) -> Table:
    """One row for all letters of a class, target and reason; the most first."""
    shown = output.table("", "#letters", "class", "target", "reason", "oldest", "newest")
    for (kind, target, reason), span in sorted(found.kinds.items(), key=lambda item: -item[1].count):
        times = [_age(span.oldest_ms, now_ms), _age(span.newest_ms, now_ms)]
        _row(shown, [f"{span.count:,}", kind, target, reason, *times])
    return shown


def page(letter: Letter, now_ms: int) -> list[str]:
    """All of one letter."""
    known = [kind for kind in LetterClass if kind == letter.kind]
    what = _WHAT[known[0]] if known else "of a class that this version does not know"
    rows = [
        ("letter", f"{letter.entry_id}, class {letter.kind}: {what}"),
        ("reason", letter.reason),
        ("answer", letter.answer),
        ("died", f"{_spoken(letter.died_ms)} ({_age(letter.died_ms, now_ms)} ago)"),
        ("received", _spoken(letter.t_rx // 1000) if letter.t_rx else ""),
        ("its clock", letter.t_dev),
        ("event", letter.event_id),
        ("device", f"{letter.dev} of {letter.src}" if letter.src else letter.dev),
        ("lane", f"{letter.lane} at {letter.target}, number {letter.seq}" if letter.of_measure else ""),
        ("attempts", str(letter.attempts) if letter.of_measure else ""),
        ("retry", f"never: {letter.final}" if letter.final else f"gantry dead retry {letter.entry_id}"),
    ]
    return [*(f"{name:<10}{plain(value)}" for name, value in rows if value), "", *_pretty(letter.body)]


def plain(text: str) -> str:
    """Text that moves no cursor and rings no bell: it comes from devices and from the platform."""
    return text if text.isprintable() else "".join(each if each.isprintable() else "·" for each in text)


def letters(count: int) -> str:
    """E.g. "1 letter", "1,200 letters"."""
    return f"{count:,} letter{'' if count == 1 else 's'}"


def _pretty(body: bytes) -> list[str]:
    """Content line by line; a recorder's event has its head before the JSON."""
    text = body.decode("utf-8", "replace")
    data = _DATA.search(text)
    start = data.end() if data else 0
    try:
        shown = orjson.dumps(orjson.loads(text[start:]), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        start, shown = 0, text
    return [plain(row) for row in [*([text[:start]] if start else []), *shown.split("\n")]]


def _content(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace")


def _age(then_ms: int, now_ms: int) -> str:
    return words.duration(max(0, now_ms - then_ms) / 1000)


def _moment(at_ms: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):  # an id that somebody made up
        return None


def _utc(at_ms: int) -> str | None:
    found = _moment(at_ms)
    return None if found is None else found.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _spoken(at_ms: int) -> str:
    found = _moment(at_ms)
    return f"{found:%Y-%m-%d %H:%M:%S} UTC" if found else f"{at_ms} ms"


def _row(shown: Table, cells: Sequence[str]) -> None:
    output.add_row(shown, [*map(plain, cells)])
