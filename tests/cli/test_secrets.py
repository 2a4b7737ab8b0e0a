"""Secrets of an installation in containers: made once, kept, handed to whom they belong to, and shown to nobody."""

from __future__ import annotations

import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gantry import certificates
from gantry.errors import Malformed
from gantry_cli.__main__ import app
from gantry_cli.secrets import contents, envfile, names, steps
from gantry_cli.secrets.contents import Known
from gantry_cli.secrets.store import GIVEN, MADE, Store

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
SERVER = "redis://redis:6379"
MADE_PASSWORDS = {contents.password_of(user): f"password-of-{user}" for user in names.clients()}


def run(root: Path, *words: str, given: str | bytes = "", env: str = "", code: int = 0) -> str:
    (root / ".env").write_text(env, encoding="utf-8")
    options = ("--dir", str(root / "setup"), "--env", str(root / ".env"))
    result = CliRunner().invoke(app, ["secrets", *options, *words], input=given, obj=None)
    assert result.exit_code == code, result.output
    return result.output


def handed(root: Path, service: str, name: str) -> str:
    return (root / "setup" / service / name).read_text(encoding="utf-8")


# -- pure: who reads what -------------------------------------------------------------------------------------------


def test_every_secret_of_the_settings_has_its_readers() -> None:
    assert names.owners() == {
        "CAMERA_PASS": ("ingest-dahua",),
        "AXIS_TOKENS": ("ingest-axis",),
        "IOTA_APIKEY_EVD": ("publisher", "gantry"),
        "IOTA_APIKEY_CRWD": ("publisher", "gantry"),
        "IOTA_PROXY": ("publisher", "gantry"),
        "DASHBOARD_PASSWORD": ("dashboard",),
        "DASHBOARD_READER_PASSWORD": ("dashboard",),
        "IOTA_NORTH_TOKEN": ("gantry",),
    }


def test_a_file_beats_what_was_put_and_that_what_was_made() -> None:
    name = "CAMERA_PASS"
    known = Known(env={name: "e"}, given={name: "g"}, made={name: "m"})
    assert [
        (k.value(name), k.origin(name))
        for k in (known, Known({}, known.given, known.made), Known({}, {}, known.made), Known({}, {}, {}))
    ] == [("e", ".env"), ("g", "put"), ("m", "made here"), ("", "not set")]


def test_known_values_stand_in_no_traceback() -> None:
    assert "hidden-1" not in repr(Known(env={"A": "hidden-1"}, given={"B": "hidden-1"}, made={"C": "hidden-1"}))
    assert "hidden-1" not in repr(envfile.Found({"A": "hidden-1"}))


def test_each_client_reaches_the_server_under_its_own_name() -> None:
    files = contents.files(Known({}, {}, MADE_PASSWORDS), "rediss://redis:6380", demo=False)
    urls = {user: files[user, "redis_url"] for user in names.clients()}
    assert urls == {user: f"rediss://{user}:password-of-{user}@redis:6380" for user in names.clients()}
    assert "password-of-" not in files[names.SERVER, "users.acl"]
    assert all(f"user {user} " in files[names.SERVER, "users.acl"] for user in names.clients())


def test_a_server_of_ones_own_is_for_the_services_not_for_the_administrator() -> None:
    own = "rediss://u:p@elsewhere:6379"
    files = contents.files(Known({"REDIS_URL": own}, {}, MADE_PASSWORDS), SERVER, demo=False)
    assert {files[user, "redis_url"] for user in names.clients() if user != names.ADMIN} == {own}
    assert files[names.ADMIN, "redis_url"].startswith("redis://admin:")


def test_what_is_not_set_is_an_empty_file() -> None:
    files = contents.files(Known({}, {}, MADE_PASSWORDS), SERVER, demo=False)
    assert files["ingest-dahua", "camera_pass"] == files["publisher", "iota_apikey_evd"] == ""
    assert not [folder for folder, _ in files if folder == names.TWINS]


@pytest.mark.parametrize("server", ["", "redis", "http://redis:1", "redis://", "redis://u:p@redis:6379", "redis://r/1"])
def test_a_server_that_is_none_is_refused(server: str) -> None:
    with pytest.raises(Malformed, match="is not redis://HOST:PORT"):
        contents.url(server, "publisher", "p")


# -- .env -----------------------------------------------------------------------------------------------------------


def test_secrets_of_a_dotenv_and_those_that_it_names_as_files(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "evd").write_text("key-1\n", encoding="utf-8")
    text = "CAMERA_PASS='p$a#ss'\nIOTA_APIKEY_EVD_FILE=keys/evd\nAXIS_TOKENS=\nLOG_LEVEL=debug\n"
    found = envfile.parse(text, tmp_path, names.settable())
    assert found.values == {"CAMERA_PASS": "p$a#ss", "IOTA_APIKEY_EVD": "key-1"}
    assert found.problems == []


@pytest.mark.parametrize("file", ["/etc/hostname", "../outside", "absent", "."])
def test_a_file_that_a_container_cannot_see_is_said_and_not_guessed(tmp_path: Path, file: str) -> None:
    found = envfile.parse(f"CAMERA_PASS_FILE={file}\n", tmp_path, names.settable())
    assert found.values == {}
    assert len(found.problems) == 1
    assert "gantry secrets put" in found.problems[0]


def test_an_absent_dotenv_is_an_empty_one_and_an_unreadable_one_is_refused(tmp_path: Path) -> None:
    assert envfile.read(tmp_path / ".env", names.settable()) == envfile.Found()
    (tmp_path / ".env").write_bytes(b"CAMERA_PASS=\xff\xfe\n")
    with pytest.raises(Malformed, match="cannot be read"):
        envfile.read(tmp_path / ".env", names.settable())


def test_a_dotenv_that_is_closed_to_us_takes_nothing_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, "init", env="CAMERA_PASS=env-1\n")

    def closed(*_: object, **__: object) -> str:  # root may read everything, so it cannot be tried with modes
        raise PermissionError

    monkeypatch.setattr(envfile.Path, "read_text", closed)
    with pytest.raises(Malformed, match="chgrp"):
        envfile.read(tmp_path / ".env", names.settable())
    monkeypatch.undo()
    assert handed(tmp_path, "ingest-dahua", "camera_pass") == "env-1"


def test_a_folder_that_containers_could_not_read_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").mkdir()
    monkeypatch.setattr(envfile.os, "access", lambda path, _mode: path.name != "config")
    assert "chmod -R o+rX config deploy" in run(tmp_path, "init", code=1)
    assert not (tmp_path / "setup" / "redis").exists()


def test_who_comes_second_waits(tmp_path: Path) -> None:
    store, said = Store(tmp_path), []

    def start() -> None:
        with store.alone():
            steps.make(store, steps.Wish(SERVER, ()), envfile.Found(), NOW, said.append)

    starts = [threading.Thread(target=start) for _ in range(4)]
    for each in starts:
        each.start()
    for each in starts:
        each.join()
    assert said.count("dashboard: dashboard_password is set") == said.count("redis: users.acl is set") == 1


# -- the command ------------------------------------------------------------------------------------------------------


def test_the_first_start_makes_everything_and_the_second_changes_nothing(tmp_path: Path) -> None:
    assert "secrets are in place" in run(tmp_path, "init")
    files = {path: path.read_bytes() for path in (tmp_path / "setup").rglob("*") if path.is_file()}
    assert run(tmp_path, "init").splitlines() == ["secrets are in place"]
    assert {path: path.read_bytes() for path in (tmp_path / "setup").rglob("*") if path.is_file()} == files
    assert len(handed(tmp_path, "dashboard", "dashboard_password")) >= 20


def test_files_are_for_their_owner_and_the_servers_for_its_group(tmp_path: Path) -> None:
    run(tmp_path, "init")
    modes = {
        str(path.relative_to(tmp_path / "setup")): stat.S_IMODE(path.stat().st_mode)
        for path in (tmp_path / "setup").rglob("*")
        if path.is_file() and path.suffix != ".crt"
    }
    server = {name for name in modes if name.startswith("redis/")}
    assert server == {"redis/users.acl", "redis/server.key"}
    assert {modes[name] for name in server} == {0o640}
    assert {mode for name, mode in modes.items() if name not in server} == {0o600}


def test_a_value_goes_where_it_belongs_and_is_never_said(tmp_path: Path) -> None:
    said = run(tmp_path, "put", "IOTA_APIKEY_EVD", given="key-of-evd\n")
    assert "publisher: iota_apikey_evd is set" in said
    assert "restarted" not in said, "nothing runs yet that could have read it"
    assert (
        handed(tmp_path, "publisher", "iota_apikey_evd")
        == handed(tmp_path, "gantry", "iota_apikey_evd")
        == "key-of-evd"
    )
    listed = run(tmp_path, "list")
    assert "key-of-evd" not in said + listed
    assert [line.split()[:2] for line in listed.splitlines() if line.startswith("IOTA_APIKEY_EVD")] == [
        ["IOTA_APIKEY_EVD", "put"]
    ]
    again = run(tmp_path, "put", "IOTA_APIKEY_EVD", given="another-key").splitlines()
    assert "publisher: iota_apikey_evd is set; one that runs takes it over when it is restarted" in again
    assert "gantry: iota_apikey_evd is set" in again, "the command line reads it each time"
    assert "publisher: iota_apikey_evd is not set any more" in run(tmp_path, "remove", "IOTA_APIKEY_EVD")
    assert handed(tmp_path, "publisher", "iota_apikey_evd") == ""


def test_a_dotenv_is_in_force_as_long_as_it_names_the_secret(tmp_path: Path) -> None:
    run(tmp_path, "put", "CAMERA_PASS", given="put-1")
    run(tmp_path, "init", env="CAMERA_PASS=env-1\n")
    assert handed(tmp_path, "ingest-dahua", "camera_pass") == "env-1"
    run(tmp_path, "init")
    assert handed(tmp_path, "ingest-dahua", "camera_pass") == "put-1"


@pytest.mark.parametrize(
    ("words", "given", "reason"),
    [
        (("put", "IOTA_JSON_BASE"), "x", "no secret of any service"),
        (("put", "CAMERA_PASS"), " \n", "nothing came in"),
        (("put", "CAMERA_PASS"), b"\xff\xfe", "not UTF-8"),
        (("put", "CAMERA_PASS"), "x" * (envfile.LONGEST + 1), "longer than"),
        (("remove", "CAMERA_PASS"), "", "was not put here"),
        (("--server", "nonsense", "init"), "", "is not redis://HOST:PORT"),
        (("--axis-names", "no name", "init"), "", "neither a DNS name nor an IP address"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    tmp_path: Path, words: tuple[str, ...], given: str | bytes, reason: str
) -> None:
    said = run(tmp_path, *words, given=given, code=1)
    assert reason in said
    assert "Traceback" not in said


def test_the_demo_invents_what_twins_and_services_must_both_know(tmp_path: Path) -> None:
    run(tmp_path, "--demo", "init")
    assert handed(tmp_path, "twins", "camera_pass") == handed(tmp_path, "ingest-dahua", "camera_pass") != ""
    assert handed(tmp_path, "twins", "axis_token") == handed(tmp_path, "ingest-axis", "axis_tokens") != ""
    assert handed(tmp_path, "twins", "apikey_crowd") == handed(tmp_path, "publisher", "iota_apikey_crwd") != ""
    assert "BEGIN CERTIFICATE" in handed(tmp_path, "twins", "ca.crt")


def test_the_authority_is_printed_for_the_counters(tmp_path: Path) -> None:
    assert "cannot be read" in run(tmp_path, "ca", code=1)
    run(tmp_path, "init")
    ca = (tmp_path / "setup" / "authority" / "counters" / "ca.crt").read_text(encoding="ascii")
    assert run(tmp_path, "ca") == ca


def test_a_certificate_of_ones_own_comes_before_ours(tmp_path: Path) -> None:
    own = certificates.init(tmp_path / "own", ["counters.example.org"], now=datetime.now(UTC))
    run(tmp_path, "put", "AXIS_TLS_CERT", given=own.server_crt.read_text(encoding="ascii"))
    run(tmp_path, "put", "AXIS_TLS_KEY", given=own.server_key.read_text(encoding="ascii"))
    assert handed(tmp_path, "ingest-axis", "axis_tls_cert") == own.server_crt.read_text(encoding="ascii")
    assert handed(tmp_path, "ingest-axis", "axis_tls_key") == own.server_key.read_text(encoding="ascii")


def test_a_new_name_makes_a_new_certificate_under_the_same_authority(tmp_path: Path) -> None:
    store, said = Store(tmp_path), []
    steps.make(store, steps.Wish(SERVER, ("old.example.org",)), envfile.Found(), NOW, said.append)
    before = certificates.describe(store.authority / "counters")
    steps.make(store, steps.Wish(SERVER, ("new.example.org",)), envfile.Found(), NOW, said.append)
    after = certificates.describe(store.authority / "counters")
    assert before[0] == after[0]
    assert "new.example.org" in after[1].names


def test_a_certificate_is_renewed_before_it_ends(tmp_path: Path) -> None:
    assert certificates.renew(tmp_path, [], now=NOW)
    ends = certificates.describe(tmp_path)[1].not_after
    assert not certificates.renew(tmp_path, [], now=ends - timedelta(days=31))
    assert certificates.renew(tmp_path, [], now=ends - timedelta(days=29))


def test_a_half_written_pair_is_made_anew(tmp_path: Path) -> None:
    certificates.renew(tmp_path, [], now=NOW)
    certificates.Folder(tmp_path).server_key.unlink()
    assert certificates.renew(tmp_path, [], now=NOW)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "setup").write_text("a file", encoding="utf-8")
    assert "cannot be" in run(tmp_path, "init", code=1)


def test_values_survive_in_the_authority_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.keep(GIVEN, "CAMERA_PASS", "put-1")
    store.keep(MADE, "redis/publisher", "made-1")
    assert store.values(GIVEN) == {"CAMERA_PASS": "put-1"}
    assert store.values(MADE) == {"redis/publisher": "made-1"}
