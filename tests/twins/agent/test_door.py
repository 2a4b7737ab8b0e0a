"""The port itself."""

from __future__ import annotations

import asyncio
import socket

from twins.agent.door import Door
from twins.agent.twin import Options, Twin
from wait import until


async def test_answers_are_sent_at_once_before_and_after_an_outage() -> None:
    """Without TCP_NODELAY a second answer waits for the client's acknowledgement of the first: up to 40 ms."""
    door = Door(Twin(Options(keys={})), "127.0.0.1", 0)
    await door.open()
    for _ in range(2):
        _, writer = await asyncio.open_connection("127.0.0.1", door.port)

        async def connected() -> bool:
            return bool(door.connections)

        await until(connected, "the connection")
        [connection] = door.connections
        assert connection._transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        writer.close()
        door.shut()
        door.reopen()
        await until(lambda: asyncio.sleep(0, not door.connections), "the end of the connection")
    door.stop_listening()
