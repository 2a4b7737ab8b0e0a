"""`gantry audit`: recount the ledger from the keys, and compare."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from gantry.diagnosis import words
from gantry.settings import Settings
from gantry.streams.books import Audit
from gantry_cli.connection import NoAnswer, expect_streams, opened
from gantry_cli.output import Output

EX_DIFFERENCE = 1
EX_NO_ANSWER = 2


async def run(config: Settings, out: Output, *, as_json: bool) -> int:
    """Print the audit; 0 balanced, 1 with any difference, 2 when there is nothing to audit."""
    try:
        async with opened(config) as site:
            await expect_streams(site)
            audit = await site.books.audit()
    except NoAnswer as error:
        out.error(str(error))
        return EX_NO_ANSWER
    if as_json:
        out.json(report(audit))
    else:
        out.lines(text(audit))
    return 0 if audit.balanced else EX_DIFFERENCE


def report(audit: Audit) -> dict[str, Any]:
    """The audit for a program."""
    ledger = audit.ledger
    return {
        "received": ledger.received,
        "events": dict(ledger.events),
        "measures": ledger.measures,
        "outcomes": dict(ledger.outcomes),
        "beside": dict(ledger.beside),
        "recount": audit.recount,
        "differences": [asdict(difference) for difference in audit.differences],
        "balanced": audit.balanced,
    }


def text(audit: Audit) -> list[str]:
    """The audit for a person."""
    events, measures = words.lines(audit.ledger)
    rows = [f"events    {events}", f"measures  {measures}"]
    rows += [f"beside    {words.figures(audit.ledger.beside)}", f"recount   {words.figures(audit.recount)}"]
    rows += [f"DIFFERENCE  {d.what}: counted {d.counted}, found {d.found}" for d in audit.differences]
    if audit.balanced:
        return [*rows, "balanced: the counters agree with what the keys hold"]
    return [*rows, f"NOT BALANCED: {len(audit.differences)} difference(s); keep the data folder and the services' logs"]
