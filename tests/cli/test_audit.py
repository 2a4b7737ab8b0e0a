from __future__ import annotations

from builders import a_letter
from gantry.settings import Settings
from gantry_cli import audit


async def test_a_site_in_use_balances(stage, config, said):
    await stage.fill_lane(3)
    assert await audit.run(config, said, as_json=False) == 0
    assert "received 3 = in_raw 0 + deduplicated 0 + filtered 0 + dead_in 0 + dropped_in 0 + accepted 3" in said.text
    assert "measures 3 = waiting 3 + published 0 + dead_out 0 + dropped 0: balanced" in said.text
    assert "DIFFERENCE" not in said.text


async def test_a_counter_that_lies_is_a_difference(stage, config, said):
    await stage.lead()
    await stage.entries(1)
    await stage.decide(a_letter())
    await stage.client.hincrby(stage.keys.ledger, "dead_in", 2)
    assert await audit.run(config, said, as_json=False) == 1
    assert "dead_in = letters of events: counted 3, found 1" in said.text
    assert "NOT BALANCED" in said.text


async def test_a_lane_that_vanished_is_a_difference(stage, config, said):
    await stage.fill_lane(2)
    await stage.client.delete(stage.keys.lane("evd", "cam"))
    await stage.client.delete(stage.keys.due("evd"))
    assert await audit.run(config, said, as_json=True) == 1
    assert [d["what"] for d in said.document["differences"]] == ["pending of group publisher = measures in lanes"]


async def test_json_has_every_term(stage, config, said):
    await stage.fill_lane(2)
    await stage.client.hincrby(stage.keys.ledger, "published", 5)
    assert await audit.run(config, said, as_json=True) == 1
    document = said.document
    assert document["received"] == 2 and document["measures"] == 2
    assert document["events"] == {
        "in_raw": 0,
        "deduplicated": 0,
        "filtered": 0,
        "dead_in": 0,
        "dropped_in": 0,
        "accepted": 2,
    }
    assert document["outcomes"] == {"waiting": 2, "published": 5, "dead_out": 0, "dropped": 0}
    assert document["recount"]["in_lanes"] == 2
    assert document["beside"] == {"measures:evd": 2}
    assert document["differences"] == [
        {"what": "measures = waiting + published + dead_out + dropped", "counted": 2, "found": 7}
    ]
    assert document["balanced"] is False


async def test_no_server_is_one_plain_line(nowhere, said):
    assert await audit.run(nowhere, said, as_json=False) == 2
    assert said.text == ""
    assert said.complaints.count("\n") == 1 and "REDIS_URL" in said.complaints


async def test_a_site_without_streams_is_one_plain_line(redis_url, said):
    config = Settings(redis_url=redis_url, gantry_site="elsewhere")
    assert await audit.run(config, said, as_json=False) == 2
    assert "no streams of site 'elsewhere'" in said.complaints
