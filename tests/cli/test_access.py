"""`gantry access`: the file, loading it, and what was refused; on a server with users."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from pydantic import SecretStr
from typer.testing import CliRunner

from gantry.embedded import Embedded, valkey_binary
from gantry.settings import Settings
from gantry.streams.access import LOOK, acl_file
from gantry_cli import access
from gantry_cli.asking import EX_NO_ANSWER, EX_REFUSED


def digest(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()


FILE = acl_file({"processor": digest("one"), "admin": digest("two"), "gantry": digest("three")})


@pytest.fixture(scope="module")
def server() -> Iterator[Embedded]:
    with tempfile.TemporaryDirectory(prefix="gantry-", dir="/tmp") as folder:
        file = Path(folder) / "users.acl"
        file.write_text(FILE, encoding="ascii")
        binary = Path(os.environ.get("RIG_SERVER") or valkey_binary())
        embedded = Embedded(Path(folder) / "redis", binary=binary, options=("--aclfile", str(file)), user=LOOK)
        embedded.start()
        yield embedded
        embedded.stop()


def file_of(server: Embedded) -> Path:
    return server.folder.parent / "users.acl"


def as_user(server: Embedded, user: str, word: str) -> Settings:
    return Settings(redis_url=SecretStr(f"unix://{user}:{word}@{server.socket}"))


def test_the_file_is_made_of_a_folder_and_leaves_other_files_alone(tmp_path: Path) -> None:
    for name, word in {"admin": "two\n", "processor": "one\n", "gantry": "three", "camera-pass": "secret"}.items():
        (tmp_path / name).write_text(word, encoding="utf-8")
    result = CliRunner().invoke(access.app, ["file", "--passwords", str(tmp_path)])
    assert (result.exit_code, result.output) == (0, FILE)


def test_the_file_is_made_of_lines_with_passwords_or_digests() -> None:
    result = CliRunner().invoke(access.app, ["file"], input=f"processor one\nadmin #{digest('two')}\n\ngantry three\n")
    assert (result.exit_code, result.output) == (0, FILE)


@pytest.mark.parametrize("line", ["", "nobody secret-word", "admin ", "admin secret\tword", f"{LOOK} secret-word"])
def test_what_makes_no_file_is_said_without_the_password(line: str) -> None:
    result = CliRunner().invoke(access.app, ["file"], input=line)
    assert "user look" in result.output if not line else result.exit_code == EX_REFUSED
    assert "secret" not in result.output


def test_a_folder_without_passwords_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(access.app, ["file", "--passwords", str(tmp_path)])
    assert result.exit_code == EX_REFUSED
    assert str(tmp_path) in result.output


async def test_a_server_takes_users_that_came_into_its_file(server: Embedded, said) -> None:
    file_of(server).write_text(FILE + f"user journal on #{digest('four')} +ping\n", encoding="ascii")
    assert await access.load(as_user(server, "admin", "two"), said) == 0
    assert said.text == "the server has read its users again\n"
    with redis.from_url(as_user(server, "journal", "four").redis_url.get_secret_value()) as journal:
        assert journal.ping()


async def test_a_file_with_a_mistake_changes_nothing(server: Embedded, said) -> None:
    file_of(server).write_text("user admin on +nonsense\n", encoding="ascii")
    try:
        assert await access.load(as_user(server, "admin", "two"), said) == EX_REFUSED
        assert "keeps the users that it had" in said.complaints
        assert "nonsense" in said.complaints
        assert await access.load(as_user(server, "admin", "two"), said) == EX_REFUSED, "admin is still there"
    finally:
        file_of(server).write_text(FILE, encoding="ascii")


async def test_only_admin_may_load(server: Embedded, said) -> None:
    assert await access.load(as_user(server, "gantry", "three"), said) == EX_REFUSED
    assert "does not let the user in REDIS_URL do this" in said.complaints


async def test_a_wrong_password_is_said_and_not_shown(server: Embedded, said) -> None:
    assert await access.load(as_user(server, "admin", "mistyped"), said) == EX_REFUSED
    assert "does not take the user and password in REDIS_URL" in said.complaints
    assert "mistyped" not in said.complaints


async def test_a_server_without_a_file_says_so(redis_url: str, said) -> None:
    assert await access.load(Settings(redis_url=SecretStr(redis_url)), said) == EX_REFUSED
    assert "not configured to use an ACL file" in said.complaints


async def test_a_server_that_is_away_is_said_to_be(nowhere: Settings, said) -> None:
    assert await access.load(nowhere, said) == EX_NO_ANSWER
    assert "does not answer" in said.complaints


async def test_what_was_refused_is_told_with_who_and_what(server: Embedded, said) -> None:
    config = as_user(server, "gantry", "three")
    with redis.from_url(as_user(server, "processor", "one").redis_url.get_secret_value(), driver_info=None) as client:
        for call in (("FLUSHALL",), ("EVAL", "return redis.call('GEOPOS', KEYS[1])", 1, "gantry:{main}:raw")):
            with pytest.raises(redis.exceptions.ResponseError):
                client.execute_command(*call)
    secret = as_user(server, "typed-where-the-name-belongs", "any").redis_url.get_secret_value()
    with redis.from_url(secret, driver_info=None) as client, pytest.raises(redis.exceptions.AuthenticationError):
        client.ping()
    assert await access.refused(config, said) == EX_REFUSED
    assert "processor may not use the command flushall: once, last 0 s ago" in said.text
    assert "processor may not use the command geopos in a script: once" in said.text
    assert "somebody did not log in" in said.text
    assert "typed-where" not in said.text
