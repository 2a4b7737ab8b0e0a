"""Faults on demand: which row a request gets instead of the one that it earns. Deterministic by seed. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

from gantry.errors import Malformed
from twins.agent.answers import ANSWERS, CLASSES, FAULTS, Row, rows_of

MAX_RULES = 10_000
MAX_DELAY_MS = 600_000
MAX_RETRY_AFTER_S = 86_400
ANY = "any"
_WHOLE = float(1 << 56)


@dataclass(slots=True)
class Rule:
    """Answer so: for this target (None: any), this device (None: any), bodies holding `match`."""

    classes: tuple[tuple[Row, ...], ...]  # one of them is drawn, then one of its rows
    target: str | None
    device: str | None
    match: bytes
    left: int | None  # None: until cleared
    probability: float
    seed: int | None = None  # None: the script's
    number: int = 0

    @property
    def certain(self) -> bool:
        return self.probability >= 1 and len(self.classes) == 1 and len(self.classes[0]) == 1


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
            row = rule.classes[0][0] if rule.certain else self._draw(rule, target, device, nth)
            if row is None:
                continue
            if rule.left is not None:
                rule.left -= 1
                if rule.left <= 0:
                    self.rules.remove(rule)
            return row
        return None

    def _draw(self, rule: Rule, target: str | None, device: str | None, nth: int) -> Row | None:
        """From what is asked, not from when: the same device meets the same luck however requests interleave."""
        seed = f"{self.seed} {rule.number}" if rule.seed is None else str(rule.seed)
        luck = hashlib.blake2b(f"{seed} {target} {device} {nth}".encode(), digest_size=21).digest()
        chance, which, row = (int.from_bytes(luck[at : at + 7]) / _WHOLE for at in (0, 7, 14))
        if chance >= rule.probability:
            return None
        rows = rule.classes[int(which * len(rule.classes))]
        return rows[int(row * len(rows))]


_KNOWN = frozenset(
    {"answer", "classes", "target", "device", "times", "probability", "seed", "match", "ms", "retry_after_s"}
)


def read(given: Any) -> Rule:
    """A rule from the JSON of POST /twin/script. Raises Malformed that says what is wrong."""
    if not isinstance(given, dict):
        raise Malformed("give an object")
    if unknown := set(given) - _KNOWN:
        raise Malformed(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(sorted(_KNOWN))}")
    times = given.get("times")
    return Rule(
        classes=tuple(tuple(_adapted(row, given) for row in rows) for rows in _classes(given)),
        target=_text(given, "target"),
        device=_text(given, "device"),
        match=(_text(given, "match") or "").encode(),
        left=None if times is None else int(_number(given, "times", 1, 1_000_000_000)),
        probability=1.0 if given.get("probability") is None else _number(given, "probability", 0, 1),
        seed=None if given.get("seed") is None else int(_number(given, "seed", 0, 2**53)),
    )


def _classes(given: dict[str, Any]) -> list[tuple[Row, ...]]:
    """What `answer` names: one answer, or "any" of the named classes (of all faults, if none is named)."""
    answer, names = given.get("answer"), given.get("classes")
    if answer == ANY:
        if names is not None and (not isinstance(names, list) or not names or not set(names) <= set(CLASSES)):
            raise Malformed(f"classes: a list of {', '.join(CLASSES)}")
        return [rows_of(name) for name in names or FAULTS]
    row = ANSWERS.get(str(answer))
    if row is None or names is not None:
        raise Malformed('no such answer; GET /twin/answers lists them; classes go with "any"')
    return [(row,)]


def _adapted(row: Row, given: dict[str, Any]) -> Row:
    if given.get("ms") is not None:
        row = replace(row, delay_ms=int(_number(given, "ms", 0, MAX_DELAY_MS)))
    if given.get("retry_after_s") is not None and row.retry_after_s:
        row = replace(row, retry_after_s=int(_number(given, "retry_after_s", 1, MAX_RETRY_AFTER_S)))
    return row


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
