from __future__ import annotations

import pytest

from builders import FakeClock
from dashboard.access import judging
from dashboard.access.throttle import MOST_ADDRESSES, MOST_FRIENDS, Pace, Throttle, network

NAMES = frozenset({"gantry.example.org"})


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:5000",
        "LOCALHOST:5000",
        "localhost.:5000",
        "127.0.0.1:5000",
        "10.1.2.3",
        "[::1]:5000",
        "[fe80::1]",
        "gantry.example.org",
        "Gantry.Example.org:443",
        "gantry.example.org.",
    ],
)
def test_a_host_that_is_ours(host):
    assert judging.host_allowed(host, NAMES)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.1.2.3.evil.example:5000",
        "gantry.example.org.evil.example",
        "evil.example:5000#localhost",
        "localhost@evil.example",
        "evil.example, localhost",
        "[::1",
        "[evil]",
        "[::1].evil.example",
        "256.1.1.1",
        "0x7f000001",
        "127.1",
        "localhost:port",
        "xlocalhost",
    ],
)
def test_a_host_that_is_not(host):
    assert not judging.host_allowed(host, NAMES)


@pytest.mark.parametrize(
    ("origin", "site", "host", "ours"),
    [
        ("http://localhost:5000", "same-origin", "localhost:5000", True),
        ("http://10.0.0.5:5000", None, "10.0.0.5:5000", True),  # plain HTTP: no Sec-Fetch-Site
        ("https://gantry.example.org", "same-origin", "gantry.example.org", True),  # a proxy ends TLS
        ("https://gantry.example.org", None, "gantry.example.org:443", True),
        ("http://gantry.example.org:80", None, "gantry.example.org", True),
        ("HTTP://LocalHost:5000", None, "localhost:5000", True),
        (None, "same-origin", "localhost:5000", True),
        (None, "none", "localhost:5000", True),
        (None, None, "localhost:5000", False),
        ("null", None, "localhost:5000", False),
        ("null", "same-origin", "localhost:5000", False),
        ("", "same-origin", "localhost:5000", False),
        ("http://evil.example", None, "localhost:5000", False),
        ("http://evil.example", "cross-site", "localhost:5000", False),
        ("http://localhost:5000", "cross-site", "localhost:5000", False),
        ("http://localhost:5000", "same-site", "localhost:5000", False),
        ("http://localhost:6000", None, "localhost:5000", False),
        ("http://localhost", None, "localhost:5000", False),
        ("https://localhost:80", None, "localhost", False),
        ("http://localhost:5000.evil.example", None, "localhost:5000", False),
        ("file://localhost:5000", None, "localhost:5000", False),
        ("http://user@localhost:5000", None, "localhost:5000", False),
        ("http://[", None, "localhost:5000", False),
    ],
)
def test_a_form_comes_from_our_own_page(origin, site, host, ours):
    assert judging.from_our_own_page(host=host, origin=origin, site=site) is ours


@pytest.mark.parametrize("path", ["/", "/devices?state=held&lang=es", "/events/01k#top", "/actions/letters?verb=drop"])
def test_one_goes_on_to_a_path_of_ours(path):
    assert judging.local_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "http://evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "evil.example",
        "/a b",
        "/ñ",
        "/\x00",
        "/login?next=/login",
        "/logout",
        "/" + "a" * 3000,
    ],
)
def test_one_goes_nowhere_else(path):
    assert judging.local_path(path) == "/"


def test_what_is_open_even_when_reading_needs_a_login():
    paths = ["/healthz", "/login", "/static/1/gantry.css", "/staticx", "/healthz/x", "/login/x", "/", "/api/status"]
    assert [path for path in paths if judging.always_open(path)] == paths[:3]


# how often passwords may be tried


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def throttle(clock):
    return Throttle(clock, one=Pace(30, 3), everybody=Pace(2, 5))


def test_an_address_has_a_few_attempts_and_then_one_in_a_while(throttle, clock):
    assert [throttle.attempt("10.0.0.1") for _ in range(4)] == [0, 0, 0, 30]
    clock.at += 29
    assert throttle.attempt("10.0.0.1") == pytest.approx(1)
    clock.at += 1
    assert [throttle.attempt("10.0.0.1"), throttle.attempt("10.0.0.1")] == [0, 30]


def test_waiting_costs_no_attempt(throttle, clock):
    for _ in range(3):
        throttle.attempt("10.0.0.1")
    assert {throttle.attempt("10.0.0.1") for _ in range(50)} == {30}
    clock.at += 30
    assert throttle.attempt("10.0.0.1") == 0


def test_all_addresses_together_are_bounded(throttle, clock):
    assert [throttle.attempt(f"10.0.0.{n}") for n in range(6)] == [0, 0, 0, 0, 0, 2]
    clock.at += 2
    assert [throttle.attempt("10.0.1.1"), throttle.attempt("10.0.1.2")] == [0, 2]


def test_strangers_lock_nobody_out_who_has_logged_in(throttle):
    throttle.attempt("10.0.0.99")
    throttle.succeeded("10.0.0.99")
    assert [throttle.attempt(f"10.0.0.{n}") for n in range(6)][-1] > 0
    assert throttle.attempt("10.0.0.99") == 0


def test_a_right_password_clears_the_address(throttle):
    for _ in range(3):
        throttle.attempt("10.0.0.1")
    throttle.succeeded("10.0.0.1")
    assert [throttle.attempt("10.0.0.1") for _ in range(4)] == [0, 0, 0, 30]


def test_one_network_of_ipv6_counts_as_one_address(throttle):
    assert [throttle.attempt(f"2001:db8:0:1::{n}") for n in range(4)] == [0, 0, 0, 30]
    assert throttle.attempt("2001:db8:0:2::1") == 0


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("2001:db8:1:2:3::", "2001:db8:1:2::/64"),
        ("x" * 100, "x" * 64),
    ],
)
def test_how_an_address_is_counted(address, key):
    assert network(address) == key


def test_no_number_of_addresses_fills_the_memory(clock):
    throttle = Throttle(clock, everybody=Pace(0, 1))
    for n in range(3 * MOST_ADDRESSES):
        throttle.attempt(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}")
        throttle.succeeded(f"11.{n >> 16}.{n >> 8 & 255}.{n & 255}")
    assert len(throttle._free_at) == MOST_ADDRESSES
    assert len(throttle._friends) == MOST_FRIENDS
