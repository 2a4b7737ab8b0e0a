"""The one address of this service, as an ASGI application: door → body → push → stored → 200."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from gantry.clock import Clock
from gantry.errors import Malformed
from ingest_axis import body, retail, telemetry
from ingest_axis.body import Budget, Gone, Portion, Receive
from ingest_axis.door import Answer, Door, Header, Refused, Request, busy
from ingest_axis.service import Intake, NoRoom
from ingest_axis.tally import Tally

SMALL = 262_144  # bytes that are read through in about a millisecond
LINGER_S = 10.0

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Endpoint:
    """POST /axis/retail."""

    def __init__(self, intake: Intake, door: Door, budget: Budget, clock: Clock, tally: Tally) -> None:
        self._intake, self._door, self._budget, self._clock, self._tally = intake, door, budget, clock, tally
        self._reading = asyncio.Semaphore(1)  # the parts of a big body fill memory beside it: one at a time

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        began = self._clock.monotonic()
        try:
            answer = await self._answer(scope, receive, began)
        except Refused as refused:
            self._report(scope, refused.answer, began)
            self._tally.note(refused.answer.code, self._clock.now_us())
            await _refuse(send, refused, receive)
        except Gone:
            telemetry.request_broken_off(peer=_peer(scope), now_s=self._clock.monotonic())
        else:
            self._tally.note(answer.code, self._clock.now_us())
            await _reply(send, answer)

    async def _answer(self, scope: Scope, receive: Receive, began: float) -> Answer:
        request = Request(scope["method"], scope["path"], dict(scope["headers"]))
        if refusal := self._door.refusal(request):
            raise Refused(refusal)
        with self._budget.portion() as portion:
            text = await self._read(receive, portion)
            return await self._take(text, self._clock.now_us(), _peer(scope), began)

    async def _read(self, receive: Receive, portion: Portion) -> bytearray:
        return await body.read(receive, portion, self._clock, limit=self._door.max_body)

    async def _take(self, text: bytearray, t_rx: int, peer: str, began: float) -> Answer:
        try:
            push = await self._parse(text)
        except Malformed as error:
            answer = _not_understood(error)
            digest = (await asyncio.to_thread(hashlib.sha256, text)).hexdigest()
            took_s = self._since(began)
            telemetry.body_refused(answer.code, answer.said, peer=peer, size=len(text), digest=digest, took_s=took_s)
            return answer
        why = await self._store(push, t_rx)
        answer = busy(why) if why else Answer(200, f"{push.units} stored")
        telemetry.push_answered(push, answer.code, size=len(text), took_s=self._since(began), why=why)
        return answer

    async def _parse(self, text: bytearray) -> retail.Push:
        if len(text) <= SMALL:
            return retail.read(text)
        async with self._reading:
            return await asyncio.to_thread(retail.read, text)

    async def _store(self, push: retail.Push, t_rx: int) -> str:
        """Why not all of the push is durable; empty when it is."""
        if why := await self._intake.standing.objection(to_data=push.units > 0):
            telemetry.push_ended(stored=0, refused=push.units)
            return why
        try:
            await self._intake.store(push, t_rx)
        except NoRoom as error:
            return str(error)
        return ""

    def _report(self, scope: Scope, answer: Answer, began: float) -> None:
        now, took_s = self._clock.monotonic(), self._since(began)
        telemetry.request_refused(answer.code, answer.said, peer=_peer(scope), now_s=now, took_s=took_s)

    def _since(self, began: float) -> float:
        return self._clock.monotonic() - began


def _not_understood(error: Malformed) -> Answer:
    match error:
        case retail.Foreign():
            return Answer(422, str(error))
        case retail.TooLarge():
            return Answer(413, str(error))
        case _:
            return Answer(400, f"not a push: {error}")


def _peer(scope: Scope) -> str:
    return scope["client"][0] if scope.get("client") else ""


async def _reply(send: Send, answer: Answer) -> None:
    await _start(send, answer)
    await send({"type": "http.response.body", "body": answer.body()})


async def _refuse(send: Send, refused: Refused, receive: Receive) -> None:
    """Answer at once and close, but let a sender in mid-body read the answer first."""
    await _start(send, refused.answer, (b"connection", b"close"))
    await send({"type": "http.response.body", "body": refused.answer.body(), "more_body": True})
    if refused.unread:
        await body.drain(receive, within_s=LINGER_S)
    await send({"type": "http.response.body", "body": b""})


async def _start(send: Send, answer: Answer, *more: Header) -> None:
    length = str(len(answer.body())).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length), *answer.headers, *more]
    await send({"type": "http.response.start", "status": answer.code, "headers": headers})
