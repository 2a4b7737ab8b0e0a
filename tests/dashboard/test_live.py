from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import dashboard_scene as scene
import httpx
import orjson
import pytest

from builders import Stage
from dashboard import app, live
from dashboard.live import Live, Watcher
from dashboard.parts import Parts
from gantry import web
from gantry.eventlog import Line
from wait import until


def a_line(number: int) -> Line:
    given = dict.fromkeys(("at", "id", "device", "dev", "src", "what", "detail", "target"), "")
    nothing = dict.fromkeys(("family", "received", "ended", "seq", "attempts", "receipt", "letter"))
    return Line(**{**given, **nothing, "outcome": "published", "id": str(number)})


class Seen:
    """What one watcher got."""

    def __init__(self, watched: Live, language: str = "en") -> None:
        self.got: list[tuple[str, bytes]] = []
        self.task = asyncio.create_task(self._watch(watched, language))

    async def _watch(self, watched: Live, language: str) -> None:
        async with contextlib.aclosing(watched.watch(language)) as stream:
            async for each in stream:
                self.got.append(each)

    async def leave(self) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})

    def of(self, event: str) -> list[dict[str, object]]:
        return [orjson.loads(data) for name, data in self.got if name == event]


@pytest.fixture
async def polled(parts: Parts) -> AsyncIterator[Live]:
    """Live updates whose poller runs."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(parts.live.run(stop))
        yield parts.live
        stop.set()


async def commands(stage: Stage) -> int:
    return int((await stage.client.info("stats"))["total_commands_processed"])


async def test_who_watches_sees_the_status_and_what_ends_within_two_seconds(polled: Live, stage: Stage):
    await scene.everything(stage)
    one = Seen(polled)
    first = await until(lambda: asyncio.sleep(0, one.of("status")), "a status", within_s=2)
    assert first[0]["ledger"]["outcomes"]["published"] == 1
    await scene.send(stage, scene.OTHER)
    lines = await until(lambda: asyncio.sleep(0, one.of("lines")), "a line", within_s=2)
    assert [(each["outcome"], each["device"]) for each in lines[0]["lines"]] == [("published", scene.OTHER)]
    await until(
        lambda: asyncio.sleep(0, one.of("status")[-1]["ledger"]["outcomes"]["published"] == 2), "two", within_s=2
    )
    await one.leave()


async def test_nothing_is_told_twice(parts: Parts, stage: Stage):
    await scene.everything(stage)
    one = Seen(parts.live)
    await asyncio.sleep(0)
    await parts.live.once()
    parts.reading.sources.cache._kept.clear()
    await parts.live.once()
    await asyncio.sleep(0)
    assert len(one.of("status")) == 1
    await one.leave()


async def test_while_nobody_watches_the_server_is_asked_nothing(polled: Live, stage: Stage):
    one = Seen(polled)
    await until(lambda: asyncio.sleep(0, one.of("status")), "a status")
    await one.leave()
    assert not polled._watchers and not polled._someone.is_set()

    async def quiet() -> bool:  # the look under way ends first; our own question is the one
        before = await commands(stage)
        await asyncio.sleep(2 * live.EVERY_S)
        return await commands(stage) - before == 1

    await until(quiet, "nothing to be asked any more")


def test_one_who_does_not_fetch_gets_the_newest_and_a_count():
    slow = Watcher("en")
    for number in range(3):
        slow.put_status(b"%d" % number)
        slow.put_lines([a_line(number * 40 + n) for n in range(40)], more=1)
    (_, status), (_, lines) = slow.take()
    said = orjson.loads(lines)
    assert status == b"2" and [each["id"] for each in said["lines"]] == [str(n) for n in range(70, 120)]
    assert said["more"] == 73 and slow.take() == []


async def test_many_may_watch_and_the_next_one_is_told_so(parts: Parts, api: httpx.AsyncClient):
    many = [Seen(parts.live) for _ in range(live.MOST_WATCHERS)]
    await asyncio.sleep(0)
    answer = await api.get("/api/live")
    assert answer.status_code == 503 and "watch" in answer.json()["error"]
    for each in many:
        await each.leave()
    assert not parts.live.full


async def test_streams_end_when_the_server_is_away(away: Parts):
    one = Seen(away.live)
    await asyncio.sleep(0)
    await away.live.once()
    await asyncio.wait_for(one.task, 5)


async def test_streams_end_when_the_process_stops(parts: Parts):
    stop = asyncio.Event()
    running = asyncio.create_task(parts.live.run(stop))
    one = Seen(parts.live)
    await until(lambda: asyncio.sleep(0, one.of("status")), "a status")
    stop.set()
    await asyncio.wait_for(asyncio.gather(running, one.task), 5)


async def test_a_browser_gets_server_sent_events(polled: Live, parts: Parts, stage: Stage, free_port: int):
    await scene.everything(stage)
    stop, base = asyncio.Event(), f"http://127.0.0.1:{free_port}"
    serving = asyncio.create_task(web.serve(app.build(parts), host="127.0.0.1", port=free_port, stop=stop))
    async with httpx.AsyncClient(base_url=base, timeout=10) as browser:
        await until(lambda: answers(browser), "the server listens")
        async with browser.stream("GET", "/api/live", headers={"accept-encoding": "gzip"}) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            assert "content-encoding" not in stream.headers
            lines = stream.aiter_lines()
            assert await anext(lines) == "event: status"
            assert orjson.loads((await anext(lines)).removeprefix("data: "))["ledger"]["received"] == 9
    stop.set()
    await asyncio.wait_for(serving, 15)
    await until(lambda: asyncio.sleep(0, not polled._watchers), "the watcher has left")


async def answers(browser: httpx.AsyncClient) -> bool:
    try:
        return (await browser.get("/healthz")).status_code == 200
    except httpx.TransportError:
        return False
