"""`gantry provision verify`: is what we send what the platform keeps? Reads only, unless told to send a test one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from gantry_cli.connection import NoAnswer, opened
from gantry_cli.provision import checks, delivered, naming
from gantry_cli.provision.checks import Finding, Level
from gantry_cli.provision.delivered import Delivered
from gantry_cli.provision.run import EX_TO_DO, EX_TROUBLE, Asked, Session
from gantry_cli.provision.steps import Fields, Step
from gantry_cli.provision.wire import Trouble

LOOKS = 3  # a measure may be delivered between reading the lane and reading the broker
_NEXT = "gantry provision plan; if it has nothing to do, verify again after the device's next measure"
_STORED = "whether values and times are stored"
_BACK = timedelta(hours=1)  # a test measure's age, so that its time is not that of arrival


@dataclass(frozen=True, slots=True)
class Look:
    """What to read back: a device (empty: the one delivered last), or a test device to send a measure for."""

    device: str = ""
    send: str = ""


async def run(session: Session, asked: Asked, look: Look) -> int:
    """Print every finding; 1 when something is lost, 2 when a broker that is named cannot be asked, else 0."""
    found = await session.steps(asked)
    findings = [finding for step in found for finding in checks.of_group(step)]
    findings += await _versions(session)
    failed = False
    for step in found:
        if step.found is None:
            continue
        try:
            findings += await _back(session, step, look)
        except Trouble as error:
            failed = True
            findings.append(Finding(step.wanted.name, Level.UNKNOWN, f"{_STORED}: {error}"))
    _tell(session, findings, as_json=asked.as_json)
    if any(finding.level is Level.WRONG for finding in findings):
        return EX_TO_DO
    return EX_TROUBLE if failed else 0


def _tell(session: Session, findings: Sequence[Finding], *, as_json: bool) -> None:
    if as_json:
        told = [{"about": each.about, "level": each.level.value, "text": each.text} for each in findings]
        session.json({"findings": told})
        return
    wide = max((len(each.about) for each in findings), default=0)
    session.say([f"{each.about:{wide}}  {each.level.value + ':':13} {each.text}" for each in findings])
    levels = [each.level for each in findings]
    wrong, unknown = levels.count(Level.WRONG), levels.count(Level.UNKNOWN)
    step = f". Next: {_NEXT}" if wrong else ""
    session.say([f"{wrong} wrong, {unknown} not verified{step}"])


async def _versions(session: Session) -> list[Finding]:
    try:
        return checks.of_versions(await session.platform.versions())
    except Trouble:  # groups were listed a moment ago: what stands before the agent does not pass this on
        return checks.of_versions(None)


async def _back(session: Session, step: Step, look: Look) -> list[Finding]:
    if look.send:
        return await _test(session, step, look.send)
    if not session.platform.has_broker:
        return [Finding(step.wanted.name, Level.UNKNOWN, f"{_STORED}: set IOTA_BROKER_URL to read an entity back")]
    return [finding for target in step.wanted.targets for finding in await _of_target(session, step, target, look)]


async def _test(session: Session, step: Step, device: str) -> list[Finding]:
    """Send every attribute once, and look what is left of it. Raises Trouble."""
    about, measure = f"{step.wanted.name}/{device}", a_measure(step, datetime.now(UTC))
    reply = await session.platform.send(step.wanted.key, device, measure)
    if reply.status != HTTPStatus.OK or reply.document != {}:
        return [Finding(about, Level.WRONG, f"the test measure got no receipt: {reply.said}")]
    if not session.platform.has_broker:
        text = f"a test measure got its receipt, which proves neither values nor time; {_STORED}: set IOTA_BROKER_URL"
        return [Finding(about, Level.UNKNOWN, text)]
    return await _entity(session, step, about, Delivered(device, measure))


def a_measure(step: Step, now: datetime) -> dict[str, Any]:
    """Every attribute of ours, with a value of its kind and an instant in the past."""
    at = f"{now - _BACK:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z"
    values = {"DateTime": at, "Number": 1, "Boolean": True, "Text": "GantryTest"}
    return {one.name: values[one.kind] for one in step.wanted.attributes}


async def _of_target(session: Session, step: Step, target: str, look: Look) -> list[Finding]:
    """Of the device that was named, or delivered last; read again if it was delivered meanwhile. Raises Trouble."""
    known, reason = await _delivered(session, target, look)
    if known is None:
        return [Finding(target, Level.UNKNOWN, f"{_STORED}: {reason}; name a device with --device")]
    for _ in range(LOOKS):
        findings = await _entity(session, step, f"{target}/{known.device}", known)
        now, _ = await _delivered(session, target, Look(device=known.device))
        if now is None or now == known:
            return findings
        known = now
    text = f"{_STORED}: it is delivered faster than it can be read; name a calmer device with --device"
    return [Finding(f"{target}/{known.device}", Level.UNKNOWN, text)]


async def _delivered(session: Session, target: str, look: Look) -> tuple[Delivered | None, str]:
    """What was delivered, or why nobody knows."""
    try:
        async with opened(session.config) as site:
            if look.device:
                return await delivered.of_device(site, target, look.device), ""
            return await delivered.latest(site, target), "nothing of it was delivered lately"
    except NoAnswer as error:
        return (Delivered(look.device, None) if look.device else None), str(error)


async def _entity(session: Session, step: Step, about: str, known: Delivered) -> list[Finding]:
    """Raises Trouble."""
    group: Fields = step.found or {}
    named = naming.entity(known.device, await session.platform.device(known.device, step.wanted), step)
    if named is None:
        text = f"{_STORED}: entityNameExp names its entity in a way that cannot be followed here"
        return [Finding(about, Level.UNKNOWN, text)]
    entity = await session.platform.entity(*named)
    if entity is None:
        there = f"there is no entity {named[0]} of type {named[1]}"
        if known.measure is None:
            return [Finding(about, Level.UNKNOWN, f"{_STORED}: {there}")]
        return [Finding(about, Level.WRONG, f"{there}, though a measure of it got its receipt")]
    if known.measure is None:
        return checks.of_entity(about, entity, step)
    return checks.of_sent(about, entity, known.measure, group)
