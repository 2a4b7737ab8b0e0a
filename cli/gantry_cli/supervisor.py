"""Keeps the server and the services running: starts them, starts them again when they die, stops them in flow order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from gantry import backoff
from gantry.clock import Clock
from gantry.embedded import Embedded, EmbeddedError
from gantry.runtime import pause
from gantry_cli.child import STOP_S, Child, Program

LOOK_S = 0.2
FIRST_S, CAP_S = 1.0, 30.0
LONG_S = 60.0  # a process that lived so long is in good health: its back-off begins anew

Say = Callable[[str], None]


@dataclass(slots=True)
class _Record:
    """What we remember of a thing that may die."""

    started: float
    deaths: int = 0
    again: float | None = None  # when to start it again; None while it runs


@dataclass(kw_only=True)
class Supervisor:
    """Run it in the main thread. `say` takes one sentence for the operator."""

    say: Say
    clock: Clock
    server: Embedded | None = None  # already started
    chance: random.Random = field(default_factory=random.Random)
    first_s: float = FIRST_S
    children: dict[str, Child] = field(default_factory=dict)
    _records: dict[str, _Record] = field(default_factory=dict)

    def start(self, programs: Iterable[Program]) -> None:
        """Start programs and look after them from now on. Raises OSError when one cannot be started at all."""
        for program in programs:
            child = self.children[program.name] = Child(program)
            child.start()
            self._records[program.name] = _Record(self.clock.monotonic())

    async def run(self, stop: asyncio.Event) -> None:
        """Look after everything until `stop`."""
        while not stop.is_set():
            self.look()
            await pause(stop, LOOK_S)

    def look(self) -> None:
        """Start again what died, each after its back-off."""
        if self.server:
            self._look_at_server(self.server)
        for name, child in self.children.items():
            record = self._records[name]
            if not child.alive and self._due(record, name, f"ended with code {child.code}"):
                child.start()
                self._begun(record)

    def alive(self) -> dict[str, bool]:
        """Every child by name, in the order of starting."""
        return {name: child.alive for name, child in self.children.items()}

    async def stop(self, names: Iterable[str], *, within_s: float = STOP_S) -> None:
        """Stop some children, together, and forget them."""
        going = [self.children.pop(name) for name in names]
        by_themselves = await asyncio.gather(*(child.stop(within_s) for child in going))
        for child, itself in zip(going, by_themselves, strict=True):
            if not itself:
                self.say(f"{child.program.name} did not stop in {within_s:.0f} s and was killed; nothing is lost by it")

    async def stop_all(self, *, within_s: float = STOP_S) -> None:
        """Stop children by stages in flow order, then the server."""
        for stage in sorted({child.program.stage for child in self.children.values()}):
            names = [name for name, child in self.children.items() if child.program.stage == stage]
            await self.stop(names, within_s=within_s)
        if self.server:
            self.server.stop()

    def _look_at_server(self, server: Embedded) -> None:
        if server.process is not None and server.process.poll() is None:
            return
        code = server.process.returncode if server.process else "?"
        record = self._records.setdefault("redis", _Record(self.clock.monotonic()))
        if not self._due(record, "the embedded server", f"ended with code {code}"):
            return
        server.kill()  # lets go of the folder's lock
        try:
            server.start()  # blocks until it has loaded: without it there is nothing to do meanwhile
        except EmbeddedError as error:
            self.say(f"the embedded server does not start: {error}")
            record.again = None
            return
        self._begun(record)
        self.say("the embedded server runs again")

    def _due(self, record: _Record, name: str, how: str) -> bool:
        """Whether to start it now; the first look after a death says so and sets the time."""
        now = self.clock.monotonic()
        if record.again is None:
            record.deaths = 0 if now - record.started > LONG_S else record.deaths
            wait = self.first_s / 4 + backoff.delay(
                record.deaths, first_s=self.first_s, cap_s=CAP_S, chance=self.chance
            )
            record.deaths, record.again = record.deaths + 1, now + wait
            self.say(f"{name} {how}; starts again in {wait:.1f} s")
        return now >= record.again

    def _begun(self, record: _Record) -> None:
        record.started, record.again = self.clock.monotonic(), None
