"""Which entity a device's measures are written to. Pure."""

from __future__ import annotations

import re

from gantry_cli.provision.steps import Fields, Step

_TERM = re.compile(r"""\s*(?:'([^'\\]*)'|"([^"\\]*)"|(id|type))\s*(\+|$)""")
_UNSAFE = re.compile(r"""[^!-~]|[&?/#<>"'=;()]""")
_LONGEST = 200


def entity(device: str, known: Fields | None, step: Step) -> tuple[str, str] | None:
    """Id and type; None when the group's entityNameExp cannot be computed here. `known`: as the agent knows it.

    An expression wins over a device's own name.
    """
    given = known or {}
    kind = str(given.get("entity_type") or step.entity_type)
    expression = (step.found or {}).get("entityNameExp") or given.get("entityNameExp")
    if expression:
        joined = _joined(str(expression), {"id": device, "type": kind})
        return (joined, kind) if joined else None
    return str(given.get("entity_name") or f"{kind}:{device}"), kind


def _joined(expression: str, values: dict[str, str]) -> str | None:
    """Texts, `id` and `type` joined by +; anything else is not understood."""
    parts, at = [], 0
    while at < len(expression):
        term = _TERM.match(expression, at)
        if term is None:
            return None
        single, double, name, _ = term.groups()
        parts.append(values[name] if name else single or double or "")
        at = term.end()
    return "".join(parts)


def is_safe(device: str) -> bool:
    """Whether a broker takes an entity's id made of this device's."""
    return 0 < len(device) <= _LONGEST and not _UNSAFE.search(device)
