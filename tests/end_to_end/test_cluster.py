"""Two sites on two nodes of a Redis Cluster: each is whole, and one node's death is the other site's own business."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest

from end_to_end.rig import rig_on
from end_to_end.traffic import TIMEOUT_S, Traffic
from server_groups import Cluster, cluster
from wait import until

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(120)]

EVENTS, RATE = 500, 100


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
            pair.append(Traffic(await stack.enter_async_context(made), EVENTS, rate=RATE, seed=number))
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


async def test_nothing_is_lost_when_a_site_is_moved_on_purpose(tmp_path: Path, with_replica: Cluster) -> None:
    """First its replica takes over (CLUSTER FAILOVER), then its slot goes to another master, key by key."""
    site = with_replica.site_on(0)
    made = rig_on(with_replica.servers[0].embedded, with_replica.url, tmp_path, GANTRY_SITE=site)
    async with made as rig:
        traffic = Traffic(rig, EVENTS, rate=RATE)
        await traffic.start()
        await rig.reaches("published", 30)
        await with_replica.servers[REPLICA].say("CLUSTER", "FAILOVER")
        await until(partial(is_on, with_replica, site, REPLICA), "the replica to take over")
        await rig.reaches("published", (await rig.ledger()).outcomes["published"] + 30)
        await move(with_replica, site, REPLICA, 2)
        await traffic.all_received()
        assert (await rig.drained()).differences == []
        found = await traffic.found()
        assert (found.lost, found.invented, found.disorder, found.doubled) == (set(), set(), [], {})
        assert await with_replica.owner(site) == 2


REPLICA = 3  # of the first master


@pytest.fixture
def with_replica(tmp_path: Path) -> Iterator[Cluster]:
    with cluster(tmp_path / "c", replicas=1) as made:
        yield made


async def is_on(group: Cluster, site: str, number: int) -> bool:
    return await group.owner(site) == number


async def move(group: Cluster, site: str, source: int, target: int) -> None:
    """One key after another while everything runs; in between nobody can write."""
    await group.begin_move(site, source, target)
    await until(partial(all_moved, group, site, source, target), "all keys to be moved")
    await group.end_move(site, target)


async def all_moved(group: Cluster, site: str, source: int, target: int) -> bool:
    return not await group.move_keys(site, source, target, at_most=1)


async def failed(three: Cluster) -> bool:
    return b"fail " in await three.servers[1].say("CLUSTER", "NODES")
