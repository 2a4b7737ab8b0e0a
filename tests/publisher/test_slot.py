"""Slots of one process on a real server, with a platform that answers when the test says so."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from prometheus_client import REGISTRY

from builders import FakeClock, Stage, some_limits
from gantry.clock import SystemClock
from gantry.streams.lanes import Grant, Item, Lanes, Outcome, Settlement, Turn
from publisher.classify import Answer, Failure
from publisher.desk import Desk, LastAnswer
from publisher.platform import Post
from publisher.slot import Slot
from wait import until

RECEIPT = Post(Answer(200, "application/json", b"{}"), 0.001, arrays=False)


@dataclass
class Platform:
    """Answers lanes in `slow` only once `go` is set."""

    slow: set[str] = field(default_factory=set)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    posts: list[str] = field(default_factory=list)
    in_flight: collections.Counter[str] = field(default_factory=collections.Counter)
    most: int = 0

    async def post(self, target: str, device: str, content: bytes) -> Post:  # noqa: ARG002 - what a platform is given
        self.posts.append(device)
        self.in_flight[device] += 1
        self.most = max(self.most, self.in_flight[device])
        if device in self.slow:
            await self.go.wait()
        self.in_flight[device] -= 1
        return RECEIPT


@dataclass
class Shop:
    stage: Stage
    desk: Desk
    platform: Platform
    slots: list[Slot]
    stop: asyncio.Event

    async def arrive(self, lane: str, count: int = 1) -> None:
        await self.stage.fill_lane(count, lane)
        self.desk.offer([lane])


@pytest.fixture
async def shop(client, calls, keys):
    stage = Stage(client, calls)
    stage.processing.test_clock = stage.lanes.test_clock = ""
    desk, platform, clock = Desk("evd", SystemClock()), Platform(), SystemClock()
    slots = [
        Slot(
            desk=desk,
            lanes=Lanes(calls, keys),
            platform=platform,
            limits={False: some_limits(batch_max=1), True: some_limits()},
            timeout_s=5,
            secrets=[],
            clock=clock,
            chance=random.Random(1),
        )
        for _ in range(10)
    ]
    made = Shop(stage, desk, platform, slots, asyncio.Event())
    async with asyncio.TaskGroup() as group:
        for slot in slots:
            group.create_task(slot.run(made.stop))
        yield made
        platform.go.set()
        made.stop.set()
        desk.ring()


async def test_a_calm_lane_is_served_while_hot_ones_are_offered_again_and_again(shop):
    hot = [f"hot{number}" for number in range(6)]
    shop.platform.slow = set(hot)
    for lane in hot:
        await shop.arrive(lane)

    async def all_under_way() -> bool:
        return len(shop.platform.posts) == len(hot)

    await until(all_under_way, "the hot lanes to be under way")

    async def offers() -> None:
        while True:
            shop.desk.offer(hot)  # more has come for them, and they are leased
            await asyncio.sleep(0)

    noise = asyncio.create_task(offers())
    await shop.stage.fill_lane(1, "calm")  # pulled by another publisher: nobody offers it here
    try:

        async def served() -> bool:
            return "calm" in shop.platform.posts

        await until(served, "the calm lane to be served", within_s=3)
    finally:
        noise.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await noise


async def test_a_flood_in_some_lanes_does_not_put_off_another(shop):
    for number in range(3):
        await shop.arrive(f"flood{number}", 60)
    await shop.arrive("calm")

    async def all_done() -> bool:
        return len(shop.platform.posts) == 181

    await until(all_done, "everything to be posted")
    assert shop.platform.posts.index("calm") < 60
    assert shop.platform.most == 1


@pytest.mark.parametrize("shut", [True, False])
async def test_news_wake_nobody_while_the_whole_target_waits(shut):
    """In an outage each arrival would otherwise cost every publisher a call for nothing."""
    desk = Desk("evd", SystemClock())
    turn = dataclasses.replace(a_turn("open", 1), hints=("due",) if shut else (), wait_s=30.0)
    desk.learn(turn, ())
    desk.answer_the_bell()
    resting = asyncio.create_task(desk.rest(turn))
    await asyncio.sleep(0)
    desk.offer(["cam"])
    for _ in range(5):
        await asyncio.sleep(0)
    assert resting.done() is not shut
    desk.ring()
    await resting


def test_lanes_that_others_are_at_are_named_several_at_a_time_wherever_the_list_begins():
    for seed in range(20):
        desk = Desk("evd", SystemClock(), random.Random(seed))
        desk.learn(dataclasses.replace(a_turn("half", 1), hints=("a", "b"), wait_s=0.0), ("c",))
        assert set(desk.name()) == {"a", "b"}


def test_a_reply_that_was_overtaken_does_not_turn_the_breaker_back():
    desk = Desk("evd", SystemClock())
    for state, at_us in (("closed", 1), ("open", 3), ("closed", 2), ("half", 4)):
        desk.learn(a_turn(state, at_us), ())
    shown = {state: REGISTRY.get_sample_value(BREAKER, {"target": "evd", "state": state}) for state in STATES}
    assert shown == {"closed": 0, "open": 0, "half": 1}
    desk.learn(a_turn("closed", 3), ())
    assert REGISTRY.get_sample_value(BREAKER, {"target": "evd", "state": "half"}) == 1


BREAKER, STATES = "gantry_publisher_breaker_state", ("closed", "open", "half")


def a_turn(breaker: str, at_us: int) -> Turn:
    return Turn(settled="", grants=(), hints=(), wait_s=None, breaker=breaker, breaker_reason="http_503", at_us=at_us)


def test_a_lane_is_named_by_one_turn_at_a_time():
    desk = Desk("evd", SystemClock())
    told = dataclasses.replace(a_turn("closed", 1), hints=("a", "b"), wait_s=0.0)
    desk.learn(told, ())
    first = desk.name()
    desk.learn(told, ())  # another turn's reply names it still
    second = desk.name()
    assert (first, second) == (("a",), ("b",))
    desk.release(first)
    desk.learn(told, ())
    assert desk.name() == ("a",)


def test_a_turn_that_was_not_asked_for_lanes_takes_none_away():
    desk = Desk("evd", SystemClock())
    desk.learn(dataclasses.replace(a_turn("closed", 1), hints=("a",), wait_s=0.0), ())
    desk.learn(a_turn("closed", 2), ())
    assert desk.name() == ("a",)


async def test_who_rests_is_woken_for_what_is_due_sooner():
    desk = Desk("evd", SystemClock())
    later, sooner = (dataclasses.replace(a_turn("closed", 1), wait_s=wait_s) for wait_s in (30.0, 0.01))
    resting = asyncio.create_task(desk.rest(later))
    await asyncio.sleep(0)
    desk.learn(later, ())
    await asyncio.sleep(0)
    assert not resting.done()
    desk.learn(sooner, ())
    for _ in range(5):
        await asyncio.sleep(0)
    assert resting.done()
    await resting


@dataclass
class Replies:
    """Lanes that the test answers for."""

    turn_of: Callable[[], Turn]
    settled: list[Outcome] = field(default_factory=list)

    async def turn(self, *_: object, settle: Settlement | None = None, **__: object) -> Turn:
        self.settled += [settle.outcome] if settle else []
        return self.turn_of()


def a_slot(lanes: Replies, platform: object, clock: object) -> Slot:
    return Slot(
        desk=Desk("evd", clock),
        lanes=lanes,
        platform=platform,
        limits={False: some_limits(), True: some_limits()},
        timeout_s=15,
        secrets=[],
        clock=clock,
        chance=random.Random(1),
    )


def a_grant(*bodies: bytes) -> Grant:
    items = [Item(entry_id="1-0", event_id="e", dev="d", seq=seq, t_rx=0, body=body) for seq, body in enumerate(bodies)]
    return Grant("token", "cam", 0, tuple(items))


async def test_due_lanes_that_nobody_is_given_are_not_asked_for_without_end():
    calls = 0

    def stuck() -> Turn:
        nonlocal calls
        calls += 1
        return dataclasses.replace(a_turn("closed", calls), hints=("cam",), wait_s=0.0)

    slot = a_slot(Replies(stuck), Platform(), SystemClock())
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.4):
            await slot.run(asyncio.Event())
    assert 3 <= calls <= 20


@pytest.mark.parametrize(("took_s", "sent"), [(24.9, True), (25.1, False)])
async def test_a_grant_that_came_so_late_that_its_request_could_outlive_the_lease_is_not_used(took_s, sent):
    clock, stop, platform = FakeClock(), asyncio.Event(), Platform()

    def replies() -> Iterator[Turn]:
        clock.at += took_s
        yield dataclasses.replace(a_turn("closed", 1), grants=(a_grant(b'{"v":1}'),))
        stop.set()
        yield a_turn("closed", 2)

    lanes = Replies(replies().__next__)
    await a_slot(lanes, platform, clock).run(stop)
    assert (platform.posts == ["cam"]) is sent
    assert lanes.settled == [Outcome.DELIVERED if sent else Outcome.RETURNED]


async def test_a_request_carries_no_more_than_the_broker_takes():
    stop, sizes = asyncio.Event(), []

    class Scales:
        async def post(self, target: str, device: str, content: bytes) -> Post:  # noqa: ARG002 - what a platform is given
            sizes.append(len(content))
            stop.set()
            return RECEIPT

    grant = a_grant(*[b'{"v":"%s"}' % (b"x" * 30_000)] * 3)
    replies = iter((dataclasses.replace(a_turn("closed", 1), grants=(grant,)), a_turn("closed", 2)))
    await a_slot(Replies(replies.__next__), Scales(), SystemClock()).run(stop)
    assert len(sizes) == 1
    assert 60_000 < sizes[0] < 64_000


@pytest.mark.parametrize(
    ("answer", "code", "reason"),
    [
        (Answer(200, "application/json", b"{}"), 200, ""),
        (Answer(200, "application/json", b'{"orionError":"x"}'), 200, "misrouted"),
        (Answer(404, "application/json", b'{"name":"DEVICE_NOT_FOUND","message":"m"}'), 404, "DEVICE_NOT_FOUND"),
        (Answer(503, "text/html", b"<html>"), 503, "http_503"),
        (Failure.CONNECT, 0, "connect"),
        (Failure.CERTIFICATE, 0, "certificate"),
    ],
)
async def test_the_desk_keeps_what_the_newest_request_was_answered(answer, code, reason):
    stop, clock = asyncio.Event(), FakeClock()

    class Answers:
        async def post(self, target: str, device: str, content: bytes) -> Post:  # noqa: ARG002 - what a platform is given
            clock.at += 2
            stop.set()
            return Post(answer, 2.0, arrays=False)

    replies = iter((dataclasses.replace(a_turn("closed", 1), grants=(a_grant(b'{"v":1}'),)), a_turn("closed", 2)))
    slot = a_slot(Replies(replies.__next__), Answers(), clock)
    assert slot.desk.last is None
    await slot.run(stop)
    assert slot.desk.last == LastAnswer(code, clock.now_us(), reason)
