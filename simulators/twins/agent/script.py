"""Faults on demand: which row a request gets instead of the one that it earns. Deterministic by seed. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

from gantry.errors import Malformed
from twins.agent.answers import ANSWERS, Row

MAX_RULES = 10_000
MAX_DELAY_MS = 600_000


@dataclass(slots=True)
class Rule:
    """Answer so: for this target (None: any), this device (None: any), bodies holding `match`."""

    row: Row
    target: str | None
    device: str | None
    match: bytes
    left: int | None  # None: until cleared
    probability: float
    number: int = 0


@dataclass(slots=True)
class Script:
    """The rules in force, tried in the order in which they were given; a rule that is used up goes."""

    seed: int = 0
    rules: list[Rule] = field(default_factory=list)
    _made: int = 0

    def add(self, rule: Rule) -> None:
        if len(self.rules) >= MAX_RULES:
            raise Malformed(f"no more than {MAX_RULES} rules")
        self._made += 1
        rule.number = self._made
        self.rules.append(rule)

    def clear(self) -> None:
        self.rules.clear()

    def pick(self, target: str | None, device: str | None, body: bytes, nth: int) -> Row | None:
        """The row for the `nth` request of this device, or None: answer what it earns."""
        for rule in self.rules:
            if rule.target not in (None, target) or rule.device not in (None, device) or rule.match not in body:
                continue
            if rule.probability < 1 and self._chance(rule, target, device, nth) >= rule.probability:
                continue
            if rule.left is not None:
                rule.left -= 1
                if rule.left <= 0:
                    self.rules.remove(rule)
            return rule.row
        return None

    def _chance(self, rule: Rule, target: str | None, device: str | None, nth: int) -> float:
        """From what is asked, not from when: the same device meets the same luck however requests interleave."""
        asked = f"{self.seed} {rule.number} {target} {device} {nth}".encode()
        return int.from_bytes(hashlib.blake2b(asked, digest_size=7).digest()) / float(1 << 56)


def read(given: Any) -> Rule:
    """A rule from the JSON of POST /twin/script. Raises Malformed that says what is wrong."""
    if not isinstance(given, dict):
        raise Malformed("give an object")
    known = {"answer", "target", "device", "times", "probability", "match", "ms"}
    if unknown := set(given) - known:
        raise Malformed(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
    row = ANSWERS.get(str(given.get("answer")))
    if row is None:
        raise Malformed("no such answer; GET /twin/answers lists them")
    if given.get("ms") is not None:
        row = replace(row, delay_ms=int(_number(given, "ms", 0, MAX_DELAY_MS)))
    times = given.get("times")
    return Rule(
        row=row,
        target=_text(given, "target"),
        device=_text(given, "device"),
        match=(_text(given, "match") or "").encode(),
        left=None if times is None else int(_number(given, "times", 1, 1_000_000_000)),
        probability=1.0 if given.get("probability") is None else _number(given, "probability", 0, 1),
    )


def _text(given: dict[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise Malformed(f"{name}: a text or null")
    return value


def _number(given: dict[str, Any], name: str, least: float, most: float) -> float:
    value = given[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise Malformed(f"{name}: a number from {least} to {most}")
    return float(value)
