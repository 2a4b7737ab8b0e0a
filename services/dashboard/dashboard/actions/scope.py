"""Which letters an action is about: what stands in an address or a form → what is asked of `dead`. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from gantry import topology
from gantry.errors import Malformed
from gantry.event import LetterClass
from gantry.streams.letters import Wanted, is_entry_id

LONGEST = 256  # characters of a filter
_LATEST_MS = 4_102_444_800_000  # the year 2100
_EVENT_ID = re.compile(r"[0-9a-z]{26}")
_MS = re.compile(r"[0-9]{1,13}")


class Verb(StrEnum):
    """What can be decided about a letter."""

    RETRY = "retry"
    DROP = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One letter by its entry id, or all that pass the filters."""

    verb: Verb
    entry_id: str = ""
    wanted: Wanted = field(default_factory=Wanted)

    @property
    def one(self) -> bool:
        return bool(self.entry_id)

    @property
    def filters(self) -> dict[str, str]:
        """The filters as an address and a form carry them; nothing that is empty."""
        wanted = self.wanted
        given = {
            "kind": wanted.kind,
            "target": wanted.target,
            "device": wanted.device,
            "reason": wanted.reason,
            "text": wanted.text,
            "event": next(iter(wanted.events), ""),
            "since": "" if wanted.since_ms is None else str(wanted.since_ms),
            "until": "" if wanted.until_ms is None else str(wanted.until_ms),
        }
        return {name: value for name, value in given.items() if value}

    def __str__(self) -> str:
        """For the list of actions, e.g. "class out, device cam-*"."""
        if self.one:
            return f"letter {self.entry_id}"
        names = {"kind": "class", "reason": "reason with", "text": "content with"}
        parts = [f"{names.get(name, name)} {_spoken(name, value)}" for name, value in self.filters.items()]
        return ", ".join(parts) or "all letters"


def scope(form: Mapping[str, str]) -> Scope:
    """From an address or a form. Raises Malformed, with a sentence for whoever typed it."""
    if form.get("verb") not in set(Verb):
        raise Malformed("say retry or drop")
    verb, entry_id = Verb(form["verb"]), form.get("id", "")
    if not entry_id:
        return Scope(verb=verb, wanted=_wanted(form))
    if not is_entry_id(entry_id):
        raise Malformed("this is no letter's id")
    return Scope(verb=verb, entry_id=entry_id)


def _wanted(form: Mapping[str, str]) -> Wanted:
    event = _word(form, "event").lower()
    if event and not _EVENT_ID.fullmatch(event):
        raise Malformed("event: this is no event's id")
    return Wanted(
        kind=_one_of(form, "kind", tuple(LetterClass)) or _one_of(form, "class", tuple(LetterClass)),
        target=_one_of(form, "target", topology.TARGETS),
        device=_word(form, "device"),
        reason=_word(form, "reason"),
        text=_word(form, "text"),
        events=frozenset({event} if event else ()),
        since_ms=_moment(form, "since"),
        until_ms=_moment(form, "until"),
    )


def _word(form: Mapping[str, str], name: str) -> str:
    word = form.get(name, "").strip()
    if len(word) > LONGEST or not word.isprintable():
        raise Malformed(f"{name} must be one line of at most {LONGEST} characters")
    return word


def _one_of(form: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    word = _word(form, name).lower()
    if word and word not in choices:
        raise Malformed(f"{name} must be one of {', '.join(choices)}")
    return word


def _moment(form: Mapping[str, str], name: str) -> int | None:
    """Milliseconds since the epoch, or a date or time in ISO 8601 (UTC, unless it says another)."""
    word = _word(form, name)
    if not word:
        return None
    try:
        at_ms = int(word) if _MS.fullmatch(word) else _iso_ms(word)
    except (ValueError, OverflowError):
        raise Malformed(f"{name} must be a time such as 2026-05-28T03:00") from None
    if not 0 <= at_ms < _LATEST_MS:
        raise Malformed(f"{name} is no time that a letter can have")
    return at_ms


def _iso_ms(word: str) -> int:
    given = datetime.fromisoformat(word)
    return int((given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp() * 1000)


def _spoken(name: str, value: str) -> str:
    if name not in ("since", "until"):
        return value
    return f"{datetime.fromtimestamp(int(value) / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
