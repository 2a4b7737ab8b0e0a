"""`gantry dead list`, `show` and `export`: letters are read, nothing is changed."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import orjson

from gantry.codec import Letter
from gantry.diagnosis import facts
from gantry.settings import Settings
from gantry.streams.letters import LAST, Letters
from gantry.streams.scripts import Scripts
from gantry_cli import dead_words
from gantry_cli.connection import NoAnswer, Site, expect_streams, opened
from gantry_cli.dead_choice import Choice, chosen
from gantry_cli.dead_survey import survey
from gantry_cli.output import Output

EX_NOTHING, EX_CANNOT = 1, 2
MOST_SHOWN = 20  # letters of one event


def of(site: Site) -> Letters:
    """The letters of a site."""
    return Letters(site.client, Scripts(site.client), site.keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Which part of the chosen letters is shown, and in which order."""

    limit: int = 50
    oldest: bool = False  # first; else the newest
    behind: str = ""  # the entry id to go on behind


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    letters: list[Letter]
    more: bool  # than the limit
    there: int  # in `dead` altogether
    now_ms: int


async def listed(config: Settings, out: Output, choice: Choice, view: View, *, as_json: bool) -> int:
    """Print letters; 1 when there is none, 2 when the server does not answer."""
    try:
        async with opened(config) as site:
            await expect_streams(site)
            seen = await _look(of(site), choice, view, await facts.now_ms(site.client))
    except NoAnswer as error:
        out.error(str(error))
        return EX_CANNOT
    if as_json:
        following = seen.letters[-1].entry_id if seen.more else None
        out.json({"letters": [*map(dead_words.document, seen.letters)], "in_dead": seen.there, "from": following})
    else:
        _say_list(out, choice, view, seen)
    return 0 if seen.letters else EX_NOTHING


async def _look(dead: Letters, choice: Choice, view: View, now_ms: int) -> _Seen:
    found: list[Letter] = []
    async for page in dead.pages(choice.wanted(now_ms), newest_first=not view.oldest, behind=view.behind):
        found += page[: view.limit + 1 - len(found)]
        if len(found) > view.limit:
            break
    more, there = len(found) > view.limit, await dead.count()
    return _Seen(letters=found[: view.limit], more=more, there=there, now_ms=now_ms)


def _say_list(out: Output, choice: Choice, view: View, seen: _Seen) -> None:
    if not seen.letters:
        out.lines([f"no letter: {choice} (of {seen.there:,} in dead)" if seen.there else "no letters: nothing is dead"])
        return
    out.show(dead_words.table(seen.letters, seen.now_ms, out.console.width))
    order = "oldest" if view.oldest else "newest"
    rows = [f"{dead_words.letters(len(seen.letters))}, {order} first, of {seen.there:,} in dead: {choice}"]
    if any(letter.final for letter in seen.letters):
        rows.append(
            "[final]: cannot be retried, because too little of its content was kept; `gantry dead show ID` says why"
        )
    rows += [f"there are more: --from {seen.letters[-1].entry_id}, or --summary"] if seen.more else []
    out.lines(rows)


async def summary(config: Settings, out: Output, choice: Choice, *, as_json: bool) -> int:
    """Print how many letters of which kinds are chosen."""
    try:
        async with opened(config) as site:
            await expect_streams(site)
            dead, now_ms = of(site), await facts.now_ms(site.client)
            found, there = await survey(dead, choice, now_ms=now_ms, last=LAST), await dead.count()
    except NoAnswer as error:
        out.error(str(error))
        return EX_CANNOT
    if as_json:
        out.json({"kinds": dead_words.summary(found), "count": found.count, "in_dead": there})
    else:
        if found.count:
            out.show(dead_words.kinds(found, now_ms))
        out.lines([f"{dead_words.letters(found.count)} of {there:,} in dead: {choice}"])
    return 0 if found.count else EX_NOTHING


async def shown(config: Settings, out: Output, choice: Choice, *, as_json: bool) -> int:
    """Print everything about the letters that are named."""
    try:
        async with opened(config) as site:
            await expect_streams(site)
            dead, now_ms = of(site), await facts.now_ms(site.client)
            found = [letter async for page in chosen(dead, choice, now_ms=now_ms, last=LAST) for letter in page]
    except NoAnswer as error:
        out.error(str(error))
        return EX_CANNOT
    if not found:
        out.error(f"no letter {', '.join(choice.ids)}: it was retried or dropped, or never was one")
        return EX_NOTHING
    if as_json:
        out.json([*map(dead_words.document, found[:MOST_SHOWN])])
    for letter in () if as_json else found[:MOST_SHOWN]:
        out.lines([*dead_words.page(letter, now_ms), ""] if len(found) > 1 else dead_words.page(letter, now_ms))
    return 0


async def export(config: Settings, out: Output, choice: Choice, *, to: Path | None) -> int:
    """Write the chosen letters as NDJSON, oldest first, to stdout or to a file that is whole or not there."""
    try:
        async with opened(config) as site:
            await expect_streams(site)
            dead, now_ms = of(site), await facts.now_ms(site.client)
            if to is None:
                written = await _write(dead, choice, now_ms, out.console.file.write)
            else:
                with _whole(to) as file:
                    written = await _write(dead, choice, now_ms, file.write)
    except NoAnswer as error:
        out.error(str(error))
        return EX_CANNOT
    except BrokenPipeError:  # whoever read has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains at its end
        return EX_NOTHING
    except OSError as error:
        out.error(f"{to} cannot be written: {error.strerror}")
        return EX_CANNOT
    if not written:
        out.error(f"no letter to export: {choice}")
        return EX_NOTHING
    out.error(f"exported {dead_words.letters(written)}{f' to {to}' if to else ''}: {choice}")
    return 0


async def _write(dead: Letters, choice: Choice, now_ms: int, write: Callable[[str], object]) -> int:
    count = 0
    async for page in chosen(dead, choice, now_ms=now_ms, last=await dead.newest() or LAST):
        for letter in page:
            write(orjson.dumps(dead_words.document(letter)).decode() + "\n")
            count += 1
    return count


@contextlib.contextmanager
def _whole(to: Path) -> Iterator[TextIO]:
    """A file beside it, for its owner only, that takes its place at the end, unless it is empty or was not finished."""
    handle, name = tempfile.mkstemp(prefix=f".{to.name}.", dir=to.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if Path(name).stat().st_size:
            Path(name).replace(to)
    finally:
        Path(name).unlink(missing_ok=True)
