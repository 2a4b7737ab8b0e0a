"""The site itself: ledger, breakers, pauses, problems, and the picture of the first page."""

from __future__ import annotations

from dashboard.reading import backlogs, history, processes, states
from dashboard.reading.sources import Sources
from gantry import ledger as accounts
from gantry.diagnosis import facts, texts, verdicts
from gantry.streams.controls import Pause


def ledger_lines(found: accounts.Ledger) -> states.LedgerLines:
    """Both lines as they are shown."""
    return states.LedgerLines(
        received=found.received,
        events=dict(found.events),
        measures=found.measures,
        outcomes=dict(found.outcomes),
        beside=dict(sorted(found.beside.items())),
        balanced=found.balanced,
    )


async def ledger(sources: Sources) -> states.LedgerLines:
    """From the counters; all zero before any service has started."""
    if not await sources.client.exists(sources.keys.events):
        return ledger_lines(accounts.read({}, in_raw=0, waiting=0))
    return ledger_lines(await sources.books.read())


async def audit(sources: Sources) -> states.LedgerAudit:
    """Recounted from the keys, once for all who ask within a second."""
    return await sources.cache.get("audit", lambda: _recount(sources))


async def _recount(sources: Sources) -> states.LedgerAudit:
    if not await sources.client.exists(sources.keys.events):
        return states.LedgerAudit(ledger=await ledger(sources), recount={}, differences=[], balanced=True)
    found = await sources.books.audit()
    return states.LedgerAudit(
        ledger=ledger_lines(found.ledger),
        recount=found.recount,
        differences=[states.Difference(what=d.what, counted=d.counted, found=d.found) for d in found.differences],
        balanced=found.balanced,
    )


async def gathered(sources: Sources) -> facts.Facts:
    """What the verdicts are made of, once for all who ask within a second."""

    async def gather() -> facts.Facts:
        s = sources
        return await facts.gather(s.client, s.keys, s.books, s.controls, s.config.device_quota)

    return await sources.cache.get("facts", gather)


def _breaker(each: facts.Breaker) -> states.Breaker:
    return states.Breaker(
        target=each.target,
        state=each.state,
        reason=each.reason,
        ahead_s=each.ahead_s,
        quiet_s=each.quiet_s,
        at_ceiling=each.at_ceiling,
        since_ms=each.since_ms,
        failures=each.failures,
        trips=each.trips,
        last=each.last,
        probe=each.probe,
        by_hand=each.by_hand,
    )


def paused(each: Pause) -> states.Paused:
    """A pause as it is shown."""
    return states.Paused(
        target=each.target, until_ms=each.until_ms, since_ms=each.since_ms, owner=each.owner, reason=each.reason
    )


async def breakers(sources: Sources) -> states.Breakers:
    """One per target, and the pauses in force."""
    now = await facts.now_ms(sources.client)
    found = [_breaker(each) for each in await facts.breakers(sources.controls, now)]
    return states.Breakers(
        breaker_open=any(each.state != "closed" for each in found),
        targets=found,
        pauses=[paused(each) for each in await sources.controls.pauses(now)],
    )


async def problems(sources: Sources, language: str) -> states.Problems:
    """Everything that needs a person, the most basic first."""
    found = _problems(await gathered(sources), language)
    return states.Problems(ok=not any(each.wrong for each in found), problems=found)


def _problems(seen: facts.Facts, language: str) -> list[states.Problem]:
    found = [(problem, texts.render(problem, language)) for problem in verdicts.problems(seen)]
    return [states.Problem(code=p.code, cause=t.cause, next=t.step, link=p.link, wrong=p.wrong) for p, t in found]


async def now(sources: Sources, language: str) -> states.Now:
    """What the first page shows."""

    async def make() -> states.Now:
        seen = await gathered(sources)
        found = _problems(seen, language)
        alive = await processes.alive(sources)
        return states.Now(
            at_ms=seen.now_ms,
            ok=not any(each.wrong for each in found),
            ledger=ledger_lines(seen.ledger) if seen.ledger else None,
            rates=await history.rates(sources),
            breakers=[_breaker(each) for each in seen.breakers],
            pauses=[paused(each) for each in seen.pauses],
            problems=found,
            backlog=await backlogs.backlog(sources, alive),
            recorders=processes.recorders(alive),
            counters=processes.counters(alive),
            services=processes.tally(alive),
        )

    return await sources.cache.get(f"now:{language}", make)
