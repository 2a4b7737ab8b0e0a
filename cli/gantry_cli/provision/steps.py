"""What a group must be, what it is, and what lies between. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import SecretStr

from gantry_cli.provision.attributes import OF, TIME, TYPES, Attribute

Fields = Mapping[str, Any]

_PLAIN = (None, "", "iotagent")  # of payloadType: measures are plain JSON objects


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A group as our measures need it."""

    targets: tuple[str, ...]  # more than one when they share an API key
    key: SecretStr
    resource: str
    entity_type: str  # only for a group that is made
    attributes: tuple[Attribute, ...]

    @property
    def name(self) -> str:
        return "+".join(self.targets)


@dataclass(frozen=True, slots=True)
class Change:
    """A setting that must be another, and why."""

    setting: str
    was: Any  # None: not there
    to: Any
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one group needs; nothing, if `body` is empty."""

    wanted: Wanted
    found: Fields | None = field(repr=False)  # None: it must be made
    changes: tuple[Change, ...] = ()
    added: tuple[Attribute, ...] = ()
    mended: tuple[Change, ...] = ()  # attributes of ours that are mapped wrongly
    kept: tuple[str, ...] = ()  # attributes that others added
    elsewhere: tuple[str, ...] = ()  # other resources that have a group of this key
    body: Fields = field(default_factory=dict, repr=False)  # what to send

    @property
    def entity_type(self) -> str:
        given = self.found.get("entity_type") if self.found is not None else None
        return str(given or self.wanted.entity_type)

    @property
    def explicit(self) -> bool:
        """Whether the group, as it is, drops what it does not map; an expression or list chooses, so it may."""
        return self.found is not None and not _is(self.found.get("explicitAttrs"), wanted=False)


def wanted(
    keys: Mapping[str, SecretStr], resource: str, targets: Sequence[str], types: Mapping[str, str] = TYPES
) -> list[Wanted]:
    """One group per API key. `keys`: target → key; `types`: target → type of entities."""
    by_key: dict[str, list[str]] = {}
    for target, key in keys.items():
        by_key.setdefault(key.get_secret_value(), []).append(target)
    return [
        Wanted(
            targets=tuple(sharing),
            key=SecretStr(key),
            resource=resource,
            entity_type=types[sharing[0]],
            attributes=tuple(dict.fromkeys(one for target in sharing for one in OF[target])),
        )
        for key, sharing in by_key.items()
        if set(sharing) & set(targets)
    ]


def pick(groups: Sequence[Fields], of: Wanted) -> Fields | None:
    """The group with this key and resource among all that are there."""
    key = of.key.get_secret_value()
    return next((each for each in groups if (each.get("apikey"), each.get("resource")) == (key, of.resource)), None)


def compare(of: Wanted, groups: Sequence[Fields]) -> Step:
    """What must be done so that a group is as it must be; attributes and settings of others stay.

    `groups`: all that are there.
    """
    found = pick(groups, of)
    mine = (each for each in groups if each.get("apikey") == of.key.get_secret_value())
    elsewhere = tuple(str(each.get("resource")) for each in mine if each.get("resource") != of.resource)
    if found is None:
        return Step(wanted=of, found=None, added=of.attributes, elsewhere=elsewhere, body=_whole(of))
    return replace(_differing(of, found), elsewhere=elsewhere)


def _differing(of: Wanted, found: Fields) -> Step:
    listed = _listed(found, "attributes")
    ours = {one.name for one in of.attributes}
    by_id = {_sent_as(each): each for each in listed}
    added = tuple(one for one in of.attributes if one.name not in by_id)
    mended = tuple(filter(None, (_mending(one, by_id[one.name]) for one in of.attributes if one.name in by_id)))
    changes = tuple(_settings(found))
    body: dict[str, Any] = {change.setting: change.to for change in changes}
    if added or mended:
        fixed = {change.setting: change.to for change in mended}
        kept = [fixed.get(_sent_as(each), each) for each in listed]
        body["attributes"] = [*kept, *(one.mapping() for one in added)]
    others = tuple(_sent_as(each) for each in listed if _sent_as(each) not in ours)
    return Step(wanted=of, found=found, changes=changes, added=added, mended=mended, kept=others, body=body)


def _whole(of: Wanted) -> Fields:
    return {
        "apikey": of.key.get_secret_value(),
        "resource": of.resource,
        "entity_type": of.entity_type,
        "timestamp": True,
        "explicitAttrs": True,
        "autoprovision": True,
        "commands": [],
        "lazy": [],
        "attributes": [one.mapping() for one in of.attributes],
    }


def _settings(found: Fields) -> list[Change]:
    changes = []
    if not _is(found.get("timestamp"), wanted=True):
        changes.append(Change("timestamp", found.get("timestamp"), True, "each attribute carries its instant"))
    if not _is(found.get("explicitAttrs"), wanted=True):
        why = "what is stored is what is mapped, with its type"
        changes.append(Change("explicitAttrs", found.get("explicitAttrs"), True, why))
    if not _is(found.get("autoprovision", True), wanted=True):
        why = "the first measure of a new device makes it known"
        changes.append(Change("autoprovision", found.get("autoprovision"), True, why))
    for name in ("commands", "lazy"):
        if listed := _listed(found, name):
            why = "with them, a new device's first burst gets no answer"
            changes.append(Change(name, [str(each.get("name")) for each in listed], [], why))
    if found.get("payloadType") not in _PLAIN:
        changes.append(
            Change("payloadType", found.get("payloadType"), "iotagent", "our measures are plain JSON objects")
        )
    return changes


def _mending(one: Attribute, found: Fields) -> Change | None:
    """Another name is somebody's choice, except for TimeInstant: what it is called decides whether the time is kept."""
    renamed = one.name == TIME and found.get("name") != TIME
    if found.get("type") == one.kind and not renamed:
        return None
    to = {**found, "type": one.kind, **({"name": TIME} if renamed else {})}
    return Change(
        one.name, dict(found), to, "so that the time is kept" if one.name == TIME else "the type of our values"
    )


def _sent_as(mapping: Fields) -> str:
    return str(mapping.get("object_id") or mapping.get("name"))


def stored_as(found: Fields, sent: str) -> str:
    """The name under which a group stores an attribute."""
    return next((str(each.get("name")) for each in _listed(found, "attributes") if _sent_as(each) == sent), sent)


def _listed(found: Fields, name: str) -> list[Fields]:
    given = found.get(name)
    return [each for each in given if isinstance(each, Mapping)] if isinstance(given, list) else []


def _is(value: object, *, wanted: bool) -> bool:
    """Agents keep a flag as it was given to them: as a boolean or its word. Absent is false."""
    return str(value or False).lower() == str(wanted).lower()
