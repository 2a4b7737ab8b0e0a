from __future__ import annotations

import pytest

from builders import some_limits
from gantry.settings import Settings
from gantry.streams.lanes import Outcome, Settlement
from gantry_cli.connection import NoAnswer, opened
from gantry_cli.watch import Watch


async def publish(stage, count: int, lane: str) -> None:
    await stage.fill_lane(count, lane=lane)
    stage.tick(0.25)
    turn = await stage.lanes.turn("evd", some_limits(), [lane])
    settle = Settlement(grant=turn.grants[0], outcome=Outcome.DELIVERED)
    await stage.lanes.turn("evd", some_limits(), [], settle=settle)


async def test_a_look_sees_receipts_since_the_first_look(stage, config):
    await publish(stage, 2, "before")
    async with opened(config) as site:
        watch = Watch(site, lambda: {"processor": True})
        first = await watch.look()
        assert first.latency is None and first.ledger.outcomes["published"] == 2
        stage.tick(-0.25)
        await publish(stage, 3, "after")
        second = await watch.look()
        assert second.latency and (second.latency.p50, second.latency.measures) == (250, 3)
        assert (await watch.look()).latency == second.latency
        assert second.rates.published > 0 and second.alive == {"processor": True}


async def test_the_newest_sent_again_says_nothing_of_how_fast_we_are(stage, config):
    async with opened(config) as site:
        watch = Watch(site, dict)
        await watch.look()
        await publish(stage, 1, "cam")
        await stage.client.xadd(stage.keys.receipts, {"t": 90_000_000, "t_rx": 0, "resent": 1})
        seen = await watch.look()
        assert seen.latency and (seen.latency.measures, seen.latency.p99) == (1, 250)


async def test_a_server_that_is_away_is_no_answer(nowhere: Settings):
    async with opened(nowhere) as site:
        with pytest.raises(NoAnswer):
            await Watch(site, dict).look()
