"""What people have stopped, and what has stopped itself, as phrases. Pure."""

from __future__ import annotations

from gantry.diagnosis import causes
from gantry.diagnosis.facts import Breaker, HeldLane, Overdrive
from gantry.diagnosis.phrases import Figure, Moment, Phrase, Span, Value, Word, counted
from gantry.streams.controls import Pause


def since(at_ms: int, now_ms: int) -> Value:
    """E.g. "2026-01-15 02:31 UTC (34 min ago)"; "?" when nobody wrote it down."""
    if not at_ms:
        return Moment(0)
    return Phrase("time.since", {"at": Moment(at_ms), "span": Span(max(0, now_ms - at_ms) / 1000)})


def blame(each: Pause | HeldLane, now_ms: int) -> Phrase:
    """Who, since when, and why."""
    values = {"owner": each.owner or "?", "since": since(each.since_ms, now_ms), "reason": each.reason or "?"}
    return Phrase("control.blame", values)


def until(each: Pause, now_ms: int) -> Phrase:
    """How it ends."""
    if not each.until_ms:
        return Phrase("control.until_resumed", {"target": each.target})
    return Phrase("control.until", {"at": Moment(each.until_ms), "span": Span((each.until_ms - now_ms) / 1000)})


def pause(each: Pause, now_ms: int) -> Phrase:
    """One pause that is in force."""
    return Phrase("control.paused", {"target": each.target, "until": until(each, now_ms), "blame": blame(each, now_ms)})


def breaker(each: Breaker) -> Phrase:
    """State, cause and what comes next."""
    if each.state == "closed":
        key = "breaker.quiet" if each.quiet_s else "breaker.closed"
        return Phrase(key, {"target": each.target, "quiet": quiet(each)})
    values: dict[str, Value] = {"target": each.target, "state": Word("breaker_state", each.state)}
    values["reason"] = causes.meaning(each.reason) or Phrase("breaker.no_reason")
    return Phrase("breaker.standing", {**values, "upcoming": upcoming(each)})


def quiet(each: Breaker) -> Value:
    """How long the platform still wants to be left alone; empty when it does not."""
    return Phrase("breaker.asked_for_quiet", {"span": Span(each.quiet_s)}) if each.quiet_s else ""


def upcoming(each: Breaker) -> Phrase:
    """What a breaker that is not closed waits for."""
    if each.state == "half" and each.ahead_s:
        return Phrase("breaker.probing", {"lane": each.probe, "span": Span(each.ahead_s)})
    return Phrase("breaker.next_probe", {"span": Span(each.ahead_s)}) if each.ahead_s else Phrase("probe.due")


def cause(each: Breaker) -> Value:
    """Why it is open, or what its last failure was."""
    said = causes.meaning(each.reason)
    if each.state != "closed" or each.failures or not said:
        return said
    return Phrase("breaker.last_time", {"reason": said})


def standing(each: HeldLane) -> Phrase:
    """What a held lane waits for."""
    if each.under_way:
        return Phrase("lane.under_way")
    if each.next_s is None:
        return Phrase("lane.until_released", {"lane": each.lane})
    return Phrase("probe.in", {"span": Span(each.next_s)}) if each.next_s > 0 else Phrase("probe.due")


def overdrive(each: Overdrive, quota: int) -> Phrase:
    """A device that sends more than may go out."""
    o = each.overrun
    values: dict[str, Value] = {"lane": each.lane, "arriving": Figure(o.arriving), "allowed": Figure(o.allowed)}
    return Phrase("lane.overdrive", {**values, "waiting": o.waiting, "span": Span(o.hours_until(quota) * 3600)})


def measures(count: int) -> Phrase:
    """E.g. "1 measure waits"."""
    return counted("lane.measures", count)
