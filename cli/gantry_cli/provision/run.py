"""`gantry provision plan`, `apply` and `verify`: ask, let the pure modules decide, act, say it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gantry import topology
from gantry.errors import SettingsError
from gantry_cli.output import Output
from gantry_cli.provision import steps, texts
from gantry_cli.provision.attributes import TYPES
from gantry_cli.provision.config import Config
from gantry_cli.provision.platform import Platform, wire_of
from gantry_cli.provision.steps import Step
from gantry_cli.provision.wire import Trouble

EX_TO_DO, EX_TROUBLE = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which groups, and what entities are called in a group that is made."""

    targets: Sequence[str] = topology.TARGETS
    types: Mapping[str, str] = field(default_factory=lambda: dict(TYPES))
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """A platform that can be asked, and somebody to tell. Nothing that is said through it shows a secret."""

    config: Config
    platform: Platform
    out: Output

    async def steps(self, asked: Asked) -> list[Step]:
        """What lies between what is there and what must be. Raises Trouble."""
        found = await self.platform.groups()
        of = steps.wanted(self.config.keys, self.config.resource, asked.targets, asked.types)
        return [steps.compare(each, found) for each in of]

    def say(self, rows: Sequence[str]) -> None:
        self.out.lines(texts.veiled(row, self.config.hidden) for row in rows)

    def json(self, value: Any) -> None:
        self.out.json(texts.veiled(value, self.config.hidden))

    @property
    def where(self) -> str:
        return f"service {self.config.fiware_service}, path {self.config.fiware_servicepath}"


async def within(config: Config, out: Output, work: Callable[[Session], Awaitable[int]]) -> int:
    """Do it with a connection; what the platform does wrong is one line and exit 2."""
    try:
        async with wire_of(config) as wire:
            return await work(Session(config, Platform(wire, config), out))
    except Trouble as error:
        out.error(texts.veiled(str(error), config.hidden))
        return EX_TROUBLE


async def plan(session: Session, asked: Asked) -> int:
    """Print what apply would do; 0 nothing, 1 something."""
    found = await session.steps(asked)
    if asked.as_json:
        session.json(texts.document(found))
    else:
        session.say(texts.plan(found, session.where))
    to_do = any(step.body for step in found)
    if to_do and not asked.as_json:
        session.say(["Next: gantry provision apply"])
    return EX_TO_DO if to_do else 0


async def apply(session: Session, asked: Asked, confirm: Callable[[str], bool] | None) -> int:
    """Do what the plan says, and look whether it came true; 0 if so. `confirm` None: nobody is there to be asked."""
    found = await session.steps(asked)
    session.say(texts.plan(found, session.where))
    to_do = [step for step in found if step.body]
    if not to_do:
        return 0
    if confirm is None:
        session.out.error("nobody is here to confirm: say --yes. Nothing was done")
        return EX_TROUBLE
    if not confirm(f"Do this on the platform ({session.where})?"):
        session.say(["nothing was done"])
        return EX_TO_DO
    for step in to_do:
        await session.platform.take(step)
        verb = "made" if step.found is None else "changed"
        session.say([f"{verb} the group of {step.wanted.name}"])
    return _came_true(session, [step for step in await session.steps(asked) if step.body])


def _came_true(session: Session, left: Sequence[Step]) -> int:
    """An agent that does not know a field takes it and forgets it."""
    if not left:
        session.say(["read back: the groups are as they must be. Next: gantry provision verify"])
        return 0
    session.say(["read back: the platform took it with success and did not do it all:"])
    session.say(texts.groups(left, session.where))
    return EX_TO_DO


def types_of(evd: str | None, crowd: str | None) -> dict[str, str]:
    """Target → type of entities. Raises SettingsError."""
    given = {topology.EVD: evd or TYPES[topology.EVD], topology.CROWD: crowd or TYPES[topology.CROWD]}
    if wrong := [kind for kind in given.values() if not kind.isidentifier() or not kind.isascii()]:
        raise SettingsError([f"{kind!r} is no type of entities: letters, digits and '_'" for kind in wrong])
    return given
