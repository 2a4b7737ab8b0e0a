"""Measures flow through the stack while it is scaled, cut off and killed; nothing is lost, and the ledger says so."""

from __future__ import annotations

import itertools
import json
import os
import time
from dataclasses import dataclass
from typing import Any

import pytest

from compose.stack import SERVICES, Stack, eventually, health_of
from end_to_end.comparison import out_of_order

CUT_OFF_S = float(os.environ.get("COMPOSE_CUT_OFF_S", "10"))  # how long the platform is away
AT_WORK = (*SERVICES, "redis", "twin-agent", "twin-recorder")


def flows(stack: Stack, more: int = 20, *, within_s: float = 90) -> None:
    """So many measures more are published; what was published stays so."""
    goal = stack.published() + more
    eventually(lambda: stack.counted("published") >= goal, f"{goal} measures published", within_s=within_s)


def publishers(stack: Stack) -> set[str]:
    """Who is registered in the group, beside `lanes`, which holds all entries."""
    rows = stack.redis("XINFO", "CONSUMERS", "gantry:{main}:events", "publisher").split()
    return {row for before, row in itertools.pairwise(rows) if before == "name"} - {"lanes"}


def all_healthy(stack: Stack) -> bool:
    return all(health_of(container) in ("healthy", "running") for container in stack.containers())


def measures(stack: Stack) -> list[dict[str, Any]]:
    """All that the agent remembers, in order of arrival."""
    rows: list[dict[str, Any]] = []
    while page := stack.ask("twin-agent", f"/twin/measures?limit=10000&from={rows[-1]['n'] + 1 if rows else 1}"):
        rows += page
    return rows


@pytest.mark.timeout(300)
def test_the_readmes_command_shows_the_groups(stack: Stack) -> None:
    flows(stack, 1)
    said = stack.redis("XINFO", "GROUPS", "gantry:{main}:events").split()
    assert {"publisher", "lanes"} & set(said) == {"publisher"}
    assert {"lag", "pending", "entries-read"} <= set(said)


@pytest.mark.timeout(300)
def test_without_a_password_nobody_sees_data_or_changes_anything(stack: Stack) -> None:
    for words in (
        ("XRANGE", "gantry:{main}:raw", "-", "+"),
        ("XINFO", "STREAM", "gantry:{main}:dead"),
        ("HGETALL", "gantry:{main}:last"),
        ("FLUSHALL",),
        ("CONFIG", "SET", "appendfsync", "no"),
        ("XADD", "gantry:{main}:raw", "*", "a", "b"),
        ("KEYS", "*"),
        ("SHUTDOWN",),
    ):
        assert "NOPERM" in stack.redis(*words, check=False), words


@pytest.mark.timeout(600)
def test_the_dashboard_and_the_operators_command_answer(stack: Stack) -> None:
    flows(stack, 1)
    assert stack.page("/api/status").status_code == 200
    assert stack.page("/").status_code == 200
    assert stack.gantry("audit")["balanced"]
    assert "publisher" in stack.compose("run", "--rm", "-T", "gantry", "streams")


@pytest.mark.timeout(900)
def test_scaled_up_and_down_cut_off_and_killed_nothing_is_lost(stack: Stack) -> None:
    """With the recorder alone: a counter sends again what it got no answer for, so its events have no exact number."""
    flows(stack)
    stack.compose("stop", "twin-counter")
    before = standstill(stack)
    stack.ask("twin-recorder", "/twin/resume", method="POST")
    stack.compose("up", "--detach", "--no-recreate", "--scale", "publisher=4", *AT_WORK)
    eventually(lambda: len(publishers(stack)) == 4, "four publishers in the group")
    flows(stack, 40)
    stack.compose("up", "--detach", "--no-recreate", "--scale", "publisher=1", *AT_WORK)
    eventually(lambda: len(publishers(stack)) == 1, "one publisher in the group, and no dead one")
    flows(stack)
    cut_off(stack)
    for service in ("publisher", "redis", "processor"):
        stack.kill(stack.containers(service)[0])
        flows(stack, within_s=120)
    eventually(lambda: all_healthy(stack), "everything healthy again", within_s=120)

    after = standstill(stack)
    assert after.received - before.received == after.generated - before.generated
    rows = measures(stack)
    receipts = [row for row in rows if row["receipt"]]
    distinct = {(row["target"], row["device"], json.dumps(row["body"], sort_keys=True)) for row in receipts}
    assert len(distinct) == after.published
    assert out_of_order(rows) == []
    stack.ask("twin-recorder", "/twin/resume", method="POST")
    stack.compose("start", "twin-counter")


def cut_off(stack: Stack) -> None:
    """The platform's network is taken away and given back."""
    end = time.monotonic() + CUT_OFF_S
    with stack.cut_off("platform", "publisher"):
        before, goal = stack.counted("published"), stack.counted("measures") + 40
        eventually(
            lambda: time.monotonic() > end and stack.counted("measures") >= goal, "waiting measures", within_s=240
        )
        waiting = stack.counted("measures") - stack.counted("published")
        assert stack.counted("published") <= before + 16, "the platform was not cut off"
    flows(stack, waiting, within_s=180)


@dataclass(frozen=True, slots=True)
class Figures:
    """When nothing is under way."""

    generated: int  # by the recorder
    received: int
    published: int


def standstill(stack: Stack) -> Figures:
    """The recorder rests, and everything is delivered."""
    stack.ask("twin-recorder", "/twin/pause", method="POST")
    found = eventually(lambda: is_drained(stack), "everything delivered", within_s=120)
    assert found["balanced"], found["differences"]
    generated = stack.ask("twin-recorder", "/twin/state")["generated"]
    return Figures(generated, found["received"], found["outcomes"]["published"])


def is_drained(stack: Stack) -> Any:
    """The audit, once nothing is under way."""
    found = stack.ledger()
    return found if not found["events"]["in_raw"] and not found["outcomes"]["waiting"] else None
