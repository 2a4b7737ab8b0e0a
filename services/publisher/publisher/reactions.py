"""What is done about a judgement. Pure but for the dice of the back-off."""

from __future__ import annotations

import random

from gantry import backoff
from gantry.streams.lanes import Grant, Outcome, Settlement
from publisher.classify import Judgement, Kind

BACKOFF_FIRST_S, BACKOFF_CAP_S = 1.0, 60.0
HOLD_FIRST_S, HOLD_CAP_S = 60.0, 600.0  # how often a device that the platform does not know is tried
UNKNOWN_TRIES = 3  # of an answer that no table explains, before the measures themselves are suspected
SHRINK_AFTER = 3  # times that an array fails in a way that a broker's size limit can cause
_SIZE_SUSPECT = "SyntaxError"  # with 500: the broker's answer was no JSON, as when it finds an array too large
_ASKED_TO_SLOW = "http_429"
_JITTER = 0.1


def settlement(grant: Grant, judgement: Judgement, chance: random.Random) -> Settlement:
    """How this grant ends, given what its answer means."""
    outcome = _outcome(judgement, grant.attempts + 1, len(grant.items))
    return Settlement(
        grant=grant,
        outcome=outcome,
        delay_s=_delay(outcome, judgement, grant.attempts, chance),
        speaks=judgement.speaks,
        alone=judgement.kind is not Kind.UNKNOWN,
        reason=judgement.reason,
        answer=judgement.answer,
    )


def handed_back(grant: Grant) -> Settlement:
    """The grant was not used."""
    return Settlement(grant=grant, outcome=Outcome.RETURNED)


_PLAIN = {
    Kind.DELIVERED: Outcome.DELIVERED,
    Kind.PERMANENT: Outcome.REFUSED,
    Kind.SPLIT: Outcome.REFUSED,
    Kind.TARGET: Outcome.OPEN,
    Kind.DEVICE: Outcome.HOLD,
}


def _outcome(judgement: Judgement, tries: int, measures: int) -> Outcome:
    if judgement.kind in _PLAIN:
        return _PLAIN[judgement.kind]
    if judgement.kind is Kind.UNKNOWN:
        return Outcome.RETRY if tries <= UNKNOWN_TRIES else Outcome.REFUSED
    if judgement.reason == _SIZE_SUSPECT and measures > 1 and tries >= SHRINK_AFTER:
        return Outcome.SHRINK
    asked_to_slow = judgement.reason == _ASKED_TO_SLOW and judgement.retry_after_s
    return Outcome.SLOW if asked_to_slow else Outcome.RETRY


def _delay(outcome: Outcome, judgement: Judgement, attempts: int, chance: random.Random) -> float:
    """Seconds until the lane is due again."""
    if outcome in (Outcome.DELIVERED, Outcome.REFUSED):
        return 0.0
    if outcome is Outcome.HOLD:
        return min(HOLD_CAP_S, HOLD_FIRST_S * 2.0 ** min(attempts, 10)) * (1 - chance.uniform(0, _JITTER))
    asked = (judgement.retry_after_s or 0.0) * (1 + chance.uniform(0, _JITTER))
    # All lanes wait with one that is asked to slow down: not much longer than the platform asked.
    cap_s = min(BACKOFF_CAP_S, 2 * asked) if outcome is Outcome.SLOW else BACKOFF_CAP_S
    return max(asked, backoff.delay(attempts, first_s=BACKOFF_FIRST_S, cap_s=cap_s, chance=chance))
