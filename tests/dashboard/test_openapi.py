from __future__ import annotations

import asyncio

import dashboard_scene as scene
import httpx
import jsonschema
import orjson
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate
from starlette.routing import Route

from builders import Stage
from dashboard import api, app
from dashboard.__main__ import parts as all_parts
from dashboard.api import openapi
from dashboard.api.paths import PATHS
from dashboard.config import Config
from dashboard.parts import Parts
from gantry.streams.client import Client

DOCUMENT = openapi.document()
ANSWERS_WITHOUT_END = {"/api/live"}


def schema_of(path: str, status: str = "200") -> dict[str, object]:
    (media,) = DOCUMENT["paths"][path]["get"]["responses"][status]["content"].values()
    return {**media["schema"], "components": DOCUMENT["components"]}


def check(said: object, path: str, status: str = "200") -> None:
    jsonschema.Draft202012Validator(schema_of(path, status)).validate(said)


@pytest.fixture
async def said(stage: Stage, parts: Parts) -> dict[str, str]:
    ids = await scene.everything(stage)
    await scene.write_log(stage, parts.config.runtime_dir)
    return ids


def test_the_description_is_valid():
    validate(DOCUMENT, cls=OpenAPIV31SpecValidator)


async def test_the_server_gives_this_description(api: httpx.AsyncClient):
    assert (await api.get("/api/openapi.json")).json() == DOCUMENT


def test_every_path_of_the_api_is_described(parts: Parts):
    routes = [route for route in api.routes(parts) if isinstance(route, Route)]
    paths = {route.path.replace(":path", "") for route in routes} - {"/api/openapi.json"}
    assert paths == set(DOCUMENT["paths"])


def test_every_struct_forbids_what_it_does_not_name():
    ours = {name: each for name, each in DOCUMENT["components"]["schemas"].items() if name != "Line"}
    assert [name for name, each in ours.items() if each.get("additionalProperties") is not False] == []


async def addresses(ids: dict[str, str], stage: Stage) -> dict[str, str]:
    ((entry, _), *_) = await stage.client.xrange(stage.keys.dead, count=1)
    return {
        "/api/events/{id}": f"/api/events/{ids['published']}",
        "/api/devices/{target}/{lane}": f"/api/devices/evd/{scene.LANE}",
        "/api/letters/{entry}": f"/api/letters/{entry.decode()}",
    }


@pytest.mark.parametrize("path", [each for each in PATHS if each.path not in ANSWERS_WITHOUT_END], ids=lambda p: p.path)
async def test_every_answer_is_as_described(api: httpx.AsyncClient, said: dict[str, str], stage: Stage, path):
    answer = await api.get((await addresses(said, stage)).get(path.path, path.path))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].split(";")[0] == path.media
    if path.media == "application/json":
        check(answer.json(), path.path)
    elif path.media == "application/x-ndjson":
        lines = [orjson.loads(line) for line in answer.text.splitlines()]
        assert len(lines) == 2
        for line in lines:
            check(line, path.path)


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("/api/last/evd", "/api/last/evd"),
        ("/api/last/unknown", "/api/last/unknown"),
        ("/api/events/{id}", "/api/events/nothing"),
        ("/api/devices/{target}/{lane}", "/api/devices/evd/nothing"),
        ("/api/letters/{entry}", "/api/letters/1-1"),
    ],
)
async def test_what_is_not_there_is_404_as_described(api: httpx.AsyncClient, path: str, address: str):
    answer = await api.get(address)
    assert answer.status_code == 404
    check(answer.json(), path, "404")


@pytest.mark.parametrize("path", [each for each in PATHS if each.parameters], ids=lambda p: p.path)
async def test_a_bad_parameter_is_400_as_described(api: httpx.AsyncClient, path):
    answer = await api.get(path.path.replace("{target}", "evd").replace("{entry}", "1-1") + "?unheard=of")
    assert answer.status_code == 400
    check(answer.json(), path.path, "400")


async def test_a_site_on_which_nothing_ever_ran_is_described_too(api: httpx.AsyncClient, stage: Stage):
    await stage.client.flushall()
    for path in ("/api/status", "/api/ledger", "/api/ledger/audit", "/api/streams", "/api/devices", "/api/timeline"):
        answer = await api.get(path)
        assert answer.status_code == 200, answer.text
        check(answer.json(), path)


async def test_what_the_live_stream_carries_is_as_described(parts: Parts, stage: Stage):
    watching = parts.live.watch("en")
    first = asyncio.ensure_future(anext(watching))
    await asyncio.sleep(0)
    await parts.live.once()
    await scene.everything(stage)
    parts.reading.sources.cache._kept.clear()
    await parts.live.once()
    got = [await first]
    while got[-1][0] != "lines":
        got.append(await anext(watching))
    assert {event for event, _ in got} == {"status", "lines"}
    for _, data in got:
        check(orjson.loads(data), "/api/live")
    await watching.aclose()


async def test_where_reading_is_closed_the_answer_is_401_as_described(config: Config, client: Client):
    closed = all_parts(config.model_copy(update={"dashboard_reading": "login"}), client)
    transport = httpx.ASGITransport(app.build(closed), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as stranger:
        answer = await stranger.get("/api/status")
        assert answer.status_code == 401
        check(answer.json(), "/api/status", "401")
        assert (await stranger.get("/healthz")).status_code == 200
