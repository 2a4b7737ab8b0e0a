"""The table of users: what can be said of it without a server."""

from __future__ import annotations

import hashlib
import importlib.resources
import re
from pathlib import Path

import pytest

from gantry.streams import access
from gantry.streams.access import LOOK, USERS, acl_file, commands_in, commands_of

DIGEST = hashlib.sha256(b"any").hexdigest()
SCRIPTS = sorted(
    Path(str(each)).stem for each in (importlib.resources.files("gantry.streams") / "lua").iterdir() if each.is_file()
)
ROOT = Path(__file__).parents[2]


def test_each_script_has_a_user_and_each_user_scripts_that_there_are() -> None:
    used = {script for user in USERS.values() for script in user.scripts}
    assert sorted(used) == SCRIPTS


@pytest.mark.parametrize("script", SCRIPTS)
def test_no_command_of_a_script_escapes_the_table(script: str) -> None:
    """A command that is not written out as a word could not be seen there."""
    text = re.sub(r"--.*", "", access.source(script))
    assert len(re.findall(r"\bredis\b", text)) == len(access._CALL.findall(text))
    assert {"xinfo", "xgroup", "memory", "config", "client", "script", "acl"}.isdisjoint(commands_in(script))


@pytest.mark.parametrize(
    ("service", "folders"),
    [
        ("ingest-dahua", ["services/ingest-dahua"]),
        ("ingest-axis", ["services/ingest-axis"]),
        ("processor", ["services/processor"]),
        ("publisher", ["services/publisher"]),
        ("journal", ["services/journal"]),
        ("dashboard", ["services/dashboard"]),
    ],
)
def test_a_user_is_named_as_its_service(service: str, folders: list[str]) -> None:
    assert service in USERS
    assert all((ROOT / folder).is_dir() for folder in folders)


def test_the_file_has_users_in_order_default_and_look_always_and_others_by_their_digest() -> None:
    text = acl_file({"publisher": DIGEST, "admin": DIGEST})
    assert [line.split()[:3] for line in text.splitlines()] == [
        ["user", "default", "off"],
        ["user", "publisher", "on"],
        ["user", "admin", "on"],
        ["user", LOOK, "on"],
    ]
    assert text.count(f" #{DIGEST} ") == 2
    assert text.count("nopass") == 1


def test_a_new_command_of_a_script_comes_to_its_users(monkeypatch: pytest.MonkeyPatch) -> None:
    before = access.source
    monkeypatch.setattr(
        access, "source", lambda name: before(name) + ("redis.call('GEOADD', KEYS[1])" * (name == "note"))
    )
    access.commands_in.cache_clear()
    try:
        assert [name for name, user in USERS.items() if "geoadd" in commands_of(user)] == ["ingest-dahua"]
    finally:
        access.commands_in.cache_clear()


@pytest.mark.parametrize(
    "digests", [{name: DIGEST} for name in ("nobody", LOOK, "default")] + [{"admin": "a password"}, {"admin": ""}]
)
def test_neither_a_stranger_nor_a_password_gets_into_the_file(digests: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"no user|SHA-256") as refused:
        acl_file(digests)
    assert not set(digests.values()) & set(str(refused.value).split("'")), "an error must not show a password"


def test_no_user_has_keys_of_others() -> None:
    for user in USERS.values():
        assert all(
            pattern.startswith("gantry:{*}:") for pattern in (*user.reads, *user.adds, *user.changes, *user.groups)
        )
