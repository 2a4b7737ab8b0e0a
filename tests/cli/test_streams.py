from __future__ import annotations

from builders import a_letter
from gantry.settings import Settings
from gantry.streams.controls import Controls, Note
from gantry_cli import streams


async def test_groups_and_lanes_stand_beside_each_other(stage, config, said):
    await stage.fill_lane(3, lane="cam-a")
    await stage.fill_lane(5, lane="cam-b")
    assert await streams.run(config, said, as_json=True) == 0
    events = next(each for each in said.document["streams"] if each["name"] == stage.keys.events)
    publisher = next(group for group in events["groups"] if group["name"] == "publisher")
    assert events["length"] == 8 and publisher["pending"] == 8 and publisher["lag"] == 0
    assert publisher["consumers"] == ["lanes"] and publisher["last"] == events["last"]
    [evd, crowd] = said.document["targets"]
    assert [(lane["name"], lane["length"]) for lane in evd["lanes"]] == [("cam-b", 5), ("cam-a", 3)]
    assert crowd == {"target": "crowd", "lanes": [], "more": 0, "held": 0, "pause": None}


async def test_the_table_says_due_held_leased_and_why(stage, config, said):
    for lane in ("later", "held", "lost", "unknown", "sent", "last", "now"):
        await stage.fill_lane(1, lane=lane)
    seconds, _ = await stage.client.time()
    ahead = (int(seconds) + 100) * 1000
    await stage.client.zadd(stage.keys.due("evd"), dict.fromkeys(("later", "unknown", "sent", "last"), ahead))
    await stage.client.zadd(stage.keys.due("evd"), {"lost": "+inf"})
    state = {"held:reason": "503", "later:attempts": 4, "later:batch": 7, "sent:token": "t", "last:token": "t"}
    await stage.client.hset(stage.keys.lane_state("evd"), mapping=state)
    await stage.client.hset(stage.keys.holds("evd"), "unknown", f"platform\n{ahead}\n\nno [device]")
    controls = Controls(stage.client, stage.calls, stage.keys)
    for lane in ("held", "last"):
        await controls.hold("evd", lane, Note("anna", "[road] works"))
    await stage.client.hdel(stage.keys.lane_state("evd"), "held:batch", "lost:batch")
    assert await streams.run(config, said, as_json=False) == 0
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in said.text.splitlines() if line.strip()}
    assert rows["held"] == "1 held by anna 0 [road] works"
    assert rows["lost"] == "1 stands still without a hold 0"
    assert rows["unknown"].startswith("1 held by the platform, probed in ") and rows["unknown"].endswith("no [device]")
    assert rows["later"].startswith("1 in ") and rows["later"].endswith(" 4 7")
    assert rows["sent"].startswith("1 being sent (lease ends in ")
    assert rows["last"].startswith("1 being sent, then held (lease ends in ")
    assert rows["now"].startswith("1 now")
    assert "lanes of evd, 3 held (`gantry hold` lists them)" in said.text


async def test_a_paused_target_says_so_in_its_title(stage, config, said):
    await stage.fill_lane(1)
    await Controls(stage.client, stage.calls, stage.keys).pause("evd", Note("anna", "[road] works"))
    assert await streams.run(config, said, as_json=False) == 0
    assert "lanes of evd, PAUSED by anna: [road] works" in said.text.replace("\n", " ")
    [row] = [line for line in said.text.splitlines() if line.startswith("cam ")]
    assert row.split()[:3] == ["cam", "1", "paused"]


async def test_only_the_longest_lanes_are_shown(stage, config, said):
    due = {f"cam-{number}": 0 for number in range(streams.LONGEST + 7)}
    await stage.client.zadd(stage.keys.due("crowd"), due)
    await stage.client.rpush(stage.keys.lane("crowd", "cam-3"), "x")
    assert await streams.run(config, said, as_json=True) == 0
    crowd = said.document["targets"][1]
    assert len(crowd["lanes"]) == streams.LONGEST and crowd["more"] == 7
    assert crowd["lanes"][0]["name"] == "cam-3"


async def test_a_narrow_terminal_has_whole_names_and_no_entry_ids(stage, config, said):
    await stage.fill_lane(1, lane="cam-a")
    said.console.width = 80
    assert await streams.run(config, said, as_json=False) == 0
    rows = [line.split() for line in said.text.splitlines()]
    assert [stage.keys.events, "1", "publisher", "1", "0", "lanes"] in rows
    assert [stage.keys.outcomes, "0", "journal", "0", "0"] in rows
    assert [stage.keys.dead, "0"] in rows


async def test_letters_are_in_the_stream_dead(stage, config, said):
    await stage.lead()
    await stage.entries(1)
    await stage.decide(a_letter())
    assert await streams.run(config, said, as_json=True) == 0
    dead = next(each for each in said.document["streams"] if each["name"] == stage.keys.dead)
    assert dead["length"] == 1 and dead["first"] == dead["last"] != ""


async def test_no_server_or_no_streams_is_one_plain_line(nowhere, redis_url, said):
    assert await streams.run(nowhere, said, as_json=False) == 2
    assert await streams.run(Settings(redis_url=redis_url), said, as_json=False) == 2
    assert said.complaints.count("\n") == 2
