from __future__ import annotations

import fakeredis
import pytest

from builders import Stage, patient
from gantry.streams import groups
from gantry.topology import Topology


@pytest.mark.xfail(strict=True, reason="fakeredis answers XREADGROUP inside Lua in another shape, and knows no INFO")
async def test_the_fake_reads_streams_inside_scripts():
    """Once this passes, the tests marked reads_in_lua can run on the fake as well."""
    client = fakeredis.FakeAsyncRedis(server_type="valkey")
    await groups.prepare(client, Topology())
    stage = Stage(client, patient(client), ladder=0)
    await stage.lead()
    [raw] = await stage.entries(1)
    [(_, read)] = await stage.processing.read(stage.token)
    assert read == raw
