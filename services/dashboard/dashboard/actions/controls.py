"""Pausing a target, holding a device, opening and closing a breaker: `gantry pause`, `hold` and `breaker` as forms."""

from __future__ import annotations

from dashboard.actions.deeds import Asked, Deed, seconds, target
from dashboard.parts import Parts
from gantry.errors import Malformed
from gantry.streams.controls import LONGEST_OPEN_S, Note


async def pause(parts: Parts, asked: Asked) -> Deed:
    """Attempt nothing of a target: fields target, reason, for (empty: until resumed)."""
    name, for_s, note = target(asked.form), seconds(asked.form), _note(asked)
    await parts.controls.pause(name, note, for_s=for_s)
    spoken = f"{name}, for {for_s} s: {note.reason}" if for_s else f"{name}, until resumed: {note.reason}"
    code = "paused_for" if for_s else "paused"
    return Deed(code=code, values={"target": name.upper(), "s": for_s}, action=asked.action("pause", spoken))


async def resume(parts: Parts, asked: Asked) -> Deed:
    """Let a target go on: field target."""
    name = target(asked.form)
    before = await parts.controls.resume(name)
    values = {"target": name.upper()}
    if before is None:
        return Deed(code="not_paused", values=values, action=asked.action("resume", name, result="was not paused"))
    return Deed(code="resumed", values=values, action=asked.action("resume", name))


async def hold(parts: Parts, asked: Asked) -> Deed:
    """Attempt nothing of one device: fields target, lane, reason."""
    name, lane, note = target(asked.form), asked.form.get("lane", ""), _note(asked)
    if not await parts.controls.knows(name, lane):
        raise Malformed(f"no measure of {lane[:64]!r} has ever come for {name}")
    changed = await parts.controls.hold(name, lane, note)
    return Deed(
        code="held_under_way" if changed.under_way else "held",
        values={"target": name.upper(), "lane": lane, "waiting": changed.waiting},
        action=asked.action("hold", f"{lane} of {name}: {note.reason}"),
    )


async def release(parts: Parts, asked: Asked) -> Deed:
    """Let a held device go: fields target, lane."""
    name, lane = target(asked.form), asked.form.get("lane", "")
    changed = await parts.controls.release(name, lane)
    values = {"target": name.upper(), "lane": lane, "waiting": changed.waiting}
    scope = f"{lane} of {name}"
    if not changed.found:
        return Deed(code="not_held", values=values, action=asked.action("release", scope, result="was not held"))
    return Deed(code="released", values=values, action=asked.action("release", scope))


async def breaker(parts: Parts, asked: Asked) -> Deed:
    """Open or close a target's breaker: fields verb (open, reset), target; to open: reason, for."""
    verb, name = asked.form.get("verb", ""), target(asked.form)
    if verb == "reset":
        before = await parts.controls.reset_breaker(name)
        code = "breaker_was_closed" if before == "closed" else "breaker_reset"
        action = asked.action("breaker.reset", name, result=f"was {before}")
        return Deed(code=code, values={"target": name.upper()}, action=action)
    if verb != "open":
        raise Malformed("say open or reset")
    note, for_s = _note(asked), seconds(asked.form) or LONGEST_OPEN_S
    await parts.controls.open_breaker(name, note, for_s=for_s)
    action = asked.action("breaker.open", f"{name}, for {for_s} s: {note.reason}")
    return Deed(code="breaker_opened", values={"target": name.upper(), "s": for_s}, action=action)


def _note(asked: Asked) -> Note:
    return Note(asked.owner, asked.form.get("reason", "").strip())
