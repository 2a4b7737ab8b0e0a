"""A certificate authority of one's own, and a server certificate that counters accept once they have its CA.

Files in a folder: ca.crt (to install on the devices), ca.key, server.crt (with its chain), server.key.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gantry.errors import GantryError

CA_DAYS = 3650
SERVER_DAYS = 825  # the longest that strict verifiers accept
RENEW_DAYS = 30
ALWAYS = ("localhost", "127.0.0.1")
BACKDATED = timedelta(days=1)  # a device's clock may run behind

_DNS = re.compile(r"(\*\.)?([a-z0-9_]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9_]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)
_MODES = {".key": 0o600, ".crt": 0o644}


class CertificateProblem(GantryError):
    """The files cannot be made or read; the message says which, and what to do."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a person or a metric wants to know of one certificate."""

    subject: str
    names: tuple[str, ...]  # subjectAltName: DNS names and IP addresses
    not_after: datetime
    sha256: str  # fingerprint, as devices show it: "AB:CD:..."


@dataclass(frozen=True, slots=True)
class Folder:
    """The four files."""

    path: Path

    @property
    def ca_crt(self) -> Path:
        return self.path / "ca.crt"

    @property
    def ca_key(self) -> Path:
        return self.path / "ca.key"

    @property
    def server_crt(self) -> Path:
        return self.path / "server.crt"

    @property
    def server_key(self) -> Path:
        return self.path / "server.key"


def init(folder: Path, names: Sequence[str], *, now: datetime) -> Folder:
    """Make what is missing: a CA unless the folder has one, and a server certificate for `names` and this machine.

    Raises CertificateProblem when a file that it would write exists, or a name is neither DNS name nor IP address.
    """
    files = Folder(folder)
    alternatives = [_alternative(name) for name in dict.fromkeys((*names, *ALWAYS))]
    _refuse_existing(files.server_crt, files.server_key)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if files.ca_crt.exists() and files.ca_key.exists():
        ca, ca_key = _load(files.ca_crt), _load_key(files.ca_key)
    else:
        _refuse_existing(files.ca_crt, files.ca_key)
        ca, ca_key = _new_ca(now)
        _write(files.ca_key, _pem(ca_key))
        _write(files.ca_crt, _pem(ca))
    server, server_key = _new_server(alternatives, ca, ca_key, now)
    _write(files.server_key, _pem(server_key))
    _write(files.server_crt, _pem(server) + _pem(ca))
    return files


def renew(folder: Path, names: Sequence[str], *, now: datetime) -> bool:
    """Make what is missing, and a new server certificate when it lacks a name or ends within RENEW_DAYS; the CA stays.

    Returns whether a certificate was made. Raises CertificateProblem as `init`.
    """
    files, wanted = Folder(folder), {_spelled(_alternative(name)) for name in (*names, *ALWAYS)}
    if files.server_crt.exists() and files.server_key.exists():
        present = read(files.server_crt)
        if wanted <= set(present.names) and present.not_after - now > timedelta(days=RENEW_DAYS):
            return False
    for path in (files.server_crt, files.server_key):  # one without the other is of no use
        path.unlink(missing_ok=True)
    init(folder, names, now=now)
    return True


def describe(folder: Path) -> tuple[Certificate, Certificate]:
    """(the CA, the server's). Raises CertificateProblem when one of them cannot be read."""
    files = Folder(folder)
    return read(files.ca_crt), read(files.server_crt)


def read(path: Path) -> Certificate:
    """The first certificate of a PEM file. Raises CertificateProblem."""
    certificate = _load(path)
    try:
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = tuple(map(_spelled, san))
    except x509.ExtensionNotFound:
        names = ()
    return Certificate(
        subject=certificate.subject.rfc4514_string(),
        names=names,
        not_after=certificate.not_valid_after_utc,
        sha256=certificate.fingerprint(hashes.SHA256()).hex(":").upper(),
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        if not _DNS.fullmatch(name):
            raise CertificateProblem(f"{name!r} is neither a DNS name nor an IP address") from None
        return x509.DNSName(name)


def _spelled(name: x509.GeneralName) -> str:
    return str(name.value)


def _new_ca(now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Gantry CA {now:%Y-%m-%d}")])
    builder = (
        _certificate(name, name, key.public_key(), now, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
    )
    return builder.sign(key, hashes.SHA256()), key


def _new_server(
    alternatives: list[x509.GeneralName], ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey, now: datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, str(alternatives[0].value)[:64])])
    builder = (
        _certificate(name, ca.subject, key.public_key(), now, SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
    )
    return builder.sign(ca_key, hashes.SHA256()), key


def _certificate(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    start = now - BACKDATED
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _load(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise CertificateProblem(f"{path} cannot be read ({error.strerror}); `gantry certs init` makes one") from error
    except ValueError as error:
        raise CertificateProblem(f"{path} is not a certificate in PEM form") from error


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise CertificateProblem(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, TypeError) as error:
        raise CertificateProblem(f"{path} is not a private key without passphrase in PEM form") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CertificateProblem(f"{path} is not a key that `gantry certs init` has made")
    return key


def _pem(thing: x509.Certificate | ec.EllipticCurvePrivateKey) -> bytes:
    if isinstance(thing, x509.Certificate):
        return thing.public_bytes(serialization.Encoding.PEM)
    plain = serialization.NoEncryption()
    return thing.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


def _refuse_existing(*paths: Path) -> None:
    for path in paths:
        if path.exists():
            raise CertificateProblem(f"{path} exists and is never overwritten; to make a new one, move it away first")


def _write(path: Path, content: bytes) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODES[path.suffix])
    except OSError as error:
        raise CertificateProblem(f"{path} cannot be written ({error.strerror})") from error
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, _MODES[path.suffix])  # whatever the umask says
        file.write(content)
