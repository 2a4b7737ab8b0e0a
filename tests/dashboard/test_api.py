from __future__ import annotations

import gzip
from collections.abc import AsyncIterator

import dashboard_scene as scene
import httpx
import orjson
import pytest

import dead_letters
from builders import Stage
from dashboard import app
from dashboard.parts import Parts
from dashboard.reading import Reading, letters
from gantry.streams.client import Client


@pytest.fixture
async def said(stage: Stage, parts: Parts) -> dict[str, str]:
    ids = await scene.everything(stage)
    await scene.write_log(stage, parts.config.runtime_dir)
    return ids


@pytest.fixture
async def orphan(away: Parts) -> AsyncIterator[httpx.AsyncClient]:
    """Asks a dashboard whose server is away."""
    transport = httpx.ASGITransport(app.build(away), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def get(api: httpx.AsyncClient, path: str) -> dict[str, object]:
    answer = await api.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_process_lives(api: httpx.AsyncClient):
    assert (await api.get("/healthz")).status_code == 200


@pytest.mark.usefixtures("said")
async def test_the_ledger_is_told_to_the_number(api: httpx.AsyncClient):
    ledger = await get(api, "/api/ledger")
    assert ledger["received"] == 9 and ledger["balanced"]
    terms = {"in_raw": 1, "deduplicated": 1, "filtered": 1, "dead_in": 1, "dropped_in": 0, "accepted": 5}
    assert ledger["events"] == terms
    assert ledger["outcomes"] == {"waiting": 3, "published": 1, "dead_out": 1, "dropped": 0}
    audit = await get(api, "/api/ledger/audit")
    assert audit["balanced"] and audit["ledger"] == ledger


@pytest.mark.usefixtures("said")
async def test_the_status_has_the_figures_of_the_ledger(api: httpx.AsyncClient):
    status = await get(api, "/api/status")
    metrics = status["metrics"]
    assert (metrics["received"], metrics["published"], metrics["deduplicated"], metrics["filtered"]) == (9, 1, 1, 1)
    assert status["service"] == "traffic" and status["families"]["EVD"]["total"] == 4
    assert status["ivss"]["connected"] is True and status["infra"]["vpn_up"] is True


async def test_the_last_events_are_those_accepted_last(api: httpx.AsyncClient, said: dict[str, str]):
    assert (await get(api, "/api/last/evd"))["id"] == said["original"]
    crowd = await get(api, "/api/last/crowd")
    assert (crowd["id"], crowd["device"], crowd["measure"]["name"]) == (said["crowd"], scene.CROWD_LANE, "Main gate")
    unknown = await get(api, "/api/last/unknown")
    assert (unknown["id"], unknown["reason"]) == (said["quarantine"], "unknown_code:X")


async def test_rates_and_timeline_count_what_was_accepted(api: httpx.AsyncClient, stage: Stage):
    await roll(stage.client, stage, "seconds", ago_s=80, evd=5, crowd=2)  # within 90 s, also if this test is slow
    await roll(stage.client, stage, "seconds", ago_s=95, evd=100)
    await roll(stage.client, stage, "minutes", ago_s=60, evd=7, crowd=3, received=11, **{"published:evd": 6})
    await roll(stage.client, stage, "hours", ago_s=3600, evd=70)
    rate = await get(api, "/api/rate")
    assert (rate["window_sec"], rate["EVD"], rate["CROWD"]["count"]) == (90, {"rate": 0.0556, "count": 5}, 2)
    assert (await get(api, "/api/rate?window=600"))["EVD"]["count"] == 105
    minutes = await get(api, "/api/timeline?minutes=10")
    assert (len(minutes["timestamps"]), minutes["minutes"], minutes["bucket_sec"]) == (10, 10, 60)
    assert [minutes[name][-2] for name in ("evd", "crowd", "received", "published")] == [7, 3, 11, 6]
    hours = await get(api, "/api/timeline?hours=24")
    assert (len(hours["timestamps"]), hours["minutes"], hours["evd"][-2]) == (24, 1440, 70)


async def roll(client: Client, stage: Stage, period: str, *, ago_s: int, **figures: int) -> None:
    """As the scripts count, at the server's time."""
    now, _ = await client.time()
    width = {"seconds": 1, "minutes": 60, "hours": 3600}[period]
    start = (int(now) - ago_s) // width * width
    await client.hset(stage.keys.rollup(period), mapping={f"{start}:{name}": n for name, n in figures.items()})


@pytest.mark.usefixtures("said")
async def test_the_old_questions_about_events_have_their_old_answers(api: httpx.AsyncClient):
    page = await get(api, "/api/events?limit=2")
    assert page["count"] == len(page["events"]) == 2
    assert (await get(api, "/api/events?seconds=3600"))["count"] == 0  # the scene plays in another year
    events = (await get(api, "/api/events"))["events"]
    assert [each["ended"] for each in events] == sorted((each["ended"] for each in events), reverse=True)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("outcome=published", {"published"}),
        (f"device={scene.LANE}", {"published", "dead"}),
        ("family=evd&outcome=dead", {"dead"}),
        ("text=unknown_code", {"quarantine"}),
    ],
)
async def test_events_are_filtered(api: httpx.AsyncClient, said: dict[str, str], query: str, names: set[str]):
    found = {each["id"] for each in (await get(api, f"/api/events?{query}"))["events"]}
    assert found == {said[name] for name in names}


@pytest.mark.usefixtures("said")
async def test_pages_of_events_join(api: httpx.AsyncClient):
    whole = (await get(api, "/api/events"))["events"]
    joined, cursor = [], ""
    while cursor is not None:
        page = await get(api, f"/api/events?limit=2&cursor={cursor}")
        joined, cursor = joined + page["events"], page["next"]
    assert joined == whole


async def test_letters_are_paged_filtered_and_exported(api: httpx.AsyncClient, said: dict[str, str]):
    first = await get(api, "/api/letters?limit=1")
    assert first["total"] == 2 and len(first["letters"]) == 1
    second = await get(api, f"/api/letters?limit=1&cursor={first['next']}")
    assert {each["id"] for page in (first, second) for each in page["letters"]} == {said["dead"], said["quarantine"]}
    out = await get(api, "/api/letters?class=out&target=evd&device=9C0A*")
    assert [each["id"] for each in out["letters"]] == [said["dead"]]
    export = await api.get("/api/letters.ndjson?class=quarantine")
    assert [orjson.loads(line)["id"] for line in export.text.splitlines()] == [said["quarantine"]]
    assert "attachment" in export.headers["content-disposition"]


async def test_a_search_of_letters_that_finds_little_is_bounded_and_goes_on(
    api: httpx.AsyncClient, stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(letters, "LOOKED_AT", 100)
    wanted = await dead_letters.put(stage, 1, reason="rare")
    for number in range(2, 252):
        await dead_letters.put(stage, number)
    found, cursor, pages = [], "", 0
    while cursor is not None:
        page = await get(api, f"/api/letters?reason=rare&cursor={cursor}")
        found, cursor, pages = found + page["letters"], page["next"], pages + 1
        assert page["cut"] == (cursor is not None)
    assert ([each["entry"] for each in found], pages) == ([wanted], 3)


@pytest.mark.usefixtures("said")
async def test_streams_name_every_group_lane_and_step_of_the_ladder(api: httpx.AsyncClient):
    found = await get(api, "/api/streams")
    streams = {each["name"]: each for each in found["streams"]}
    assert streams["raw"]["length"] == 1 and streams["raw"]["groups"][0]["lag"] == 1
    assert streams["dead"]["length"] == 2 and streams["receipts"]["oldest_s"] is not None
    assert {group["name"] for group in streams["outcomes"]["groups"]} == {"journal"}
    evd = next(each for each in found["targets"] if each["target"] == "evd")
    assert evd["waiting"] == 2 and {lane["lane"] for lane in evd["lanes"]} == {scene.LANE, scene.OTHER}
    ladder = [(rung["step"], rung["stopped"]) for rung in found["memory"]["ladder"]]
    assert ladder == [("append", False), ("commit", False), ("pull", False)]
    assert {"duty": "processor", "instance": "test", "alive": False} in found["leases"]


@pytest.mark.usefixtures("said")
async def test_settings_are_shown_with_their_origin_and_secrets_masked(api: httpx.AsyncClient):
    processes = (await get(api, "/api/configuration"))["processes"]
    assert {each["service"] for each in processes} == {"ingest-axis", "ingest-dahua", "processor", "publisher"}
    assert processes[0]["settings"]["CAMERA_PASS"] == {"value": "***", "origin": "file"}


async def test_problems_are_said_in_both_languages(api: httpx.AsyncClient):
    english, spanish = await get(api, "/api/problems"), await get(api, "/api/problems?lang=es")
    assert [each["code"] for each in english["problems"]] == [each["code"] for each in spanish["problems"]] != []
    assert english["problems"][0]["cause"] != spanish["problems"][0]["cause"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/rate?window=0",
        "/api/rate?window=601",
        "/api/rate?window=x",
        "/api/rate?window=1&window=2",
        "/api/rate?other=1",
        "/api/events?limit=1001",
        "/api/events?limit=0",
        "/api/events?limit=-1",
        "/api/events?limit=١٢",
        "/api/events?seconds=86401",
        "/api/events?outcome=lost",
        "/api/events?cursor=../../etc/passwd",
        "/api/events?device=" + "x" * 257,
        "/api/events?device=" + "x" * 201,
        "/api/events?text=%00",
        "/api/timeline?minutes=2881",
        "/api/timeline?hours=2185",
        "/api/timeline?hours=1&minutes=1",
        "/api/devices?state=broken",
        "/api/devices?text=" + "x" * 257,
        "/api/devices?limit=5001",
        "/api/devices/other/lane",
        "/api/letters?cursor=x",
        "/api/letters?since=2&until=1",
        "/api/letters/x",
        "/api/problems?lang=de",
        "/api/live?lang=de",
    ],
)
async def test_bad_input_is_refused_in_a_sentence(api: httpx.AsyncClient, path: str):
    answer = await api.get(path)
    assert answer.status_code == 400, answer.text
    assert list(answer.json()) == ["error"] and answer.json()["error"]


@pytest.mark.parametrize("path", ["/api/status", "/api/rate", "/api/devices", "/api/letters.ndjson", "/api/live"])
async def test_while_the_server_is_away_the_answer_says_so(orphan: httpx.AsyncClient, path: str):
    answer = await orphan.get(path)
    assert answer.status_code == 503 and "Redis does not answer" in answer.json()["error"]
    assert (await orphan.get("/healthz")).status_code == 200


async def test_a_page_says_so_too(orphan: httpx.AsyncClient):
    answer = await orphan.get("/devices")
    assert answer.status_code == 503 and answer.headers["content-type"].startswith("text/html")


async def test_a_bug_shows_no_stack(api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch):
    async def failing(_: Reading) -> object:
        raise ZeroDivisionError("words of an event")

    monkeypatch.setattr(Reading, "streams", failing)
    answer = await api.get("/api/streams")
    assert answer.status_code == 500 and list(answer.json()) == ["error"]
    assert "ZeroDivision" not in answer.text and "words" not in answer.text


async def test_the_longest_lanes_come_first(api: httpx.AsyncClient, stage: Stage):
    for count, lane in ((1, "a"), (3, "b"), (2, "c")):
        await stage.fill_lane(count, lane=lane)
    (evd, _) = (await get(api, "/api/streams"))["targets"]
    assert [(lane["lane"], lane["length"]) for lane in evd["lanes"]] == [("b", 3), ("c", 2), ("a", 1)]


async def test_a_devices_id_may_hold_a_slash(api: httpx.AsyncClient, stage: Stage):
    await stage.fill_lane(1, lane="gate/north")
    assert (await get(api, "/api/devices/evd/gate/north"))["device"]["waiting"] == 1


async def test_paths_and_methods_that_are_not_there(api: httpx.AsyncClient):
    assert (await api.get("/api/nothing")).json() == {"error": "Not Found"}
    page = await api.get("/nothing")
    assert page.status_code == 404 and page.headers["content-type"].startswith("text/html")


@pytest.mark.usefixtures("said")
async def test_answers_are_compressed_and_never_kept(api: httpx.AsyncClient):
    async with api.stream("GET", "/api/streams", headers={"accept-encoding": "gzip"}) as answer:
        assert answer.headers["content-encoding"] == "gzip" and answer.headers["cache-control"] == "no-store"
        raw = b"".join([part async for part in answer.aiter_raw()])
    assert orjson.loads(gzip.decompress(raw))["streams"]
