"""Random interleavings of every part on a real server, with the whole ledger recounted after every step."""

from __future__ import annotations

import asyncio
import os
import random
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from gantry import topology
from gantry.streams import groups
from gantry.streams.books import Audit, Books
from gantry.streams.client import connect
from gantry.streams.scripts import Scripts
from gantry.topology import Topology
from told import expected, tally
from trial.actors import (
    LEASE_S,
    Actor,
    Truth,
    event_of,
    housekeeper,
    instant_of,
    processor,
    publisher,
    writer,
)
from trial.operators import Decisions, operator

EXAMPLES = int(os.environ.get("TRIAL_EXAMPLES", "25"))
STEPS = int(os.environ.get("TRIAL_STEPS", "120"))
SEEDED = "TRIAL_EXAMPLES" not in os.environ  # `make soak NAME=scripts` explores, CI repeats

KEYS = Topology()


class Trial(RuleBasedStateMachine):
    """Two writers, two processors, three publishers, housekeeping, two operators; kills, lost replies, clock steps."""

    url = ""

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.truth = Truth(random.Random(seed))
        self.do(self._begin())

    async def _begin(self) -> None:
        with redis.from_url(self.url) as plain:
            plain.flushall(asynchronous=False)
        self.client = connect(self.url, "trial")
        await groups.prepare(self.client, KEYS)
        scripts = Scripts(self.client)
        self.books = Books(self.client, scripts, KEYS)
        makes = [("writer", writer(self.truth, KEYS, f"spool{n}")) for n in range(2)]
        makes += [("processor", processor(self.truth, KEYS)) for _ in range(2)]
        makes += [("publisher", publisher(self.truth, KEYS)) for _ in range(3)]
        makes += [("housekeeper", housekeeper(KEYS))]
        self.decisions = Decisions()
        makes += [("operator", operator(self.truth, KEYS, self.client, self.decisions)) for _ in range(2)]
        self.actors = [Actor(name, make, scripts) for name, make in makes]

    def do(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    @rule(moves=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 99)), min_size=1, max_size=12))
    def go_on(self, moves: list[tuple[int, int]]) -> None:
        """Each move lets one actor make one call; 15 of 100 replies are lost."""
        for who, luck in moves:
            self.do(self.actors[who].step(lose=luck < 15))
            self.truth.now_us += luck * 4000
            self.truth.clock.at += luck * 0.004
            self.balances()

    @rule(who=st.integers(0, 9))
    def kill(self, who: int) -> None:
        self.do(self.actors[who].kill())

    @rule()
    def platform_fails_or_returns(self) -> None:
        self.truth.platform_down = not self.truth.platform_down

    @rule(seconds=st.sampled_from((LEASE_S + 1, 30.0, 3600.0, -3.0, -3600.0)))
    def clock_steps(self, seconds: float) -> None:
        """Leases run out, or the server's clock was set."""
        self.truth.now_us += int(seconds * 1_000_000)
        self.truth.steps_of_clock += 1

    @rule()
    def standbys_lose_patience(self) -> None:
        """The holder's counter stands still for long enough on everybody's own clock."""
        self.truth.clock.at += 6

    @invariant()
    def balances(self) -> None:
        if hasattr(self, "books"):
            self.audited()

    def audited(self) -> Audit:
        audit: Audit = self.do(self.books.audit())
        assert not audit.differences, f"{audit.differences} in {audit.ledger}"
        told = self.do(tally(self.client, KEYS))
        assert told in (None, expected(audit.ledger))
        return audit

    def teardown(self) -> None:
        if not hasattr(self, "books"):
            return
        try:
            self.drain()
            self.nothing_is_lost(self.audited())
            self.the_newest_was_written_last()
        finally:
            self.do(self._end())
            self.loop.close()

    def drain(self) -> None:
        """No more faults, and time passes: everything ends as a receipt, a duplicate or filtered, or was dropped."""
        self.truth.calm, self.truth.platform_down = True, False
        for _ in range(400):
            for _ in range(3):
                for actor in self.actors:
                    self.do(actor.step(lose=False))
            self.truth.now_us += 2_000_000
            self.truth.clock.at += 0.5
            audit = self.audited()
            events, measures = audit.ledger.events, audit.ledger.outcomes
            open_units = events["in_raw"] + events["dead_in"] + measures["waiting"] + measures["dead_out"]
            if open_units or any(self.do(self.client.zcard(KEYS.due(target))) for target in topology.TARGETS):
                continue
            if self.truth.offered <= self.truth.taken | self.held_back():
                return
        missing = self.truth.offered - self.truth.taken
        raise AssertionError(f"did not drain: {audit.ledger}, not taken {missing}")

    def held_back(self) -> set[str]:
        """Letters fill a device's quota: what its writer still offers is refused, and stays in the spool."""
        held = self.do(self.client.hgetall(KEYS.inside))
        full = {dev.decode() for dev, units in held.items() if int(units) >= 12}
        return {event for event in self.truth.offered if event.split(".")[0] in full}

    def nothing_is_lost(self, audit: Audit) -> None:
        truth = self.truth
        arrived = set(map(event_of, truth.arrived.values())) | self.decisions.dropped
        fingerprints = {truth.fingerprint[event] for event in arrived}
        lost = [
            event
            for event in truth.taken
            if truth.kind[event] == "accept" and event not in arrived and truth.fingerprint[event] not in fingerprints
        ]
        assert not lost
        assert audit.ledger.received == len(truth.taken)

    def the_newest_was_written_last(self) -> None:
        """What the platform keeps of a lane; a request that outlived its lease may have come in between."""
        for lane, bodies in self.truth.receipts.items():
            if lane not in self.truth.disturbed:
                newest, kept = max(map(instant_of, bodies)), instant_of(self.truth.current[lane])
                assert kept == newest, f"{lane}: {kept} is current, and {newest} was delivered"

    async def _end(self) -> None:
        for actor in self.actors:
            actor.task.cancel()
        await asyncio.wait([actor.task for actor in self.actors])
        await self.client.aclose()


@pytest.mark.timeout(600)
def test_no_interleaving_breaks_the_ledger_or_an_order(server_url: str) -> None:
    Trial.url = server_url
    run_state_machine_as_test(
        Trial,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=SEEDED,
            database=None,
            phases=[Phase.generate],  # shrinking a schedule of this size takes longer than reading it
            suppress_health_check=list(HealthCheck),
        ),
    )
