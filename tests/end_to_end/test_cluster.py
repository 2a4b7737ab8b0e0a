"""Two sites on two nodes of a Redis Cluster: each is whole, and one node's death is the other site's own business."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from end_to_end.rig import rig_on
from end_to_end.traffic import TIMEOUT_S, Traffic
from server_groups import Cluster, cluster
from wait import until

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(120)]

EVENTS = 500


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Cluster]:
    with cluster(tmp_path / "c") as made:
        yield made


@pytest.fixture
async def sites(three: Cluster, tmp_path: Path) -> AsyncIterator[tuple[Traffic, Traffic]]:
    """On the first and on the second node."""
    async with AsyncExitStack() as stack:
        pair = []
        for number in (0, 1):
            site, server = three.site_on(number), three.servers[number].embedded
            (tmp_path / site).mkdir()
            made = rig_on(server, three.url, tmp_path / site, GANTRY_SITE=site, IOTA_TIMEOUT_S=TIMEOUT_S)
            pair.append(Traffic(await stack.enter_async_context(made), EVENTS, seed=number))
        await asyncio.gather(*(each.start() for each in pair))
        yield pair[0], pair[1]


async def test_two_sites_on_two_nodes_one_of_which_is_killed(three: Cluster, sites: tuple[Traffic, Traffic]) -> None:
    hit, other = sites
    await hit.rig.reaches("published", 30)
    three.servers[0].embedded.kill()
    before = (await other.rig.ledger()).outcomes["published"]
    await until(lambda: failed(three), "the cluster to give the node up")
    await other.rig.reaches("published", before + 30, within_s=10)
    three.servers[0].embedded.start()
    await hit.rig.reaches("published", 60)
    for site in sites:
        await site.all_received()
        audit = await site.rig.drained()
        assert audit.differences == []
        found = await site.found()
        assert (found.lost, found.invented, found.disorder) == (set(), set(), [])
    assert "server_went_away" not in "".join(other.rig.log(name) for name in other.rig.children)


async def failed(three: Cluster) -> bool:
    return b"fail " in await three.servers[1].say("CLUSTER", "NODES")
