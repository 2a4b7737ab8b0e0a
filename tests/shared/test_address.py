"""REDIS_URL: what each form means, and what is said of one that means nothing."""

from __future__ import annotations

import pytest

from gantry.errors import SettingsError
from gantry.settings import Settings, load
from gantry.streams.address import Address, Node, parse

SECRET = "pa55word"

GOOD = {
    "redis://redis": Address(kind="server", nodes=(Node("redis", 6379),)),
    "redis://127.0.0.1:7000/3": Address(kind="server", nodes=(Node("127.0.0.1", 7000),), db=3),
    "REDISS://redis:6380": Address(kind="server", tls=True, nodes=(Node("redis", 6380),)),
    f" redis://journal:{SECRET}@redis/ ": Address(
        kind="server", nodes=(Node("redis", 6379),), user="journal", password=SECRET
    ),
    f"redis://:{SECRET}@redis": Address(kind="server", nodes=(Node("redis", 6379),), password=SECRET),
    "redis://u:a%2Fb%40c:d@h": Address(kind="server", nodes=(Node("h", 6379),), user="u", password="a/b@c:d"),
    "redis://[::1]:7000": Address(kind="server", nodes=(Node("::1", 7000),)),
    "redis://[2001:db8::7]": Address(kind="server", nodes=(Node("2001:db8::7", 6379),)),
    "unix:///run/redis.sock": Address(kind="socket", path="/run/redis.sock"),
    "unix:///run/a%20b.sock?db=2": Address(kind="socket", path="/run/a b.sock", db=2),
    f"unix://u:{SECRET}@/run/redis.sock": Address(
        kind="socket", path="/run/redis.sock", user="u", password=SECRET
    ),
    "redis+cluster://n_1:7000,n-2,n.3:1": Address(
        kind="cluster", nodes=(Node("n_1", 7000), Node("n-2", 6379), Node("n.3", 1))
    ),
    "redis+cluster://n,n,n/0": Address(kind="cluster", nodes=(Node("n", 6379),)),
    f"rediss+cluster://u:p,{SECRET}@n1,[::1]": Address(
        kind="cluster", tls=True, nodes=(Node("n1", 6379), Node("::1", 6379)), user="u", password=f"p,{SECRET}"
    ),
    "redis+sentinel://s1,s2:5000/mymaster": Address(
        kind="sentinel", nodes=(Node("s1", 26379), Node("s2", 5000)), master="mymaster"
    ),
    "rediss+sentinel://s1/m/2": Address(kind="sentinel", tls=True, nodes=(Node("s1", 26379),), master="m", db=2),
}  # fmt: skip

BAD = {
    SECRET: "must begin with",
    f"http://u:{SECRET}@h": "must begin with",
    f"redis:/{SECRET}": "must begin with",
    f"redis+tls://:{SECRET}@h": "must begin with",
    "redis://": "no host",
    f"redis://:{SECRET}@": "no host",
    f"redis://:{SECRET}@:6379": "no host",
    f"redis://h{SECRET}/x": "database that is no number",
    f"redis://h/12{SECRET}": "database that is no number",
    f"redis://h:{SECRET}": "port",
    "redis://h:": "port",
    "redis://h:0": "port",
    "redis://h:65536": "port",
    "redis://h:²": "port",
    f"redis://[{SECRET}]": "IPv6",
    "redis://[::1": "IPv6",
    "redis://[::1]7000": "IPv6",
    f"redis://u:a/{SECRET}@h": "percent code",
    f"redis://u:a@{SECRET}@h": "percent code",
    f"redis://u:a#{SECRET}@h": "percent code",
    f"redis://u:{SECRET}%2@h": "percent code",
    f"redis://u:é{SECRET}@h": "percent code",
    f"redis://u:{SECRET}%FF@h": "UTF-8",
    f"redis://h/0?password={SECRET}": "options",
    f"redis://h/0#{SECRET}": "options",
    f"redis://u:{SECRET} x@h": "white space",
    f"redis://h/\n{SECRET}": "white space",
    f"redis://h1,{SECRET}": "several servers",
    "redis+cluster://": "no host",
    "redis+cluster://a,,b": "no host",
    "redis+cluster://a, b": "white space",
    "redis+cluster://a/3": "only number 0",
    "redis+cluster://" + ",".join(f"n{i}" for i in range(65)): "more than 64",
    "redis+sentinel://s1,s2": "master's name",
    "redis+sentinel://s1/": "master's name",
    "redis+sentinel:///mymaster": "no host",
    f"redis+sentinel://s1/my master/{SECRET}": "white space",
    f"redis+sentinel://s1/m/{SECRET}": "database",
    "redis+sentinel://s1/é": "master's name",
    "unix://": "whole path",
    f"unix://{SECRET}": "whole path",
    f"unix:///run/redis.sock?password={SECRET}": "no other option",
    "redis://" + "h" * 9000: "longer than",
}


@pytest.mark.parametrize("url", GOOD)
def test_each_form_is_understood(url: str) -> None:
    assert parse(url) == GOOD[url]
    assert SECRET not in repr(parse(url))


@pytest.mark.parametrize("url", BAD, ids=[f"{number} {what}" for number, what in enumerate(BAD.values())])
def test_what_is_wrong_is_said_without_the_value(url: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load(Settings, {"REDIS_URL": url})
    (problem,) = raised.value.problems
    assert problem.startswith("REDIS_URL: ") and BAD[url] in problem
    assert SECRET not in problem and len(problem) < 250


def test_an_ipv6_node_is_written_with_brackets() -> None:
    assert [str(node) for node in (Node("::1", 1), Node("h", 2))] == ["[::1]:1", "h:2"]
