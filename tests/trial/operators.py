"""People who retry and drop letters while everything else goes on."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from gantry.codec import Letter
from gantry.errors import Unavailable
from gantry.streams.client import Client
from gantry.streams.letters import Done, Letters, Wanted
from gantry.topology import Topology
from trial.actors import Gate, Truth


@dataclass
class Decisions:
    """What became of letters by their hand."""

    retried: int = 0
    dropped: set[str] = field(default_factory=set)  # events of measures; with those of calls whose reply was lost


def operator(
    truth: Truth, keys: Topology, client: Client, decisions: Decisions
) -> Callable[[Gate], Coroutine[Any, Any, None]]:
    """Takes some letters at a time, in any order; in the end every letter is retried."""

    async def run(gate: Gate) -> None:
        dead = Letters(client, gate, keys)
        while True:
            await gate.pass_gate()
            found = [letter async for page in dead.pages(Wanted()) for letter in page]
            picked = truth.chance.sample(found, min(len(found), truth.chance.randrange(1, 6)))
            if not picked:
                continue
            if truth.calm or truth.chance.random() < 0.7:
                await retry(truth, dead, picked, decisions)
            else:
                await drop(dead, picked, decisions)

    return run


async def retry(truth: Truth, dead: Letters, picked: list[Letter], decisions: Decisions) -> None:
    try:
        answers = await dead.retry([letter.entry_id for letter in picked], "trial")
    except Unavailable:
        return
    for letter, answer in zip(picked, answers, strict=True):
        assert answer is not Done.UNFIT, letter
        decisions.retried += answer
        if answer is Done.DONE and not letter.of_measure and (truth.calm or truth.chance.random() < 0.5):
            truth.kind[letter.event_id] = "accept"  # the next version understands it


async def drop(dead: Letters, picked: list[Letter], decisions: Decisions) -> None:
    try:
        answers = await dead.drop([letter.entry_id for letter in picked], "trial")
    except Unavailable:
        answers = [Done.DONE] * len(picked)
    dropped = [letter for letter, answer in zip(picked, answers, strict=True) if answer is Done.DONE]
    decisions.dropped |= {letter.event_id for letter in dropped if letter.of_measure}
