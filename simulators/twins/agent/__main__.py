"""The agent's twin as a process: `twin-agent --port 0 --key evd=KEY --key crowd=KEY`.

Prints one line when it listens: {"listening": "http://127.0.0.1:PORT"}. Stops on SIGTERM: what is in hand is answered.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

import orjson

from gantry import runtime
from twins.agent.server import Connection
from twins.agent.twin import Options, Twin

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
    )
    asyncio.run(_serve(Twin(options), given.host, given.port))


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("twin-agent", description="Behaves like FIWARE IoT Agent for JSON 3.14.")
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=4080, help="0: any free one (default 4080)")
    add("--key", action="append", default=[], type=_pair, metavar="TARGET=KEY", help="an API key it knows; repeatable")
    add("--latency-ms", type=int, default=0, help="how long every answer takes")
    add("--seed", type=int, default=0, help="of the faults that come by chance")
    add("--old-agent", action="store_true", help="before 3.5.0: no X-Processing-Time, 100 kB, bad bodies as 500")
    add("--idle-s", type=float, default=6.0, help="when an idle connection is closed (default 6)")
    add("--record", type=Path, help="append every measure to this file, one JSON object a line")
    return parser


def _pair(text: str) -> tuple[str, str]:
    target, _, key = text.partition("=")
    if not target or not key:
        raise argparse.ArgumentTypeError("give TARGET=KEY")
    return target, key


async def _serve(twin: Twin, host: str, port: int) -> None:
    stop, connections = runtime.stop_on_signals(), set[Connection]()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(twin, connections), host, port, backlog=1024)
    listening = server.sockets[0].getsockname()[1]
    sys.stdout.write(orjson.dumps({"listening": f"http://{host}:{listening}"}).decode() + "\n")
    sys.stdout.flush()
    await stop.wait()
    server.close()
    for connection in list(connections):
        connection.close()
    await _gone(connections, loop.time() + GRACE_S)
    for connection in list(connections):
        connection.abort()
    twin.record.close()


async def _gone(connections: set[Connection], deadline: float) -> None:
    while connections and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - once, at the end of the process
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    main()
