"""What the operator may do: it really changes Redis, the ledger holds, and the list of actions says who did it."""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import redis.exceptions
import structlog

from builders import T0, Stage, patient
from dead_letters import CUT, put, put_event
from gantry.embedded import Embedded
from gantry.streams import groups
from gantry.streams.actions import KEPT, Action, Actions
from gantry.streams.books import Books
from gantry.streams.client import connect
from gantry.streams.controls import By, Controls
from gantry.streams.scripts import Scripts
from gantry.topology import Topology
from visitors import ORIGIN, PASSWORDS, Visitor, furnished, settled


@pytest.fixture
async def home(parts):
    return await settled(furnished(parts))


@pytest.fixture
async def operator(home):
    made = Visitor(home)
    await made.log_in()
    return made


@pytest.fixture
async def listed(home):
    """What the list of actions says, oldest first, without the logins."""

    async def ask():
        found = [line.action for line in reversed(await home.access.actions.page())]
        return [each for each in found if not each.what.startswith("log")]

    return ask


@pytest.fixture
async def balanced(stage):
    async def ask():
        audit = await Books(stage.client, stage.calls, stage.keys).audit()
        assert audit.differences == []
        return audit.ledger

    return ask


async def left(stage) -> list[str]:
    return [entry_id.decode() for entry_id, _ in await stage.client.xrange(stage.keys.dead)]


# controls


async def test_a_target_is_paused_and_resumed(home, operator, listed, balanced):
    answer = await operator.post("/actions/pause", target="evd", reason=" road works ", for_="15m", back="/#breakers")
    assert answer.headers["location"].startswith("/?said=") and answer.headers["location"].endswith("#breakers")
    assert (await operator.said(answer)).startswith("ok: EVD is paused for 900 s.")
    (paused,) = await home.controls.pauses(0)
    assert (paused.target, paused.owner, paused.reason) == ("evd", "operator@dashboard", "road works")
    assert paused.until_ms - paused.since_ms == 900_000
    answer = await operator.post("/actions/resume", target="evd")
    assert await operator.said(answer) == "ok: EVD goes on."
    assert await home.controls.pauses(0) == ()
    answer = await operator.post("/actions/resume", target="evd")
    assert await operator.said(answer) == "ok: EVD was not paused."
    assert [(each.what, each.scope, each.result) for each in await listed()] == [
        ("pause", "evd, for 900 s: road works", "done"),
        ("resume", "evd", "done"),
        ("resume", "evd", "was not paused"),
    ]
    assert {(each.who, each.role, each.origin) for each in await listed()} == {("operator", "operator", "10.0.0.7")}
    await balanced()


async def test_a_device_is_held_and_released(home, operator, stage, listed, balanced):
    await stage.fill_lane(3)
    answer = await operator.post("/actions/hold", target="evd", lane="cam", reason="it floods", back="/devices")
    assert await operator.said(answer) == "ok: cam of EVD is held until it is released. Waiting there: 3."
    (held,) = await home.controls.holds("evd")
    assert (held.lane, held.by, held.owner, held.reason) == ("cam", By.OPERATOR, "operator@dashboard", "it floods")
    answer = await operator.post("/actions/release", target="evd", lane="cam")
    assert await operator.said(answer) == "ok: cam of EVD goes on. Waiting there: 3."
    assert await home.controls.holds("evd") == ()
    answer = await operator.post("/actions/release", target="evd", lane="cam")
    assert await operator.said(answer) == "ok: cam of EVD was not held."
    assert [(each.what, each.scope) for each in await listed()][:2] == [
        ("hold", "cam of evd: it floods"),
        ("release", "cam of evd"),
    ]
    assert (await balanced()).outcomes["waiting"] == 3


async def test_a_breaker_is_opened_and_closed(home, operator, listed, balanced):
    answer = await operator.post("/actions/breaker", verb="open", target="crowd", reason="new key", for_="60")
    assert await operator.said(answer) == "ok: The breaker of CROWD is open for 60 s; then one probe decides."
    (crowd,) = [each for each in await home.controls.circuits() if each.target == "crowd"]
    assert (crowd.state, crowd.by_hand, crowd.reason) == ("open", True, "operator: operator@dashboard: new key")
    assert await operator.said(await operator.post("/actions/breaker", verb="reset", target="crowd")) == (
        "ok: The breaker of CROWD is closed."
    )
    answer = await operator.post("/actions/breaker", verb="reset", target="crowd")
    assert await operator.said(answer) == "ok: The breaker of CROWD was closed before."
    assert [(each.what, each.scope, each.result) for each in await listed()] == [
        ("breaker.open", "crowd, for 60 s: new key", "done"),
        ("breaker.reset", "crowd", "was open"),
        ("breaker.reset", "crowd", "was closed"),
    ]
    await balanced()


@pytest.mark.parametrize(
    ("path", "fields", "why"),
    [
        ("/actions/pause", {"target": "evd"}, "the reason is empty"),
        ("/actions/pause", {"target": "evd", "reason": "x" * 201}, "the reason has 201 characters"),
        ("/actions/pause", {"target": "evd", "reason": "a\nb"}, "one line"),
        ("/actions/pause", {"target": "all", "reason": "x"}, "say which target"),
        ("/actions/pause", {"target": "evd", "reason": "x", "for_": "soon"}, "write how long as"),
        ("/actions/pause", {"target": "evd", "reason": "x", "for_": "31d"}, "at most 30 days"),
        ("/actions/resume", {"target": "EVD"}, "say which target"),
        ("/actions/hold", {"target": "evd", "lane": "unheard-of", "reason": "x"}, "no measure of 'unheard-of'"),
        ("/actions/hold", {"target": "evd", "lane": "cam", "reason": ""}, "the reason is empty"),
        ("/actions/release", {"target": "evd", "lane": ""}, "the device is empty"),
        ("/actions/release", {"target": "evd", "lane": "x" * 300}, "300 characters"),
        ("/actions/breaker", {"target": "evd", "verb": "explode"}, "say open or reset"),
        ("/actions/breaker", {"target": "evd", "verb": "open", "reason": "x", "for_": "1d"}, "pause the target"),
        ("/actions/letters", {"verb": "burn"}, "say retry or drop"),
        ("/actions/letters", {"verb": "retry"}, "count the letters first"),
        ("/actions/letters", {"verb": "retry", "id_": "../x"}, "no letter's id"),
        ("/actions/letters", {"verb": "drop", "last": "9-9", "count": "20001", "typed": "20001"}, "count the letters"),
        ("/actions/letters", {"verb": "drop", "last": "9-9", "count": "-3"}, "count the letters first"),
    ],
)
async def test_what_cannot_be_done_is_said_and_changes_nothing(operator, stage, listed, path, fields, why):
    before = await everything(stage)
    answer = await operator.post(path, **fields)
    assert answer.headers["location"].startswith("/?said=")
    said = await operator.said(answer)
    assert said.startswith("bad: Nothing was done: ") and why in said
    assert await listed() == []
    assert await everything(stage) == before


async def everything(stage) -> dict[bytes, bytes]:
    """All that is not a session."""
    found = [key async for key in stage.client.scan_iter("*") if b"session:" not in key]
    return {key: await stage.client.dump(key) for key in found}


async def test_what_is_said_is_said_once_and_cannot_be_made_up(operator, home):
    answer = await operator.post("/actions/pause", target="evd", reason="<b>&", back="/letters?kind=out&said=old")
    location = answer.headers["location"]
    assert location.startswith("/letters?kind=out&said=")
    assert "is paused" in await operator.said(answer)
    for path in ("/actions/bulk", "/actions/bulk?said=paused", "/actions/bulk?said=00000000"):
        assert 'id="said"' not in (await operator.get(path)).text
    other = Visitor(home)
    await other.log_in("reader")
    assert 'id="said"' not in (await other.get(f"/actions/bulk?{location.partition('?')[2]}")).text


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example", "/\\evil.example", "evil"])
async def test_an_action_leads_nowhere_else(operator, back):
    answer = await operator.post("/actions/resume", target="evd", back=back)
    assert answer.headers["location"].startswith("/?said=")


async def test_when_redis_is_away_that_is_said(home, operator, tmp_path):
    """The session was looked up just before the server went."""
    csrf = await operator.csrf()
    away = connect(f"unix://{tmp_path}/none.sock", "tests")
    calls = Scripts(away)
    broken = replace(
        home,
        controls=Controls(away, calls, home.keys),
        access=replace(home.access, actions=Actions(away, calls, home.keys)),
    )
    someone = Visitor(broken)
    someone.http.cookies = operator.http.cookies
    form = {"csrf": csrf, "target": "evd", "reason": "x", "lane": "cam"}
    with structlog.testing.capture_logs() as log:
        for path in ("/actions/pause", "/actions/hold"):
            answer = await someone.http.post(path, data=form, headers=ORIGIN)
            assert (answer.status_code, "Redis does not answer" in answer.text) == (503, True)
    assert [line["event"] for line in log] == ["action", "action_not_recorded"] * 2
    await away.aclose()


# letters


@pytest.fixture
async def four(stage):
    """Two measures and two events, one of which can never be retried."""
    return [await put(stage, 1), await put(stage, 2), await put_event(stage, 3), await put_event(stage, 4, body=CUT)]


async def confirmed(operator, **query) -> dict[str, str]:
    """The fields of the page that says how many letters it is about."""
    page = (await operator.http.get("/actions/letters", params=query)).text
    form = page[page.index('<form method="post" action="/actions/letters"') :]
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form)) | {"page": page}


async def act(operator, **given):
    fields = {name: value for name, value in given.items() if name not in ("csrf", "page")}
    return await operator.post("/actions/letters", **fields)


async def test_one_letter_is_retried(operator, stage, four, listed, balanced):
    answer = await operator.post("/actions/letters", verb="retry", id_=four[0], back="/letters")
    assert answer.headers["location"].startswith("/letters?said=")
    assert await operator.said(answer) == "ok: The letter was retried."
    assert await left(stage) == four[1:]
    books = await balanced()
    assert books.beside["retried:operator@dashboard"] == 1
    (told,) = await listed()
    assert (told.what, told.scope, told.count, told.result) == ("dead.retry", f"letter {four[0]}", 1, "1 retried")
    answer = await operator.post("/actions/letters", verb="retry", id_=four[0])
    assert "bad: Nothing was done with this letter. Gone, because somebody else" in await operator.said(answer)


async def test_one_letter_is_dropped(operator, stage, four, listed, balanced):
    answer = await operator.post("/actions/letters", verb="drop", id_=four[3])
    assert await operator.said(answer) == "ok: The letter was dropped."
    assert await left(stage) == four[:3]
    assert (await balanced()).events["dropped_in"] == 1
    assert [(each.what, each.count) for each in await listed()] == [("dead.drop", 1)]


async def test_a_letter_whose_content_was_not_kept_is_never_retried(operator, stage, four, balanced):
    answer = await operator.post("/actions/letters", verb="retry", id_=four[3])
    said = await operator.said(answer)
    assert said == ("bad: Nothing was done with this letter. Stay, because they can never be retried: 1.")
    assert await left(stage) == four
    await balanced()


async def test_the_page_says_which_and_how_many(operator, four):
    form = await confirmed(operator, verb="retry", kind="quarantine", device="ivss*")
    assert {name: form[name] for name in ("verb", "kind", "device", "count", "last")} == {
        "verb": "retry",
        "kind": "quarantine",
        "device": "ivss*",
        "count": "2",
        "last": four[3],
    }
    assert "Retry 1 letter</button>" in form["page"]
    assert "1 of them can never be retried, and stays:" in form["page"]
    assert "of its content only the length was kept" in form["page"]
    form = await confirmed(operator, verb="drop")
    assert "Drop 4 letters for good</button>" in form["page"]
    assert "All dead letters there are" in form["page"]
    assert "To confirm, type their number: 4" in form["page"]
    assert "<code>gantry dead export</code> keeps a copy" in form["page"]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"verb": "retry", "kind": "in"}, "There is no such letter."),
        ({"verb": "retry", "id": "1-1"}, "There is no such letter."),
        ({"verb": "burn"}, "say retry or drop"),
        ({"verb": "drop", "target": "moon"}, "target must be one of evd, crowd"),
        ({"verb": "drop", "since": "yesterday"}, "since must be a time"),
        ({"verb": "drop", "device": "x" * 300}, "device must be one line"),
        ({"verb": "drop", "event": "<script>"}, "no event"),
    ],
)
@pytest.mark.usefixtures("four")
async def test_a_page_about_nothing_has_no_button(operator, query, says):
    page = (await operator.http.get("/actions/letters", params=query)).text
    assert says in page.replace("&#39;", "'")
    assert 'action="/actions/letters"' not in page
    assert "<script>" not in page.replace("<script src", "")


async def test_filtered_letters_are_retried(operator, stage, four, listed, balanced):
    form = await confirmed(operator, verb="retry", kind="out", since="2020-01-01")
    answer = await act(operator, **form)
    assert await operator.said(answer) == "ok: Retried: 2 of 2 letters."
    assert await left(stage) == four[2:]
    assert (await balanced()).outcomes["waiting"] == 2
    (told,) = await listed()
    assert (told.what, told.count, told.result) == ("dead.retry", 2, "2 retried")
    assert told.scope == "class out, since 2020-01-01 00:00:00 UTC"


async def test_all_are_retried_but_those_that_never_can(operator, stage, four, listed, balanced):
    answer = await act(operator, **await confirmed(operator, verb="retry"))
    said = await operator.said(answer)
    assert said == "ok: Retried: 3 of 4 letters. Stay, because they can never be retried: 1."
    assert await left(stage) == four[3:]
    await balanced()
    (told,) = await listed()
    assert (told.scope, told.result) == ("all letters", "3 retried, 1 can never be retried")


async def test_dropping_many_needs_their_number(operator, stage, four, listed, balanced):
    form = await confirmed(operator, verb="drop", target="evd")
    for typed in ("", "3", "two", "22", "-2"):
        answer = await act(operator, **form, typed=typed)
        again = "/actions/letters?verb=drop&back=%2Fletters&target=evd&said="
        assert answer.headers["location"].startswith(again)
        assert await operator.said(answer) == "bad: Nothing was dropped: the number typed was not 2."
    assert await left(stage) == four
    assert await listed() == []
    answer = await act(operator, **form, typed=" 2 ")
    assert await operator.said(answer) == "ok: Dropped: 2 of 2 letters."
    assert await left(stage) == four[2:]
    assert (await balanced()).outcomes["dropped"] == 2
    assert [each.what for each in await listed()] == ["dead.drop"]


@pytest.mark.usefixtures("four")
async def test_letters_that_come_later_are_not_concerned(operator, stage):
    form = await confirmed(operator, verb="drop")
    later = await put(stage, 9)
    await act(operator, **form, typed="4")
    assert await left(stage) == [later]


async def test_what_others_did_meanwhile_is_said(operator, four, balanced):
    form = await confirmed(operator, verb="drop")
    await operator.post("/actions/letters", verb="retry", id_=four[0])
    answer = await act(operator, **form, typed="4")
    said = await operator.said(answer)
    assert said == "ok: Dropped: 3 of 4 letters. Gone, because somebody else dealt with them: 1."
    await balanced()


async def test_a_letter_that_names_an_unknown_target_stays(operator, stage):
    await put(stage, 1, target="moon")
    answer = await act(operator, **await confirmed(operator, verb="retry"))
    said = await operator.said(answer)
    assert said == "bad: Retried: 0 of 1 letters. Stay, because a field is missing or the target is unknown: 1."


# without room


@pytest.fixture(scope="module")
def small_server():
    with tempfile.TemporaryDirectory(prefix="gantry-", dir="/tmp") as folder:
        server = Embedded(Path(folder) / "redis", maxmemory="10mb")
        server.start()
        yield server
        server.stop()


async def test_on_a_full_server_one_still_logs_in_acts_and_is_written_down(parts, small_server):
    client = connect(small_server.url, "tests")
    await client.flushall()
    keys = Topology()
    await groups.prepare(client, keys)
    stage = Stage(client, patient(client))
    letter = await put_event(stage, 1)
    calls = Scripts(client)
    small = replace(parts, client=client, calls=calls, controls=Controls(client, calls, keys))
    home = await settled(furnished(small))
    await client.config_set("maxmemory", 1_000_000)
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        await client.set("more", b"x")
    operator = Visitor(home)
    assert (await operator.log_in()).status_code == 303
    answer = await operator.post("/actions/letters", verb="drop", id_=letter)
    assert await operator.said(answer) == "ok: The letter was dropped."
    answer = await operator.post("/actions/breaker", verb="open", target="evd", reason="full")
    assert (await operator.said(answer)).startswith("ok: The breaker of EVD is open")
    assert [line.action.what for line in await home.access.actions.page()] == ["breaker.open", "dead.drop", "login"]
    await client.flushall()
    await client.aclose()


# the list


@pytest.fixture
def actions(client, calls, keys):
    return Actions(client, calls, keys)


async def test_the_list_is_read_newest_first_page_by_page(actions):
    for n in range(5):
        given = {"role": "operator", "origin": "cli", "what": "hold", "scope": f"cam {n}", "count": n}
        assert await actions.record(Action(who="ana", **given))
    first = await actions.page(limit=3)
    second = await actions.page(limit=3, behind=first[-1].entry_id)
    assert [line.action.scope for line in (*first, *second)] == [f"cam {n}" for n in (4, 3, 2, 1, 0)]
    assert first[0].action == Action(who="ana", role="operator", origin="cli", what="hold", scope="cam 4", count=4)


async def test_a_line_has_the_servers_time_and_no_control_characters(client, calls, keys):
    actions = Actions(client, calls, keys, test_clock=str(T0))
    scope = "a\nb\x1b[31m" + "x" * 1000
    await actions.record(Action(who="a\tb", role="operator", origin="cli", what="hold", scope=scope))
    (line,) = await actions.page()
    assert line.at_ms == T0 // 1000
    assert (line.action.who, len(line.action.scope)) == ("a·b", 500)
    assert line.action.scope.startswith("a·b·[31m")
    (row,) = await client.xrange(keys.actions)
    assert set(row[1]) == {b"v", b"t", b"who", b"role", b"from", b"what", b"scope", b"count", b"result"}


async def test_the_list_does_not_grow_for_ever(actions, client, keys):
    pipe = client.pipeline()
    for n in range(KEPT + 500):
        pipe.xadd(keys.actions, {"v": 1, "what": "hold", "t": n})
    await pipe.execute()
    await actions.record(Action(who="ana", role="operator", origin="cli", what="hold"))
    assert await client.xlen(keys.actions) <= KEPT + 200
    assert (await actions.page())[0].action.who == "ana"


async def test_a_server_that_is_away_stops_no_action(tmp_path, keys):
    away = connect(f"unix://{tmp_path}/none.sock", "tests")
    actions = Actions(away, Scripts(away), keys)
    assert not await actions.record(Action(who="ana", role="operator", origin="cli", what="hold"))
    await away.aclose()


async def test_every_password_stays_out_of_the_list(home, operator, client, keys):
    await operator.post("/actions/pause", target="evd", reason="x")
    whole = repr(await client.xrange(keys.actions))
    assert not any(word in whole for word in PASSWORDS.values())
    assert operator.http.cookies[home.access.cookie] not in whole
