from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gantry import certificates
from gantry.certificates import CertificateProblem
from gantry_cli.certs import app

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def test_four_files_and_their_modes(tmp_path: Path) -> None:
    certificates.init(tmp_path / "certs", ["counter.example"], now=NOW)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "certs").iterdir()}
    assert modes == {"ca.crt": 0o644, "ca.key": 0o600, "server.crt": 0o644, "server.key": 0o600}


def test_what_is_in_them(tmp_path: Path) -> None:
    certificates.init(tmp_path, ["counter.example", "10.1.2.3", "::1", "localhost"], now=NOW)
    ca, server = certificates.describe(tmp_path)
    assert server.names == ("counter.example", "10.1.2.3", "::1", "localhost", "127.0.0.1")
    assert server.subject == "CN=counter.example"
    assert NOW + timedelta(days=820) < server.not_after <= NOW + timedelta(days=825)
    assert ca.not_after > NOW + timedelta(days=3640)
    assert len(server.sha256.split(":")) == 32
    assert server.sha256 != ca.sha256


def test_nothing_is_ever_overwritten(tmp_path: Path) -> None:
    certificates.init(tmp_path, [], now=NOW)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(CertificateProblem, match=r"server\.crt exists and is never overwritten"):
        certificates.init(tmp_path, [], now=NOW)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_new_server_certificate_keeps_the_ca_that_the_devices_have(tmp_path: Path) -> None:
    files = certificates.init(tmp_path, [], now=NOW)
    ca = files.ca_crt.read_bytes()
    files.server_crt.unlink()
    files.server_key.unlink()
    certificates.init(tmp_path, ["other.example"], now=NOW + timedelta(days=700))
    assert files.ca_crt.read_bytes() == ca
    assert certificates.read(files.server_crt).names[0] == "other.example"
    assert files.server_crt.read_bytes().endswith(ca)


@pytest.mark.parametrize("lost", ["ca.key", "ca.crt"])
def test_half_a_ca_is_not_replaced(tmp_path: Path, lost: str) -> None:
    certificates.init(tmp_path, [], now=NOW)
    for name in (lost, "server.crt", "server.key"):
        (tmp_path / name).unlink()
    with pytest.raises(CertificateProblem, match="exists and is never overwritten"):
        certificates.init(tmp_path, [], now=NOW)


@pytest.mark.parametrize("name", ["a b", "http://x", "", "x..y", "-x", "ñ.example"])
def test_names_that_are_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(CertificateProblem, match="neither a DNS name nor an IP address"):
        certificates.init(tmp_path / "certs", [name], now=NOW)
    assert not (tmp_path / "certs").exists()


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(CertificateProblem, match=r"ca\.crt cannot be read .*gantry certs init"):
        certificates.describe(tmp_path)
    (tmp_path / "ca.crt").write_text("nonsense")
    with pytest.raises(CertificateProblem, match=r"ca\.crt is not a certificate"):
        certificates.describe(tmp_path)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
async def test_a_strict_verifier_with_the_ca_accepts_the_server_and_nobody_else_does(tmp_path: Path, name: str) -> None:
    files = certificates.init(tmp_path, [], now=datetime.now(UTC))
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(files.server_crt, files.server_key)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=ours)
    port = server.sockets[0].getsockname()[1]
    strict = ssl.create_default_context(cafile=files.ca_crt)
    strict.verify_flags |= ssl.VERIFY_X509_STRICT
    async with server:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=strict, server_hostname=name)
        assert await reader.read() == b""
        writer.transport.abort()
        for context, host in ((ssl.create_default_context(), name), (strict, "other.example")):
            with pytest.raises(ssl.SSLCertVerificationError):
                await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=host)


def test_the_command_says_what_to_install_and_what_to_set(tmp_path: Path) -> None:
    folder = str(tmp_path / "certs")
    made = CliRunner().invoke(app, ["init", "--dir", folder, "counter.example", "10.1.2.3"])
    shown = CliRunner().invoke(app, ["show", "--dir", folder])
    assert (made.exit_code, shown.exit_code) == (0, 0)
    assert made.stdout == shown.stdout
    ca = (tmp_path / "certs" / "ca.crt").read_text()
    for part in (ca, "counter.example, 10.1.2.3, localhost, 127.0.0.1", f"AXIS_TLS_CERT={folder}/server.crt\n"):
        assert part in shown.stdout
    assert f"AXIS_TLS_KEY={folder}/server.key\n" in shown.stdout
    assert "PRIVATE" not in shown.stdout


def test_the_command_says_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    for arguments in (["show", "--dir", str(tmp_path)], ["init", "--dir", str(tmp_path), "not a name"]):
        failed = CliRunner().invoke(app, arguments)
        assert failed.exit_code == 1
        assert failed.stderr.startswith("gantry certs: ")
        assert failed.stderr.count("\n") == 1
