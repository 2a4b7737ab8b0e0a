"""twin-counter: people counters that push to a receiver, with a record of what they said."""

from __future__ import annotations

import argparse
import asyncio
import ssl
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import orjson

from gantry.clock import SystemClock
from gantry.runtime import stop_on_signals
from twins.counter.device import Device, Habit
from twins.counter.message import Look
from twins.counter.people import MINUTE, serial_of
from twins.counter.record import Record
from twins.words import word

FAR_BACK = timedelta(days=30)  # where endless counters whose time runs fast begin, to stay in the past for long


def main() -> None:
    """The console script."""
    options = _parser().parse_args()
    asyncio.run(run(options))


async def run(options: argparse.Namespace) -> None:
    """Run the counters until SIGTERM, or until all have made their pushes."""
    stop = stop_on_signals()
    looks = [_look(options, serial) for serial in _serials(options)]
    _say({"ready": True, "counters": [look.serial for look in looks]})
    with Record(options.record) as record:
        async with _client(options) as client, asyncio.TaskGroup() as group:
            for index, look in enumerate(looks):
                habit = _habit(options, delay_s=options.interval * index / len(looks))
                group.create_task(Device(look, habit, client, record, SystemClock()).run(stop))
        _say(record.summary())


def _client(options: argparse.Namespace) -> httpx.AsyncClient:
    headers = {"Content-Type": "application/json"}
    headers |= {"Authorization": f"Bearer {options.token}"} if options.token else {}
    trust = ssl.create_default_context(cafile=options.ca)
    return httpx.AsyncClient(headers=headers, verify=trust, timeout=options.timeout, trust_env=False)


def _serials(options: argparse.Namespace) -> list[str]:
    return options.serial or [serial_of(options.seed, index) for index in range(options.counters)]


def _look(options: argparse.Namespace, serial: str) -> Look:
    return Look(serial=serial, product=options.application, zone=options.zone, indented=options.indented)


def _habit(options: argparse.Namespace, *, delay_s: float) -> Habit:
    return Habit(
        url=options.url,
        seed=options.seed,
        interval_s=options.interval,
        minutes_per_push=options.minutes_per_push,
        history=round(options.history_hours * 60),
        pushes=options.pushes,
        first=_start(options, datetime.now(UTC)),
        delay_s=delay_s,
    )


def _start(options: argparse.Namespace, now: datetime) -> datetime:
    """The time asked for, or one from which the counters do not get ahead of real time soon."""
    if isinstance(options.start, datetime):
        return options.start
    minute = now.replace(second=0, microsecond=0)
    step: timedelta = options.minutes_per_push * MINUTE
    if options.pushes:
        return minute - int(options.pushes) * step
    runs_fast = step.total_seconds() > options.interval
    return minute - (FAR_BACK if runs_fast else step)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="twin-counter", description=__doc__)
    add = parser.add_argument
    add("--url", required=True, type=_https, help="where to push, https://HOST:4443/axis/retail")
    add("--ca", type=_file, help="PEM file of the CA to trust; the system's without it")
    add("--token", default="", type=word, help="sent as Authorization: Bearer; or @FILE, which holds it")
    add("--serial", action="append", help="a counter's serial; may be repeated")
    add("--counters", type=_positive, default=1, help="so many counters, their serials made from the seed")
    add("--seed", type=int, default=1, help="who walks by; the same seed, the same counts")
    add("--interval", type=float, default=60.0, help="seconds between pushes")
    add("--minutes-per-push", type=_positive, default=1, help="simulated minutes between pushes")
    add("--history-hours", type=float, default=0.0, help="stored before the first push, which carries it")
    add("--pushes", type=int, default=0, help="pushes of each counter; 0: endless")
    add("--start", type=_moment, help="simulated time of the start, ISO 8601 with offset")
    add("--timeout", type=float, default=20.0, help="seconds after which a push is given up")
    add("--application", choices=("2D", "3D"), default="3D")
    add("--zone", default="Europe/Madrid", help="IANA zone of the device")
    add("--indented", action="store_true", help="write JSON with white space")
    add("--record", type=Path, help="append every minute produced and acknowledged here, as NDJSON")
    return parser


def _https(text: str) -> str:
    if not text.startswith("https://"):
        raise argparse.ArgumentTypeError("a counter pushes over https only")
    return text


def _file(text: str) -> Path:
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"{text} is no file")
    return Path(text)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError("without an offset this is no moment")
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


def _say(fields: dict[str, object]) -> None:
    sys.stdout.write(orjson.dumps(fields).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
