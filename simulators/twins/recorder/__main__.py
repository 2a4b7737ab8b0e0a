"""Command line of the recorder's twin."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import sys
from pathlib import Path

from twins.recorder.digest import ALGORITHMS, Door
from twins.recorder.invention import CODES, TIMED, Invention
from twins.recorder.recorder import Recorder
from twins.recorder.server import Player, Server
from twins.words import word

_HEAD_BYTES = 64 << 10


def arguments(argv: list[str]) -> argparse.Namespace:
    """What the twin is asked to be."""
    parser = argparse.ArgumentParser(prog="twin-recorder", description="A recorder that does not exist.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free one; it is printed")
    parser.add_argument("--user", default="gantry")
    parser.add_argument("--password", default="invented-1", type=word, help="or @FILE, which holds it")
    parser.add_argument("--algorithm", choices=ALGORITHMS, default="MD5")
    parser.add_argument("--new-nonce-per-request", action="store_true", help="and close after every answer")
    parser.add_argument("--heartbeat", type=float, default=0.0, metavar="S", help="instead of what the client asks for")
    parser.add_argument("--seed", type=int, default=1)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--play", type=Path, metavar="FILE", help="a stream's body, sent byte for byte")
    what.add_argument("--generate", action="store_true", help="invent events")
    parser.add_argument("--chunk", default="whole", metavar="N", help="with --play: bytes in a write, or `whole`")
    parser.add_argument("--rate", type=float, default=10.0, help="with --generate: events a second")
    parser.add_argument("--channels", type=int, default=4)
    parser.add_argument("--events", type=int, default=0, help="with --generate: how many in all; 0: endless")
    parser.add_argument("--only", choices=CODES, action="append", metavar="CODE", help=", ".join(CODES))
    parser.add_argument("--timed-only", action="store_true", help="only codes that carry the device's time")
    return parser.parse_args(argv)


def build(asked: argparse.Namespace) -> Server:
    """The twin; two with the same seed invent the same events, times apart."""
    codes = tuple(asked.only or CODES)
    if asked.timed_only:
        codes = tuple(code for code in codes if code in TIMED)
    invention = Invention(random.Random(asked.seed), asked.channels, codes)
    recorder = Recorder(invention, asked.rate if asked.generate else 0.0, asked.events)
    nonces = random.Random(f"nonce {asked.seed}")
    door = Door(asked.user, asked.password, ALGORITHMS[asked.algorithm], nonces, asked.new_nonce_per_request)
    chunk = 0 if asked.chunk == "whole" else int(asked.chunk)
    player = Player(asked.play.read_bytes(), chunk) if asked.play else None
    return Server(recorder, door, player, asked.heartbeat)


async def run(asked: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    twin, stop = build(asked), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = await asyncio.start_server(twin.serve, asked.host, asked.port, limit=_HEAD_BYTES)
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(json.dumps({"listening": f"http://{asked.host}:{port}"}) + "\n")
    sys.stdout.flush()
    generating, stopping = asyncio.create_task(twin.recorder.generate()), asyncio.create_task(stop.wait())
    await asyncio.wait({generating, stopping}, return_when=asyncio.FIRST_COMPLETED)
    server.close()
    twin.recorder.drop()
    await twin.leave()
    if generating.done():
        generating.result()  # it never ends but by a bug, and a bug should be seen
    generating.cancel()


def main() -> None:
    asyncio.run(run(arguments(sys.argv[1:])))


if __name__ == "__main__":
    main()
