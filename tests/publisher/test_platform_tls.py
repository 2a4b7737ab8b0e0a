"""The adapter and certificates, and the way through a proxy, against small servers of our own."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr
from small_servers import Handler, a_platform, serving

from publisher.classify import Answer, Failure, Kind, judge
from publisher.platform import Post

KEY, PASSWORD = "e&k+1/§", "p@ss:w/rd"
USER = "gantry"
RECEIPT = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
Certified = Callable[..., tuple[Path, ssl.SSLContext]]


async def post(base: str, **options: Any) -> Post:
    async with a_platform(base, {"evd": KEY}, **options) as platform:
        return await platform.post("evd", "cam1", b'{"v":1}')


async def receipt(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b'{"v":1}')
    writer.write(RECEIPT)


@pytest.fixture
def certified(tmp_path: Path) -> Certified:
    """A private authority's own certificate, and a server's context with it."""

    def make(*, host: str = "127.0.0.1", days: int = 1) -> tuple[Path, ssl.SSLContext]:
        key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "agent of a test")])
        here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        builder = builder.serial_number(1).not_valid_before(now - dt.timedelta(days=9))
        builder = builder.not_valid_after(now + dt.timedelta(days=days)).add_extension(here, critical=False)
        signed = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(
            key, hashes.SHA256()
        )
        path, form = tmp_path / "cert.pem", serialization.PrivateFormat.PKCS8
        path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        secret = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        (tmp_path / "key.pem").write_bytes(secret)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path, tmp_path / "key.pem")
        return path, context

    return make


# Certificates


async def test_a_private_authority_is_trusted_only_when_named(certified: Certified) -> None:
    path, context = certified()
    async with serving(receipt, context, scheme="https") as base:
        assert judge((await post(base, ca_file=path)).answer, 1).kind is Kind.DELIVERED
        assert (await post(base)).answer is Failure.CERTIFICATE


@pytest.mark.parametrize("wrong", [{"host": "127.0.0.2"}, {"days": -1}], ids=["of another host", "expired"])
async def test_a_wrong_certificate_is_refused_although_its_authority_is_trusted(
    wrong: dict[str, Any], certified: Certified
) -> None:
    path, context = certified(**wrong)
    async with serving(receipt, context, scheme="https") as base:
        made = await post(base, ca_file=path)
    assert made.answer is Failure.CERTIFICATE
    judgement = judge(made.answer, 1, detail=made.detail)
    assert judgement.kind is Kind.TARGET
    assert ("expired" if "days" in wrong else "not valid for '127.0.0.1'") in judgement.answer


async def test_a_handshake_that_is_cut_is_no_verdict_on_the_certificate() -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.transport.abort()

    async with serving(cut, scheme="https") as base:
        assert (await post(base)).answer is Failure.CONNECT


async def test_an_agent_that_speaks_no_tls_is_no_verdict_on_the_certificate() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    async with serving(plain, scheme="https") as base:
        assert (await post(base)).answer is Failure.CONNECT


async def test_an_agent_of_another_age_is_no_verdict_on_the_certificate(certified: Certified) -> None:
    path, context = certified()
    context.set_ciphers("ECDHE-ECDSA-AES128-CCM")  # none that we offer
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serving(receipt, context, scheme="https") as base:
        answer = (await post(base, ca_file=path)).answer
    assert answer is Failure.CONNECT
    assert judge(answer, 1).kind is Kind.TRANSIENT


async def test_a_handshake_that_never_ends_is_given_up_by_the_time_for_connecting() -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(silent, scheme="https") as base:
        answer = await post(base, timeout_s=20.0, connect_timeout_s=0.2)
    assert answer.answer is Failure.CONNECT
    assert answer.seconds < 2


# A proxy


class Proxy:
    """An HTTP proxy; with `says`, one that refuses to connect."""

    def __init__(self, says: bytes = b"") -> None:
        self.says, self.heads = says, list[bytes]()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        method, where, _ = head.split(b" ", 2)
        if self.says or method != b"CONNECT":
            writer.write(self.says or RECEIPT)
            await reader.read()
            return
        host, _, port = where.decode().rpartition(":")
        behind = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(pump(reader, behind[1]), pump(behind[0], writer))


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while part := await reader.read(65536):
        writer.write(part)
    writer.close()


def through(base: str, *, user: str = "") -> SecretStr:
    return SecretStr(base.replace("://", f"://{user}").removesuffix("/iot/json"))


NAMED = f"{USER}:p%40ss%3Aw%2Frd@"
BASIC = b"Proxy-Authorization: Basic Z2FudHJ5OnBAc3M6dy9yZA=="


async def test_a_plain_request_is_handed_to_the_proxy() -> None:
    proxy = Proxy()
    async with serving(proxy) as at:
        answer = (await post("http://agent.invalid/iot/json", proxy=through(at, user=NAMED))).answer
    assert judge(answer, 1).kind is Kind.DELIVERED
    assert proxy.heads[0].startswith(b"POST http://agent.invalid/iot/json?k=")
    assert BASIC in proxy.heads[0]


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_an_encrypted_request_goes_through_the_proxy_unseen(scheme: str, certified: Certified) -> None:
    path, context = certified()
    proxy, outer = Proxy(), context if scheme == "https" else None
    async with serving(receipt, context, scheme="https") as base, serving(proxy, outer, scheme=scheme) as at:
        answer = (await post(base, ca_file=path, proxy=through(at, user=NAMED))).answer
        refused = (await post(base, proxy=through(at))).answer
    assert judge(answer, 1).kind is Kind.DELIVERED
    assert refused is Failure.CERTIFICATE
    assert proxy.heads[0].startswith(b"CONNECT 127.0.0.1:")
    assert BASIC in proxy.heads[0] and b"k=" not in b"".join(proxy.heads)


@pytest.mark.parametrize(
    ("status", "failure"), [(407, Failure.PROXY), (403, Failure.PROXY), (502, Failure.CONNECT), (503, Failure.CONNECT)]
)
async def test_a_proxy_that_will_not_connect_has_not_sent_anything(status: int, failure: Failure) -> None:
    async with serving(Proxy(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status)) as at:
        assert (await post("https://127.0.0.1:9/iot/json", proxy=through(at))).answer is failure


async def test_a_proxy_that_refuses_a_plain_request_is_a_matter_of_the_target() -> None:
    async with serving(Proxy(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")) as at:
        answer = (await post("http://127.0.0.1:9/iot/json", proxy=through(at))).answer
    assert isinstance(answer, Answer)
    assert judge(answer, 1).kind is Kind.TARGET


async def test_without_the_proxy_nothing_is_sent(unused_tcp_port: int) -> None:
    async with serving(receipt) as base:
        nowhere = SecretStr(f"http://127.0.0.1:{unused_tcp_port}")
        assert (await post(base, proxy=nowhere)).answer is Failure.CONNECT


async def test_neither_key_nor_password_is_shown(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, certified: Certified
) -> None:
    for name in ("", "asyncio", *logging.root.manager.loggerDict):  # worse than logs.configure ever sets them
        monkeypatch.setattr(logging.getLogger(name), "level", logging.DEBUG)
    caplog.set_level(logging.DEBUG)
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0.0  # asyncio then tells of every step
    path, context = certified()
    shown: list[str] = []

    async def note(base: str, proxy: Handler, **options: Any) -> None:
        async with serving(proxy) as at:
            address = through(at, user=NAMED)
            async with a_platform(base, {"evd": KEY}, proxy=address, **options) as platform:
                shown.append(repr(await platform.post("evd", "cam1", b'{"v":1}')))
                shown.append(repr([platform, vars(platform)]))

    async with serving(receipt, context, scheme="https") as base:
        await note(base, Proxy(), ca_file=path)
        await note(base, Proxy())
    for says in (b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", b"nonsense\r\n\r\n", b"HTTP/1.1 2"):
        for base in ("https://127.0.0.1:9/iot/json", "http://127.0.0.1:9/iot/json"):
            await note(base, Proxy(says), timeout_s=0.3)
    shown += [record.getMessage() + str(record.exc_text) for record in caplog.records]
    assert any(record.name == "asyncio" for record in caplog.records)
    secrets = (KEY, "e&k", "e%26k", PASSWORD, "p%40ss", "p@ss", "Z2FudHJ5OnB")
    assert not [text for text in shown if any(secret in text for secret in secrets)]
