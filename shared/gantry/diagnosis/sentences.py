"""What people have stopped, and what has stopped itself, in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from gantry.diagnosis import causes, words
from gantry.diagnosis.facts import Breaker, HeldLane, Overdrive
from gantry.streams.controls import Pause

SHOWN = 3  # names in a sentence


def moment(at_ms: int) -> str:
    """E.g. "2026-01-15 02:31 UTC"; "?" when nobody wrote it down."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC" if at_ms else "?"


def since(at_ms: int, now_ms: int) -> str:
    """E.g. "2026-01-15 02:31 UTC (34 min ago)"."""
    return f"{moment(at_ms)} ({words.duration(max(0, now_ms - at_ms) / 1000)} ago)" if at_ms else "?"


def blame(each: Pause | HeldLane, now_ms: int) -> str:
    """Who, since when, and why."""
    return f"by {each.owner or '?'} since {since(each.since_ms, now_ms)}: {each.reason or '?'}"


def until(each: Pause, now_ms: int) -> str:
    """How it ends."""
    if not each.until_ms:
        return f"until `gantry resume {each.target}`"
    return f"until {moment(each.until_ms)} (in {words.duration((each.until_ms - now_ms) / 1000)})"


def pause(each: Pause, now_ms: int) -> str:
    """One pause that is in force."""
    return f"{each.target} is paused {until(each, now_ms)}, {blame(each, now_ms)}"


def breaker(each: Breaker) -> str:
    """State, cause and what comes next."""
    if each.state == "closed":
        return f"the breaker of {each.target} is closed{(each.quiet_s and f', but {quiet(each)}') or ''}"
    name = "half open" if each.state == "half" else each.state
    return (
        f"the breaker of {each.target} is {name} ({causes.meaning(each.reason) or 'no reason given'}), {upcoming(each)}"
    )


def quiet(each: Breaker) -> str:
    """How long the platform still wants to be left alone; empty when it does not."""
    return f"the platform asked for quiet: {words.duration(each.quiet_s)} more" if each.quiet_s else ""


def upcoming(each: Breaker) -> str:
    """What a breaker that is not closed waits for."""
    if each.state == "half" and each.ahead_s:
        return f"one probe is under way ({each.probe}), its answer comes within {words.duration(each.ahead_s)}"
    return f"next probe in {words.duration(each.ahead_s)}" if each.ahead_s else "a probe is due"


def cause(each: Breaker) -> str:
    """Why it is open, or what its last failure was."""
    said = causes.meaning(each.reason)
    return said if each.state != "closed" or each.failures or not said else f"last time: {said}"


def standing(each: HeldLane) -> str:
    """What a held lane waits for."""
    if each.under_way:
        return "a request is under way"
    if each.next_s is None:
        return f"after `gantry release {each.lane}`"
    return f"probe in {words.duration(each.next_s)}" if each.next_s > 0 else "a probe is due"


def overdrive(each: Overdrive, quota: int) -> str:
    """A device that sends more than may go out."""
    o = each.overrun
    full = f"its quota is used up in {words.duration(o.hours_until(quota) * 3600)}"
    return f"{each.lane} ({o.arriving:.0f} a minute come, {o.allowed:.0f} may go out, {o.waiting} wait; {full})"


def measures(count: int) -> str:
    """E.g. "1 measure waits"."""
    return "1 measure waits" if count == 1 else f"{count} measures wait"


def some(names: Sequence[str]) -> str:
    """The first few of many."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
