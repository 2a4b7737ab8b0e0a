"""Figures and ledger lines as a person reads them. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from gantry.ledger import Ledger

_UNITS = ("B", "kB", "MB", "GB", "TB")
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def size(count: int, point: str = ".") -> str:
    """Bytes, e.g. "12.3 MB"; `point`: the decimal point of the language."""
    value, unit = float(count), 0
    while value >= 1000 and unit < len(_UNITS) - 1:  # noqa: PLR2004 - decimal units
        value, unit = value / 1000, unit + 1
    return f"{_tenths(value, point)} {_UNITS[unit]}" if unit else f"{count} B"


def duration(seconds: float, point: str = ".") -> str:
    """E.g. "42 s", "3 min", "2.5 h", "4 d"; `point`: the decimal point of the language."""
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{_tenths(seconds / _HOUR, point)} h" if seconds < 2 * _DAY else f"{seconds / _DAY:.0f} d"


def line(name: str, total: int, terms: Mapping[str, int]) -> str:
    """One identity of the ledger with every term, e.g. "received 3 = in_raw 1 + … + accepted 2"."""
    return f"{name} {total} = " + " + ".join(f"{term} {value}" for term, value in terms.items())


def verdict(difference: int) -> str:
    """Whether an identity holds; `difference` is the left side less the right."""
    return "balanced" if not difference else f"off by {difference:+d}"


def lines(ledger: Ledger) -> tuple[str, str]:
    """Both identities with their verdicts."""
    return (
        f"{line('received', ledger.received, ledger.events)}: {verdict(ledger.events_difference)}",
        f"{line('measures', ledger.measures, ledger.outcomes)}: {verdict(ledger.measures_difference)}",
    )


def figures(values: Mapping[str, int]) -> str:
    """Named figures in one line, sorted; "none" when there are none."""
    return ", ".join(f"{name} {value}" for name, value in sorted(values.items())) or "none"


def _tenths(value: float, point: str) -> str:
    return f"{value:.1f}".replace(".", point)
