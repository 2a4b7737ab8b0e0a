"""Steps and findings as a person and a program read them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from gantry_cli.provision.steps import Change, Step

_HIDDEN = "***"


def plan(steps: Sequence[Step], where: str) -> list[str]:
    """The plan, group by group. `where`: service and path."""
    return [*groups(steps, where), total(steps)]


def groups(steps: Sequence[Step], where: str) -> list[str]:
    """What differs in each group."""
    return [row for step in steps for row in (_heading(step, where), *_rows(step))]


def _heading(step: Step, where: str) -> str:
    state = "as it must be" if not step.body else "must be changed" if step.found is not None else "must be made"
    return f"{step.wanted.name}: group {_HIDDEN} on {step.wanted.resource} of {where}, {step.entity_type}: {state}"


def _rows(step: Step) -> list[str]:
    rows = [f"  ! this key has a group on {each}, too: is the path of IOTA_JSON_BASE right?" for each in step.elsewhere]
    if step.found is None:
        settings = {
            name: value for name, value in step.body.items() if name not in ("apikey", "resource", "attributes")
        }
        rows += [f"  + {name}: {_json(value)}" for name, value in settings.items()]
    rows += [f"  ~ {each.setting}: {_json(each.was)} -> {_json(each.to)}   ({each.why})" for each in step.changes]
    rows += [f"  ~ attribute {each.setting}: {_differing(each)}   ({each.why})" for each in step.mended]
    rows += [f"  + attribute {one.name} ({one.kind}{f', {one.unit}' if one.unit else ''})" for one in step.added]
    if step.kept:
        rows.append(f"    attributes of others stay: {', '.join(step.kept)}")
    return rows


def _differing(change: Change) -> str:
    names = [name for name in change.to if change.was.get(name) != change.to[name]]
    return ", ".join(f"{name} {_json(change.was.get(name))} -> {_json(change.to[name])}" for name in names)


def total(steps: Sequence[Step]) -> str:
    """How much there is to do."""
    made = sum(step.found is None for step in steps)
    changed = sum(bool(step.body) for step in steps) - made
    if not made and not changed:
        return "nothing to do"
    parts = [f"{count} to {verb}" for count, verb in ((made, "make"), (changed, "change")) if count]
    return f"{', '.join(parts)}; no group, device or attribute is ever deleted"


def document(steps: Sequence[Step]) -> dict[str, Any]:
    """The plan for a program."""
    return {
        "to_do": sum(bool(step.body) for step in steps),
        "groups": [
            {
                "targets": list(step.wanted.targets),
                "resource": step.wanted.resource,
                "entity_type": step.entity_type,
                "exists": step.found is not None,
                "changes": [_change(each) for each in step.changes],
                "mended": [_change(each) for each in step.mended],
                "added": [one.mapping() for one in step.added],
                "kept": list(step.kept),
                "elsewhere": list(step.elsewhere),
            }
            for step in steps
        ],
    }


def _change(change: Change) -> dict[str, Any]:
    return {"setting": change.setting, "was": change.was, "to": change.to, "why": change.why}


def veiled(value: Any, hidden: Sequence[str]) -> Any:
    """Any JSON value without secrets, and without characters that a terminal would obey."""
    if isinstance(value, str):
        for secret in hidden:
            value = value.replace(secret, _HIDDEN)
        return "".join(each if each.isprintable() else "?" for each in value)
    if isinstance(value, Mapping):
        return {veiled(str(name), hidden): veiled(inner, hidden) for name, inner in value.items()}
    return [veiled(each, hidden) for each in value] if isinstance(value, list | tuple) else value


def _json(value: Any) -> str:
    return "not set" if value is None else orjson.dumps(value).decode()
