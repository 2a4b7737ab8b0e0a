"""Letters on a server, as the processor and the publisher leave them."""

from __future__ import annotations

from builders import T0, Stage

T0_MS = T0 // 1000
CUT = b"Code=X;action=Start;index=3;length=812"
WHOLE = b'Code=X;action=Start;index=3;data={"EventID":10,"UTC":1779999999}'
MEASURE = b'{"TimeInstant":"2026-05-28T20:26:40.123Z","count":1}'
ANSWER = '{"name":"BAD_TIMESTAMP","message":"Invalid timestamp"}'


def event_id(number: int) -> str:
    return f"01k{number:023d}"


async def put(stage: Stage, number: int, **changed: object) -> str:
    """One letter that died `number` seconds after T0, and its place in the books; its entry id."""
    given = {"v": 1, "class": "out", "id": event_id(number), "src": "", "dev": "ivss/3", "target": "evd", "lane": "cam"}
    given |= {"seq": number, "t_dev": "", "t_rx": T0, "attempts": 3, "reason": "BAD_TIMESTAMP", "body": MEASURE}
    given |= {"answer": ANSWER, **changed}
    out = given["class"] == "out"
    await stage.client.hincrby(stage.keys.ledger, "dead_out" if out else "dead_in")
    await stage.client.hincrby(stage.keys.ledger, "measures" if out else "received")
    await stage.client.hincrby(stage.keys.inside, str(given["dev"]))
    entry_id = await stage.client.xadd(stage.keys.dead, given, id=f"{T0_MS + number * 1000}-0")
    return entry_id.decode()


async def put_event(stage: Stage, number: int, **changed: object) -> str:
    nothing = {"target": "", "lane": "", "seq": "", "attempts": 0, "answer": ""}
    given = {"class": "quarantine", "src": "ivss", "reason": "unknown_code:X", "body": WHOLE, **nothing, **changed}
    return await put(stage, number, **given)
