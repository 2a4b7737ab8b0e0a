"""What a person may stop: a target (pause), one lane (hold), a target's breaker; all publishers obey.

The words are bounded here, because the scripts may refuse nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gantry import topology
from gantry.errors import Malformed
from gantry.streams.client import Client
from gantry.streams.lanes import LONGEST_LEGAL_DELAY_S
from gantry.streams.scripts import Once, text
from gantry.topology import Topology

REASON_CHARS, OWNER_CHARS, LANE_CHARS = 200, 64, 256
LONGEST_PAUSE_S = 30 * 86400  # that is to end by itself
LONGEST_OPEN_S = LONGEST_LEGAL_DELAY_S  # a breaker's `until` further ahead counts as a clock that stepped
_BY_HAND = "operator: "  # how the reason of a breaker begins that a person opened


class By(StrEnum):
    """Whose hold it is: the platform's ends with its next judgement, an operator's when it is released."""

    OPERATOR = "operator"
    PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class Note:
    """Who does something, and why; one line each. Raises Malformed for anything else."""

    owner: str
    reason: str

    def __post_init__(self) -> None:
        _check_line("owner", self.owner, OWNER_CHARS)
        _check_line("reason", self.reason, REASON_CHARS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Nothing of a target is attempted."""

    target: str
    until_ms: int  # server's time; 0: until resumed
    since_ms: int
    owner: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One lane stands still (by an operator), or is only probed (by the platform)."""

    target: str
    lane: str
    by: By
    since_ms: int
    owner: str  # empty for the platform's
    reason: str


@dataclass(frozen=True, slots=True)
class Changed:
    """What a hold or release found."""

    found: bool  # it was held before, or stood still
    under_way: bool  # a request is in flight; it is settled as ever
    waiting: int  # measures in the lane


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """The breaker of one target. Times are the server's, ms; 0: never."""

    target: str
    state: str  # closed, open, half
    until_ms: int  # open: a probe may go then; half: the probe's lease ends
    since_ms: int
    failures: int  # in a row, while closed
    streak: int  # openings in a row: the cooldown doubles with it
    trips: int
    last: str  # lane that failed last
    probe: str  # lane of the probe under way
    slow_ms: int  # the platform asked for quiet until then
    throttled_ms: int  # the target's own ceiling held it back until then, at the last look
    reason: str  # of the newest failure or opening

    @property
    def by_hand(self) -> bool:
        """A person opened it, and no probe has gone out since."""
        return self.state != "closed" and self.reason.startswith(_BY_HAND)


class Controls:
    """The controls of one site. Writing raises Unavailable; reading raises what redis-py does."""

    def __init__(self, client: Client, calls: Once, keys: Topology, *, test_clock: str = "") -> None:
        self._client, self._calls, self._keys, self.test_clock = client, calls, keys, test_clock

    async def pause(self, target: str, note: Note, *, for_s: int = 0) -> Pause | None:
        """Attempt nothing of `target`, for so long (0: until resumed); returns the pause that this one replaces."""
        if not 0 <= for_s <= LONGEST_PAUSE_S:
            raise Malformed(f"a pause that ends by itself lasts at most {LONGEST_PAUSE_S // 86400} days")
        arguments = ["pause", target, for_s * 1000, note.owner, note.reason, self.test_clock]
        return _pause(target, text(await self._calls.once("pause", [self._keys.paused], arguments)))

    async def resume(self, target: str) -> Pause | None:
        """Go on; returns the pause that ended, None when there was none in force."""
        arguments = ["resume", target, 0, "", "", self.test_clock]
        return _pause(target, text(await self._calls.once("pause", [self._keys.paused], arguments)))

    async def pauses(self, now_ms: int) -> tuple[Pause, ...]:
        """Those in force at `now_ms` by the server's clock."""
        found = [_pause(target, said) for target, said in _texts(await self._client.hgetall(self._keys.paused)).items()]
        return tuple(each for each in found if each and not 0 < each.until_ms <= now_ms)

    async def hold(self, target: str, lane: str, note: Note) -> Changed:
        """Attempt nothing of this lane until it is released; holding again replaces."""
        _check_line("device", lane, LANE_CHARS)
        return await self._change("hold", target, lane, note.owner, note.reason, "")

    async def release(self, target: str, lane: str, *, only: By | None = None) -> Changed:
        """Let a lane go: what waits is due now. With `only`, a hold of the other kind stays."""
        _check_line("device", lane, LANE_CHARS)
        return await self._change("release", target, lane, "", "", only.value if only else "")

    async def _change(self, verb: str, target: str, lane: str, *words: str) -> Changed:
        k = self._keys
        keys = [k.holds(target), k.due(target), k.lane_state(target), k.lane(target, lane)]
        _, found, under_way, waiting = await self._calls.once("hold", keys, [verb, lane, *words, self.test_clock])
        return Changed(bool(found), bool(under_way), int(waiting))

    async def holds(self, target: str) -> tuple[Hold, ...]:
        """Every held lane, sorted by name."""
        rows = _texts(await self._client.hgetall(self._keys.holds(target)))
        return tuple(_hold(target, lane, said) for lane, said in sorted(rows.items()))

    async def still(self, target: str) -> tuple[str, ...]:
        """Lanes that are never due (+inf): those that operators hold, and none besides."""
        return tuple(map(text, await self._client.zrange(self._keys.due(target), "+inf", "+inf", byscore=True)))

    async def knows(self, target: str, lane: str) -> bool:
        """Whether a measure has ever been accepted for this lane."""
        return bool(await self._client.hexists(self._keys.lane_state(target), f"{lane}:seq"))

    async def known(self, target: str) -> list[str]:
        """Every lane that has ever had a measure; reads the whole lane-state, piece by piece."""
        fields = self._client.hscan_iter(self._keys.lane_state(target), match="*:seq", count=1000)
        return sorted({text(name).removesuffix(":seq") async for name, _ in fields})

    async def open_breaker(self, target: str, note: Note, *, for_s: int) -> str:
        """Open it for so long, then one probe decides; returns the state before."""
        if not 0 < for_s <= LONGEST_OPEN_S:
            raise Malformed(f"a breaker stays open for 1 to {LONGEST_OPEN_S} s: for longer, pause the target")
        return await self._set_breaker(target, "open", for_s * 1000, f"{_BY_HAND}{note.owner}: {note.reason}")

    async def reset_breaker(self, target: str) -> str:
        """Close it now; trips stay counted. Returns the state before."""
        return await self._set_breaker(target, "reset", 0, "")

    async def _set_breaker(self, target: str, verb: str, for_ms: int, reason: str) -> str:
        arguments = [verb, for_ms, reason, self.test_clock]
        return text(await self._calls.once("breaker_set", [self._keys.breaker(target)], arguments))

    async def circuits(self) -> tuple[Circuit, ...]:
        """One per target; a target that never failed is closed."""
        found = [(target, await self._client.hgetall(self._keys.breaker(target))) for target in topology.TARGETS]
        return tuple(_circuit(target, _texts(fields)) for target, fields in found)


def _check_line(what: str, value: str, chars: int) -> None:
    if not value.strip():
        raise Malformed(f"the {what} is empty")
    if len(value) > chars:
        raise Malformed(f"the {what} has {len(value)} characters, at most {chars} are kept")
    if not value.isprintable():
        raise Malformed(f"the {what} must be one line without control characters")


def _pause(target: str, said: str) -> Pause | None:
    """What somebody wrote by hand is shown as far as it goes."""
    if not said:
        return None
    until, since, owner, reason = (said.split("\n", 3) + [""] * 3)[:4]
    return Pause(target=target, until_ms=_number(until), since_ms=_number(since), owner=owner, reason=reason)


def _hold(target: str, lane: str, said: str) -> Hold:
    by, since, owner, reason = (said.split("\n", 3) + [""] * 3)[:4]
    whose = By.OPERATOR if by == By.OPERATOR else By.PLATFORM  # as the scripts read it
    return Hold(target=target, lane=lane, by=whose, since_ms=_number(since), owner=owner, reason=reason)


def _circuit(target: str, fields: Mapping[str, str]) -> Circuit:
    number = {
        name: _number(fields.get(name, ""))
        for name in ("until", "since", "failures", "streak", "trips", "slow", "throttled")
    }
    return Circuit(
        target=target,
        state=fields.get("state", "closed"),
        until_ms=number["until"],
        since_ms=number["since"],
        failures=number["failures"],
        streak=number["streak"],
        trips=number["trips"],
        last=fields.get("last", ""),
        probe=fields.get("probe", "").partition(" ")[2],
        slow_ms=number["slow"],
        throttled_ms=number["throttled"],
        reason=fields.get("reason", ""),
    )


def _number(word: str) -> int:
    return int(word) if word.isdecimal() else 0


def _texts(fields: Mapping[Any, Any]) -> dict[str, str]:
    return {text(name): text(value) for name, value in fields.items()}
