"""The pages over a real server: the ledger's numbers, strict markup, and nothing that comes in gets out raw."""

from __future__ import annotations

import asyncio
import gzip
import re
from html.parser import HTMLParser
from typing import Any

import httpx
import orjson
import pytest

import dead_letters
import small_city
from builders import Stage, a_measure
from dashboard import app
from dashboard.__main__ import parts as all_parts
from dashboard.pages import static
from dashboard.pages.rendering import device_address, event_address
from dashboard.texts import Words, load
from gantry.event import Accept, Bury, LetterClass, RawEntry
from gantry.streams.actions import Action, Actions
from gantry.streams.client import connect
from gantry.streams.controls import Controls, Note
from visitors import ORIGIN, PASSWORDS, furnished, settled

PATHS = ["/", "/devices", "/events", "/letters", "/streams", "/configuration", "/actions-log"]
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}"


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self._in: list[str] = []
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._in.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._in and self._in[-1] == tag:
            self._in.pop()

    def handle_data(self, data: str) -> None:
        (self.inline if self._in else self.said).append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
async def city(stage: Stage, config) -> Stage:
    await small_city.build(stage, config.runtime_dir)
    return stage


@pytest.fixture
async def operator(parts):
    """The whole application, and a person who may act."""
    home = await settled(furnished(parts))
    transport = httpx.ASGITransport(app.build(home))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN["origin"]) as http:
        await http.post("/login", data={"name": "operator", "password": PASSWORDS["operator"]}, headers=ORIGIN)
        yield http


async def page(api: httpx.AsyncClient, path: str, status: int = 200, **headers: str) -> Page:
    answer = await api.get(path, headers=headers)
    assert answer.status_code == status, answer.text[:500]
    return Page(answer.text)


def strict(found: Page) -> list[Any]:
    """Everything that a strict policy, a screen reader or a narrow screen would stumble over."""
    wrong: list[Any] = [text for text in found.inline if text.strip()]
    wrong += [
        (tag, name) for tag, attributes in found.tags for name in attributes if name.startswith("on") or name == "style"
    ]
    wrong += [tag for tag, _ in found.tags if tag in ("style", "iframe", "object")]
    wrong += [a for a in found.of("script") if not str(a.get("src", "")).startswith("/static/")]
    wrong += [
        a
        for tag in ("a", "form", "img", "link")
        for a in found.of(tag)
        if "//" in str(a.get("href") or a.get("action") or a.get("src") or "").split("?")[0]
    ]
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    wrong += [each for each in set(ids) if ids.count(each) > 1]
    wrong += [] if len(found.of("h1")) == 1 else ["h1"]
    wrong += [] if len(found.of("main")) == 1 and found.of("nav") else ["landmarks"]
    wrong += [a for a in found.of("th") if "scope" not in a]
    wrong += ["caption"] if len(found.of("caption")) != len(found.of("table")) else []
    return wrong


@pytest.mark.parametrize("lang", ["en", "es"])
async def test_every_page_speaks_the_readers_language_in_strict_markup(api, city, lang):
    some = (await city.client.xrevrange(city.keys.dead, count=1))[0][0].decode()
    more = ["/devices/evd/held-by-people", "/devices/crowd/unknown-there", f"/letters/{some}", "/login"]
    said = set()
    for path in [*PATHS, *more, f"/events/01k{0:023d}", "/?range=90d"]:
        found = await page(api, path, **{"accept-language": lang})
        assert strict(found) == [], path
        assert found.of("html")[0]["lang"] == lang
        said.add(found.text)
    assert len(said) == len(PATHS) + len(more) + 2


@pytest.mark.parametrize(
    "path", ["/devices/evd/nobody", "/devices/other/cam", "/letters/1-1", "/letters/x", "/events/none"]
)
@pytest.mark.usefixtures("client")
async def test_what_is_not_there_is_said_on_a_page(api, path):
    found = await page(api, path, 404)
    assert strict(found) == []


@pytest.mark.parametrize("lang", ["en", "es"])
@pytest.mark.usefixtures("city")
async def test_the_first_page_has_the_ledgers_numbers(api, parts, lang):
    t: Words = load().of(lang)
    ledger = await parts.books.read()
    found = await page(api, "/", **{"accept-language": lang})
    assert ledger.balanced
    assert f"{t('ledger.received')} {t.number(ledger.received)} =" in found.text
    assert f"{t('ledger.measures')} {t.number(ledger.measures)} =" in found.text
    for term, value in {**ledger.events, **ledger.outcomes}.items():
        assert f"{t('ledger.' + term)} {t.number(value)}" in found.text, term
    assert found.text.count(t("ledger.balanced")) == 2


@pytest.mark.usefixtures("city")
async def test_the_verdict_is_first_and_counts_what_is_wrong(api):
    problems = (await api.get("/api/problems")).json()["problems"]
    wrong = sum(each["wrong"] for each in problems)
    found = await page(api, "/")
    assert wrong > 1 and f"{wrong} PROBLEMS" in found.text
    for each in problems:
        assert each["cause"][1:].replace("`", "") in found.text


@pytest.mark.usefixtures("client")
async def test_a_city_without_problems_is_all_right(api, stage):
    await stage.lead()
    await small_city.alive(stage, healthy=True)
    found = await page(api, "/")
    assert "ALL RIGHT" in found.text, found.text[:600]


@pytest.mark.usefixtures("city")
async def test_the_chart_has_a_table_of_the_same_numbers(api):
    for name, bars in (("10m", 10), ("1h", 60), ("24h", 96), ("7d", 84), ("90d", 90)):
        rows = [row for row in (await page(api, f"/?range={name}")).of("tr") if "data-evd" in row]
        assert bars <= len(rows) <= bars + 1, name
    timeline = (await api.get("/api/timeline?minutes=10")).json()
    rows = [row for row in (await page(api, "/")).of("tr") if "data-evd" in row]
    assert [int(row["data-evd"] or 0) for row in rows][:9] == timeline["evd"][:9]


@pytest.mark.usefixtures("city")
async def test_devices_are_found_sorted_and_told_in_full(api):
    every = await page(api, "/devices")
    assert "held-by-people" in every.text and "11 devices" in every.text
    held = await page(api, "/devices?state=held&target=evd&q=PEOPLE")
    assert "1 of 11 devices" in held.text and "9C0AA51PAZ00000" not in held.text
    by_waiting = await api.get("/devices?sort=waiting")
    assert by_waiting.text.index("held-by-people") < by_waiting.text.index("9C0AA51PAZ00000")
    nothing = await page(api, "/devices?q=nothing-like-this")
    assert "No device matches" in nothing.text
    detail = await page(api, "/devices/evd/held-by-people")
    for fact in ("new lens, wait until Thursday", "ana@dashboard", "40 measures wait", "Log in as operator to act"):
        assert fact in detail.text


@pytest.mark.usefixtures("client")
async def test_many_devices_are_light_and_come_in_pages(api, stage):
    await seen(stage, 450)
    first = await page(api, "/devices?target=evd")
    links = [a["href"] for a in first.of("a") if str(a.get("href")).startswith("/devices/evd/")]
    following = next(a["href"] for a in first.of("a") if a.get("rel") == "next")
    second = await page(api, str(following))
    more = [a["href"] for a in second.of("a") if str(a.get("href")).startswith("/devices/evd/")]
    assert len(links) == len(more) == 200
    assert not set(links) & set(more)


@pytest.mark.usefixtures("city")
async def test_events_are_searched_by_what_stands_in_the_address(api):
    every = await api.get("/events")
    assert every.text.count("<details>") > 90
    duplicates = await page(api, "/events?outcome=deduplicated")
    assert "repeats" in duplicates.text and duplicates.text.count("TrafficJunction") == 1
    following = next(a["href"] for a in (await page(api, "/events")).of("a") if a.get("rel") == "next")
    assert "TrafficJunction" in (await page(api, str(following))).text
    form = (await page(api, "/events?q=PAZ00003&family=EVD")).of("input")
    assert next(each for each in form if each.get("name") == "q")["value"] == "PAZ00003"


@pytest.mark.usefixtures("city")
async def test_the_newest_of_each_kind_are_shown_whole(api):
    newest = (await api.get("/api/last/unknown")).json()
    found = await page(api, "/events")
    assert newest["reason"] in found.text and '"redacted": true' in found.text


@pytest.mark.usefixtures("city")
async def test_letters_are_counted_by_reason_and_the_button_says_its_scope(operator):
    found = await page(operator, "/letters")
    assert "BAD_TIMESTAMP 3" in found.text and "Retry all 5 letters …" in found.text
    some = await page(operator, "/letters?reason=BAD_TIMESTAMP")
    assert "3 of 5 letters" in some.text and "Retry these 3 letters …" in some.text
    link = next(str(a["href"]) for a in some.of("a") if str(a.get("href")).startswith("/actions/letters?verb=retry"))
    confirm = await page(operator, link)
    assert "3" in confirm.text and "BAD_TIMESTAMP" in confirm.text and strict(confirm) == []
    export = next(str(a["href"]) for a in some.of("a") if ".ndjson" in str(a.get("href")))
    lines = (await operator.get(export)).text.splitlines()
    assert [orjson.loads(line)["reason"] for line in lines] == ["BAD_TIMESTAMP"] * 3


@pytest.mark.usefixtures("city")
async def test_who_may_not_act_sees_no_buttons(api):
    found = await page(api, "/letters")
    assert "Retry" not in found.text and "Log in as operator to act" in found.text
    assert [form for form in found.of("form") if form.get("method") == "post"] == []


@pytest.mark.usefixtures("city")
async def test_an_operators_forms_carry_the_sessions_token(operator):
    for path in ("/", "/devices/evd/held-by-people", "/devices/evd/9C0AA51PAZ00000"):
        found = await page(operator, path)
        forms = [form for form in found.of("form") if form.get("method") == "post"]
        tokens = [field for field in found.of("input") if field.get("name") == "csrf" and field.get("value")]
        assert len(forms) == len(tokens) > 1 and strict(found) == []


@pytest.mark.usefixtures("city")
async def test_a_hold_by_form_is_told_and_listed(operator):
    path = "/devices/evd/9C0AA51PAZ00000"
    fields = {
        each["name"]: each.get("value") or "" for each in (await page(operator, path)).of("input") if each.get("name")
    }
    answer = await operator.post("/actions/hold", data={**fields, "reason": "lens dirty"}, headers=ORIGIN)
    after = await page(operator, answer.headers["location"])
    assert "lens dirty" in after.text and any("message" in str(each.get("class")) for each in after.of("div"))
    assert "held a device" in (await page(operator, "/actions-log")).text


@pytest.mark.usefixtures("city")
async def test_configuration_masks_secrets_and_names_what_differs(api):
    found = await page(api, "/configuration")
    assert "The processes of publisher run with different configurations" in found.text
    assert "set, secret" in found.text and "***" not in found.text
    assert "unix:///run/redis.sock" in found.text and "environment" in found.text


async def hostile_site(stage: Stage) -> str:
    """Every field that a device, a person or the platform may fill says something evil; the letter's id."""
    letter = await dead_letters.put(
        stage, 9, lane=HOSTILE, dev=HOSTILE, reason=HOSTILE, answer=HOSTILE, body=HOSTILE.encode(), src=HOSTILE
    )
    await stage.lead()
    raws = [
        RawEntry(id=f"e{n}{HOSTILE}", src=HOSTILE, dev=HOSTILE, seq=n, t_dev=HOSTILE, t_rx=stage.now, body=b"x")
        for n in (1, 2, 3)
    ]
    await stage.receive(*raws)
    body = orjson.dumps({"TimeInstant": HOSTILE, "name": HOSTILE, HOSTILE: HOSTILE})
    await stage.decide(
        Accept("", (a_measure(HOSTILE, "evd", body), a_measure(HOSTILE, "crowd", body))),
        Bury(LetterClass.QUARANTINE, HOSTILE, HOSTILE.encode()),
        Accept("", (a_measure(HOSTILE, "evd", body),)),
    )
    await stage.lanes.pull()
    controls = Controls(stage.client, stage.calls, stage.keys)
    await controls.hold("evd", HOSTILE, Note("ana", HOSTILE))
    await controls.pause("evd", Note("ana", HOSTILE))
    await controls.open_breaker("crowd", Note("ana", HOSTILE), for_s=60)
    await Actions(stage.client, stage.calls, stage.keys).record(
        Action(who=HOSTILE, role="operator", origin=HOSTILE, what=HOSTILE, scope=HOSTILE, result=HOSTILE)
    )
    says = {"recorders": {HOSTILE: {"host": HOSTILE, "connected": False, "reason": HOSTILE}}}
    settings = {HOSTILE: {"value": HOSTILE, "origin": HOSTILE}}
    fields = {"state": HOSTILE, "reason": HOSTILE, "since": "1", "version": HOSTILE, "configuration": HOSTILE}
    fields |= {"says": orjson.dumps(says).decode(), "settings": orjson.dumps(settings).decode()}
    await stage.client.hset(stage.keys.alive("ingest-dahua", "evil"), mapping=fields)
    return letter


async def test_nothing_that_others_may_write_becomes_markup(operator, stage, config):
    letter = await hostile_site(stage)
    config.runtime_dir.mkdir()
    line = small_city.a_line(1, id=HOSTILE, device=HOSTILE, dev=HOSTILE, src=HOSTILE, what=HOSTILE, detail=HOSTILE)
    line |= {"outcome": "dead", "letter": letter, "measure": {HOSTILE: HOSTILE}}
    (config.runtime_dir / "events.json").write_bytes(orjson.dumps(line) + b"\n")
    config.config_dir.mkdir()
    (config.config_dir / "camera_name_map.json").write_bytes(orjson.dumps({HOSTILE: HOSTILE}))
    shown = 0
    paths = [*PATHS, device_address("evd", HOSTILE), event_address(f"e1{HOSTILE}"), f"/letters/{letter}"]
    asked = str(
        httpx.QueryParams(q=HOSTILE, device=HOSTILE, reason=HOSTILE, text=HOSTILE, what=HOSTILE, cursor=HOSTILE)
    )
    paths += [f"{path}?{asked}" for path in ("/devices", "/events", "/letters", "/actions/letters")]
    for path in paths:
        answer = await operator.get(path)
        assert answer.status_code in (200, 400, 404), path
        found = Page(answer.text)
        assert [each for each in strict(found) if each != "h1"] == [], path
        assert (
            "<script>alert" not in answer.text
            and "<img" not in answer.text
            and "49" not in re.findall(r">(49)<", answer.text)
        )
        shown += HOSTILE in found.text
    assert shown >= 8, "the hostile words are not even shown"


@pytest.mark.usefixtures("city")
async def test_why_an_event_was_filtered_is_said_in_words(api):
    assert "stop: the end of an event" in (await page(api, "/events?outcome=filtered")).text


@pytest.mark.usefixtures("city")
async def test_a_last_answer_is_told_only_of_tries_that_failed(api, stage):
    for attempts, told in (("0", False), ("2", True)):
        state = {"held-by-people:attempts": attempts, "held-by-people:reason": "http_599"}
        await stage.client.hset(stage.keys.lane_state("evd"), mapping=state)
        assert ("http_599" in (await page(api, "/devices/evd/held-by-people")).text) == told


@pytest.mark.usefixtures("city")
@pytest.mark.parametrize("path", PATHS)
async def test_every_cell_of_a_table_that_is_stacked_on_a_narrow_screen_says_what_it_is(api, path):
    markup = (await api.get(path)).text
    for table in re.findall(r'<table class="rows">(.*?)</table>', markup, re.DOTALL):
        bare = [cell for cell in re.findall(r"<td[^>]*>(?=\S)", table) if not re.search(r'data-label="[^"]+"', cell)]
        assert bare == []


async def test_without_redis_the_page_says_so(config):
    gone = connect("unix:///nowhere/redis.sock", "tests")
    home = all_parts(config.model_copy(update={"redis_url": "unix:///nowhere/redis.sock"}), gone)
    transport = httpx.ASGITransport(app.build(home))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as api:
        found = await page(api, "/devices", 503)
    await gone.aclose()
    assert "Redis does not answer" in found.text and "gantry status" in found.text, "the cause and the next step"


@pytest.mark.usefixtures("client")
async def test_the_language_is_chosen_kept_and_comes_from_the_browser(api):
    assert (await page(api, "/devices", **{"accept-language": "es-MX,es;q=0.8"})).of("html")[0]["lang"] == "es"
    chosen = await api.get("/devices?lang=es")
    assert "lang=es" in chosen.headers["set-cookie"]
    assert (await page(api, "/streams")).of("html")[0]["lang"] == "es"
    assert (await page(api, "/streams?lang=xx")).of("html")[0]["lang"] == "es"


@pytest.mark.usefixtures("client")
async def test_a_page_is_never_kept_and_its_files_for_ever(api):
    answer = await api.get("/")
    assert answer.headers["cache-control"] == "no-store"
    found = Page(answer.text)
    files = [str(a["src"]) for a in found.of("script")] + [str(a["href"]) for a in found.of("link")]
    assert len(files) == 6
    for path in files:
        file = await api.get(path)
        assert file.status_code == 200 and "immutable" in file.headers["cache-control"]
        assert file.headers["content-encoding"] == "gzip"
        assert file.headers["content-type"].split(";")[0] in ("text/css", "text/javascript", "image/svg+xml")


async def test_a_file_of_another_version_is_given_but_not_kept(api):
    answer = await api.get("/static/0000/gantry.css")
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-cache"
    assert (await api.get("/static/0000/nothing.css")).status_code == 404
    assert (await api.get("/static/0000/..%2Fconfig.py")).status_code == 404
    plain = await api.get(static.address("theme.js"), headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers and plain.content == gzip.decompress(
        static.shelf()["theme.js"].packed
    )


async def seen(stage: Stage, count: int) -> None:
    """So many devices have been heard of."""
    at_us = small_city.time.time_ns() // 1000
    rows = {f"ivss/{n}": f"{at_us - n * 1000}\n{n}\nivss\nTrafficJunction\nevd/cam-{n:05}" for n in range(count)}
    await stage.client.hset(stage.keys.seen, mapping=rows)


@pytest.mark.usefixtures("city")
async def test_viewers_at_once_cost_one_look(api):
    answers = await asyncio.gather(*(api.get("/") for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}
