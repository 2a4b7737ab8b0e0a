"""The agent's twin as a process: `twin-agent --port 0 --key evd=KEY --key crowd=KEY`.

Prints one line when it listens: {"listening": "http://127.0.0.1:PORT"}, with "control" and "north" where these have
ports of their own. Stops on SIGTERM: what is in hand is answered.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

import orjson

from gantry import runtime
from twins.agent.door import Door
from twins.agent.server import Connection
from twins.agent.twin import Options, Twin
from twins.words import word

GRACE_S = 2.0


def main() -> None:
    given = _arguments().parse_args()
    keys: dict[str, str] = dict(reversed(pair) for pair in given.key)
    options = Options(
        keys=keys,
        latency_ms=given.latency_ms,
        seed=given.seed,
        old=given.old_agent,
        idle_s=given.idle_s,
        record=given.record,
        north=given.north_port is not None,
        north_token=given.north_token,
        scope=(given.service, given.servicepath),
        groups=not given.no_groups,
    )
    asyncio.run(_serve(Twin(options), given))


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("twin-agent", description="Behaves like FIWARE IoT Agent for JSON 3.14.")
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=4080, help="0: any free one (default 4080)")
    add(
        "--key",
        action="append",
        default=[],
        type=_pair,
        metavar="TARGET=KEY",
        help="an API key it knows, or @FILE, which holds it; repeatable",
    )
    add("--latency-ms", type=int, default=0, help="how long every answer takes")
    add("--seed", type=int, default=0, help="of the faults that come by chance")
    add("--old-agent", action="store_true", help="before 3.5.0: no X-Processing-Time, 100 kB, bad bodies as 500")
    add("--idle-s", type=float, default=6.0, help="when an idle connection is closed (default 6)")
    add("--record", type=Path, help="append every measure to this file, one JSON object a line")
    add("--control-port", type=int, help="the pages under /twin/ on a port that no outage shuts, too; 0: any free one")
    add("--north-port", type=int, help="groups, devices and entities, as at 4041 of a real one; 0: any free one")
    add("--north-token", default="", help="the X-Auth-Token that the north asks for (default: none)")
    add("--service", default="gantry", help="Fiware-Service of the keys' groups (default gantry)")
    add("--servicepath", default="/gantry", help="Fiware-ServicePath of the keys' groups (default /gantry)")
    add("--no-groups", action="store_true", help="with --north-port: no group exists until it is made there")
    return parser


def _pair(text: str) -> tuple[str, str]:
    target, _, key = text.partition("=")
    if not target or not key:
        raise argparse.ArgumentTypeError("give TARGET=KEY")
    return target, word(key)


async def _serve(twin: Twin, given: argparse.Namespace) -> None:
    stop, loop = runtime.stop_on_signals(), asyncio.get_running_loop()
    doors = {"listening": Door(twin, given.host, given.port)}
    if given.control_port is not None:
        doors["control"] = Door(twin, given.host, given.control_port)
    if twin.north:
        doors["north"] = Door(twin, given.host, given.north_port, twin.north)
    twin.outage.gate, twin.outage.reachable = doors["listening"], len(doors) > 1
    for door in doors.values():
        await door.open()
    sys.stdout.write(orjson.dumps({name: door.base for name, door in doors.items()}).decode() + "\n")
    sys.stdout.flush()
    await stop.wait()
    for door in doors.values():
        door.stop_listening()
        for connection in list(door.connections):
            connection.close()
    connections = [door.connections for door in doors.values()]
    await _gone(connections, loop.time() + GRACE_S)
    for connection in [each for some in connections for each in some]:
        connection.abort()
    twin.record.close()


async def _gone(connections: list[set[Connection]], deadline: float) -> None:
    while any(connections) and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - once, at the end of the process
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    main()
