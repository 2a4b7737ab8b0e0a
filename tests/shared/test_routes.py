"""Whom a connection asks for its way, in which order, and what it makes of the answers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import redis.exceptions

from gantry.streams import routes
from gantry.streams.address import Node
from gantry.streams.routes import Asked, BySentinels, InCluster, named, owner_of

A, B, C = (Node("10.0.0.1", 7000), Node("10.0.0.2", 7000), Node("10.0.0.3", 7000))
SLOTS = [
    [0, 99, [b"10.0.0.1", 7000, b"id-a", []], [b"10.0.0.9", 7000, b"its replica", []]],
    [100, 199, [b"10.0.0.2", 7000, b"id-b", [b"hostname", b"b"]]],
    [200, 250, [b"10.0.0.3", 7000]],
    [252, 300, [b"10.0.0.1", 7000, b"id-a", []]],
]


class Nodes:
    """What each answers, and who was asked."""

    def __init__(self, answers: dict[Node, Any]) -> None:
        self.answers, self.asked = answers, list[Node]()

    async def __call__(self, node: Node, *words: str) -> Any:
        assert words in (("CLUSTER", "SLOTS"), ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "m"))
        self.asked.append(node)
        answer = self.answers.get(node)
        if answer is None:
            raise redis.exceptions.ConnectionError("refused")
        if answer == "hangs":
            await asyncio.Event().wait()
        return answer


@pytest.mark.parametrize(
    ("slot", "owner"), [(0, A), (99, A), (100, B), (199, B), (250, C), (251, None), (300, A), (301, None)]
)
def test_the_owner_of_a_slot_is_read_from_the_ranges(slot: int, owner: Node | None) -> None:
    assert owner_of(slot, SLOTS, B) == (owner, (A, B, C))


@pytest.mark.parametrize("host", [b"", None, b"?"])
def test_a_node_that_does_not_know_its_own_address_is_the_one_that_was_asked(host: bytes | None) -> None:
    assert owner_of(5, [[0, 9, [host, 7001, b"id"]]], B) == (Node(B.host, 7001), (Node(B.host, 7001),))


def test_a_masters_address_is_read_as_sentinels_say_it() -> None:
    assert named([b"10.0.0.1", b"7000"]) == A
    assert named(None) is None


async def test_who_answered_last_is_asked_first_until_the_answer_is_doubted() -> None:
    nodes = Nodes({B: SLOTS, C: SLOTS})
    route = InCluster(Asked(nodes, (A, B, C)), 150)
    assert [await route.find(), await route.find()] == [B, B]
    assert nodes.asked == [A, B, B]
    route.doubt()
    assert await route.find() == B
    assert nodes.asked[3:] == [C]


async def test_nodes_that_others_named_are_asked_when_those_of_the_settings_are_gone() -> None:
    nodes = Nodes({A: SLOTS})
    route = InCluster(Asked(nodes, (A,)), 210)
    assert await route.find() == C
    nodes.answers = {C: SLOTS}
    assert await route.find() == C
    assert nodes.asked == [A, A, B, C]


async def test_the_reasons_of_all_are_told_when_nobody_knows() -> None:
    nodes = Nodes({B: [[0, 9, [b"", 7000, b""]]]})
    with pytest.raises(redis.exceptions.ConnectionError) as raised:
        await InCluster(Asked(nodes, (A, B)), 150).find()
    assert "10.0.0.1:7000: refused" in str(raised.value) and "10.0.0.2:7000 does not know it" in str(raised.value)


async def test_one_who_never_answers_ends_the_search_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """And is not the first to be asked the next time."""
    monkeypatch.setattr(routes, "FIND_S", 0.01)
    nodes = Nodes({A: "hangs", B: [b"10.0.0.3", b"7000"]})
    route = BySentinels(Asked(nodes, (A, B)), "m")
    with pytest.raises(redis.exceptions.ConnectionError, match="given up"):
        await route.find()
    assert await route.find() == C


async def test_a_name_that_one_sentinel_does_not_know_is_asked_of_the_next() -> None:
    nodes = Nodes({A: [], B: [b"10.0.0.3", b"7000"]})
    assert await BySentinels(Asked(nodes, (A, B)), "m").find() == C
